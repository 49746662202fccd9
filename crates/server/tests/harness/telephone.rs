//! A SIP telephone played by the test, line by line: a UDP socket, and the sentences of RFC 3261.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::Duration;

use sip::digest::{self, DigestFields};
use sip::header::NameAddr;
use sip::message::parse::parse;
use sip::{Credentials, HeaderName, Message, Request, Response, Secret};
use tokio::net::UdpSocket;

use crate::harness::{SOON, Server};

/// A telephone that says what the test wants.
pub struct Telephone {
    socket: UdpSocket,
    /// Where it is.
    pub address: SocketAddr,
    user: String,
    /// What it answers challenges with.
    pub password: String,
    /// What its calls were told before their final answers.
    pub provisional: Vec<Response>,
    cseq: u32,
}

impl Telephone {
    /// A telephone of a user of the seeded domain.
    pub async fn of(user: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            socket,
            user: user.to_owned(),
            password: "switchboard".to_owned(),
            provisional: Vec::new(),
            cseq: 0,
        }
    }

    /// Says something.
    pub async fn say(&self, to: &str, text: &str) {
        let to: SocketAddr = to.parse().unwrap();
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next message within a time; `None` when there is silence. Sound comes to the same port
    /// and is passed over: RTP begins with a byte that no SIP message begins with.
    pub async fn hear_within(&self, within: Duration) -> Option<(Message, SocketAddr)> {
        let mut buffer = vec![0; 65_536];
        let hear = async {
            loop {
                let (length, from) = self.socket.recv_from(&mut buffer).await.unwrap();
                if buffer[0] & 0xc0 != 0x80 {
                    return (parse(&buffer[..length]).unwrap(), from);
                }
            }
        };
        tokio::time::timeout(within, hear).await.ok()
    }

    /// The next request with this method; repeated ones of others are passed over.
    pub async fn request(&self, method: &str) -> (Request, SocketAddr) {
        loop {
            match self.hear_within(SOON).await {
                Some((Message::Request(request), from)) if request.method.word() == method => {
                    return (request, from);
                }
                Some(_) => {}
                None => panic!("no {method} came"),
            }
        }
    }

    /// Answers a request.
    pub async fn answer(
        &self,
        request: &Request,
        to: SocketAddr,
        status: &str,
        more: &str,
        body: &str,
    ) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            for value in request.headers.values(name.clone()) {
                text += &format!("{}: {value}\r\n", name.word());
            }
        }
        let callee = request.headers.value(HeaderName::To).unwrap();
        let tag = if callee.contains("tag=") || status.starts_with("100") {
            String::new()
        } else {
            format!(";tag={}", self.address.port())
        };
        text += &format!("To: {callee}{tag}\r\n{more}");
        if !body.is_empty() {
            text += "Content-Type: application/sdp\r\n";
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.say(&to.to_string(), &text).await;
    }

    /// Takes a call: 200 with a description.
    pub async fn pick_up(&self, invite: &Request, to: SocketAddr) {
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.user, self.address);
        self.answer(invite, to, "200 OK", &contact, &self.description())
            .await;
    }

    /// What it can do: PCMU, to a port of its own that nobody reads.
    pub fn description(&self) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
            self.address.port()
        )
    }

    /// Registers with the password of the seeded users; the challenge it answered.
    pub async fn register(&mut self, server: &Server) -> String {
        let user = self.user.clone();
        let contact = self.contact();
        let (response, challenge) = self.register_as(server, &user, &contact).await;
        assert_eq!(response.status, 200, "{response:?}");
        challenge.expect("nobody registers without a challenge")
    }

    /// Its Contact header, and for how long.
    pub fn contact(&self) -> String {
        format!(
            "Contact: <sip:{}@{}>\r\nExpires: 300\r\n",
            self.user, self.address
        )
    }

    /// Registers the address of `user` with its own password; the answer, and the challenge that came
    /// before it.
    pub async fn register_as(
        &mut self,
        server: &Server,
        user: &str,
        headers: &str,
    ) -> (Response, Option<String>) {
        let domain = server.fact("sip_domain").to_owned();
        let uri = format!("sip:{domain}");
        let to = format!("sip:{user}@{domain}");
        let (response, _, challenge) = self.ask(server, "REGISTER", &uri, &to, headers, "").await;
        (response, challenge)
    }

    /// Calls somebody; the answer, and the call.
    pub async fn call(&mut self, server: &Server, to: &str, body: &str) -> (Response, Dialog) {
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.user, self.address);
        let (response, dialog, _) = self.ask(server, "INVITE", to, to, &contact, body).await;
        (response, dialog)
    }

    /// A request outside any call, sent again with the password when it is challenged; its final
    /// answer, and the challenge.
    pub async fn ask(
        &mut self,
        server: &Server,
        method: &str,
        uri: &str,
        to: &str,
        headers: &str,
        body: &str,
    ) -> (Response, Dialog, Option<String>) {
        let domain = server.fact("sip_domain").to_owned();
        let mut dialog = Dialog {
            uri: uri.to_owned(),
            from: format!("<sip:{}@{domain}>;tag=t{}", self.user, self.address.port()),
            to: format!("<{to}>"),
            call_id: match method {
                "REGISTER" => format!("r{}", self.address),
                _ => format!("c{}{}", self.address, self.cseq),
            },
        };
        let response = self
            .within(server, &mut dialog, method, headers, body)
            .await;
        if response.status != 401 {
            return (response, dialog, None);
        }
        let offered = response.headers.value(HeaderName::WwwAuthenticate).unwrap();
        let credentials = Credentials {
            username: self.user.clone(),
            secret: Secret::Password(self.password.clone()),
            realm: None,
        };
        let fields = DigestFields::parse(offered).unwrap();
        let answer = digest::answer(&fields, &credentials, method, uri, "cn", 1).unwrap();
        let headers = format!("{headers}Authorization: {answer}\r\n");
        dialog.uri = uri.to_owned();
        dialog.to = format!("<{to}>");
        let response = self
            .within(server, &mut dialog, method, &headers, body)
            .await;
        (response, dialog, Some(offered.to_owned()))
    }

    /// A request of a call; its final answer. What else comes meanwhile is passed over.
    pub async fn within(
        &mut self,
        server: &Server,
        dialog: &mut Dialog,
        method: &str,
        headers: &str,
        body: &str,
    ) -> Response {
        self.cseq += 1;
        let (address, cseq) = (self.address, self.cseq);
        let Dialog {
            uri,
            from,
            to,
            call_id,
        } = dialog.clone();
        let branch = format!("z9hG4bK{}c{cseq}", address.port());
        let request = |method: &str, to: &str, branch: &str, more: &str, body: &str| {
            let kind = match body {
                "" => "",
                _ => "Content-Type: application/sdp\r\n",
            };
            format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch={branch}\r\n\
                 From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
                 Max-Forwards: 70\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let text = request(method, &to, &branch, headers, body);
        self.say(server.fact("sip"), &text).await;
        let response = loop {
            match self.hear_within(SOON).await {
                Some((Message::Response(response), _)) => {
                    let of = response.headers.value(HeaderName::CSeq).unwrap();
                    if response.status >= 200 && of == format!("{cseq} {method}") {
                        break response;
                    }
                    self.provisional.push(response);
                }
                Some(_) => {}
                None => panic!("no answer to {method}"),
            }
        };
        if method == "INVITE" {
            let to = response.headers.value(HeaderName::To).unwrap();
            let good = response.status < 300;
            if let Some(contact) = response.headers.value(HeaderName::Contact).filter(|_| good) {
                let contact = NameAddr::parse(contact).unwrap();
                dialog.uri = contact.uri.to_string();
                dialog.to = to.to_owned();
            }
            let acknowledged = if good { format!("{branch}a") } else { branch };
            let ack = request("ACK", to, &acknowledged, "", "");
            self.say(server.fact("sip"), &ack).await;
        }
        response
    }
}

/// What a request of a call is made from.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// Where requests go.
    pub uri: String,
    from: String,
    to: String,
    call_id: String,
}
