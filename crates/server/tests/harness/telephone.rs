//! A SIP telephone played by the test, line by line: a UDP socket, and the sentences of RFC 3261.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::Duration;

use sip::digest::{self, DigestFields};
use sip::message::parse::parse;
use sip::{Credentials, HeaderName, Message, Request, Secret};
use tokio::net::UdpSocket;

use crate::harness::{SOON, Server};

/// A telephone that says what the test wants.
pub struct Telephone {
    socket: UdpSocket,
    /// Where it is.
    pub address: SocketAddr,
    user: String,
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
        let (domain, at) = (server.fact("sip_domain"), server.fact("sip"));
        let mut authorization = String::new();
        let mut challenge = String::new();
        loop {
            self.cseq += 1;
            let (user, address, cseq) = (&self.user, self.address, self.cseq);
            let text = format!(
                "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {address};rport;branch=z9hG4bK{address}{cseq}\r\n\
                 From: <sip:{user}@{domain}>;tag=r\r\nTo: <sip:{user}@{domain}>\r\nCall-ID: r{address}\r\n\
                 CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:{user}@{address}>\r\nExpires: 300\r\n\
                 {authorization}Content-Length: 0\r\n\r\n"
            );
            self.say(at, &text).await;
            let response = loop {
                match self.hear_within(SOON).await {
                    Some((Message::Response(response), _)) => break response,
                    Some(_) => {}
                    None => panic!("no answer to REGISTER"),
                }
            };
            if response.status == 200 {
                return challenge;
            }
            assert!(
                response.status == 401 && authorization.is_empty(),
                "{response:?}"
            );
            let offered = response.headers.value(HeaderName::WwwAuthenticate).unwrap();
            let credentials = Credentials {
                username: self.user.clone(),
                secret: Secret::Password(server.fact("sip_password").to_owned()),
                realm: None,
            };
            let fields = DigestFields::parse(offered).unwrap();
            let uri = format!("sip:{domain}");
            let answer = digest::answer(&fields, &credentials, "REGISTER", &uri, "cn", 1).unwrap();
            authorization = format!("Authorization: {answer}\r\n");
            challenge = offered.to_owned();
        }
    }
}
