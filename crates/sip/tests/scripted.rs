//! A phone scripted by hand against one endpoint: registration, odd orders, forks, streams, floods.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use sip::digest::{self, DigestFields};
use sip::message::parse::parse;
use sip::*;
use std::time::{Duration, Instant};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

struct Desk {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
}

impl Desk {
    fn new(config: Config) -> Desk {
        Desk {
            endpoint: Endpoint::new(config, [3; 32]),
            now: Instant::now(),
            flow: Flow {
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().expect("address"),
                remote: "198.51.100.7:40000".parse().expect("address"),
                connection: None,
            },
        }
    }

    fn say(&mut self, text: &str) {
        self.endpoint
            .handle_datagram(self.now, self.flow, text.as_bytes());
    }

    fn heard(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|t| parse(&t.bytes).expect("well-formed"))
            .collect()
    }

    fn statuses(&mut self) -> Vec<u16> {
        self.heard()
            .into_iter()
            .filter_map(|m| match m {
                Message::Response(r) => Some(r.status),
                Message::Request(_) => None,
            })
            .collect()
    }

    fn event(&mut self) -> Option<Event> {
        self.endpoint.poll_event()
    }

    /// Lets the next request in; what happened before it is passed over.
    fn allow(&mut self) {
        while let Some(event) = self.event() {
            if let Event::AuthenticationNeeded { challenge, .. } = event {
                self.endpoint.admit(self.now, challenge, Admission::Allow);
                return;
            }
        }
        panic!("no request waits");
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.endpoint.handle_timeout(at);
        }
        self.now = until;
    }
}

fn request(method: &str, cseq: u32, branch: &str, to: &str, extra: &str, body: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.5:5060;rport;branch=z9hG4bK{branch}\r\n\
         From: <sip:alice@example.com>;tag=al\r\nTo: {to}\r\nCall-ID: c1\r\nMax-Forwards: 70\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:alice@10.0.0.5:5060>\r\n{extra}\
         {}Content-Length: {}\r\n\r\n{body}",
        if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        },
        body.len()
    )
}

fn register(cseq: u32, extra: &str) -> String {
    request(
        "REGISTER",
        cseq,
        &format!("r{cseq}"),
        "<sip:alice@Example.com>",
        extra,
        "",
    )
}

fn authorization(response: &Response, which: usize, password: &str, count: u32) -> String {
    let challenge = response
        .headers
        .values(HeaderName::WwwAuthenticate)
        .nth(which)
        .expect("challenge");
    let credentials = Credentials {
        username: "alice".into(),
        secret: Secret::Password(password.into()),
        realm: None,
    };
    let fields = DigestFields::parse(challenge).expect("digest");
    let answer = digest::answer(
        &fields,
        &credentials,
        "REGISTER",
        "sip:bob@192.0.2.1",
        "cn",
        count,
    );
    format!("Authorization: {}\r\n", answer.expect("answerable"))
}

fn only_response(mut heard: Vec<Message>) -> Response {
    assert_eq!(heard.len(), 1, "{heard:?}");
    match heard.remove(0) {
        Message::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

fn decide(desk: &mut Desk, password: Option<&str>) -> Option<String> {
    match desk.event() {
        Some(Event::AuthenticationNeeded {
            challenge,
            username,
            ..
        }) => {
            let secret = password.map(|p| Secret::Password(p.to_owned()));
            desk.endpoint.authenticate(desk.now, challenge, secret);
            username
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_phone_registers_with_either_digest() {
    for which in [0, 1] {
        let mut desk = Desk::new(Config::default());
        desk.say(&register(1, ""));
        assert_eq!(decide(&mut desk, None), None);
        let asked = only_response(desk.heard());
        assert_eq!(asked.status, 401);
        let proof = authorization(&asked, which, "pw", 1);
        desk.say(&register(2, &format!("{proof}Expires: 300\r\n")));
        assert_eq!(decide(&mut desk, Some("pw")).as_deref(), Some("alice"));
        let fine = only_response(desk.heard());
        assert_eq!(fine.status, 200);
        assert_eq!(
            fine.headers.value(HeaderName::Contact),
            Some("<sip:alice@10.0.0.5:5060>;expires=300")
        );
        assert!(matches!(
            desk.event(),
            Some(Event::Registered { aor, user: Some(u), new: true, .. })
                if aor == "alice@example.com" && u == "alice"
        ));
        // The same counter again is a replay: not even asked about.
        desk.say(&register(3, &proof));
        let again = only_response(desk.heard());
        assert_eq!(again.status, 401);
        assert!(
            again
                .headers
                .value(HeaderName::WwwAuthenticate)
                .is_some_and(|c| c.contains("stale=true"))
        );
        assert!(desk.event().is_none());
        // Calls go where it came from, not to its private address.
        let binding = &desk.endpoint.bindings("alice@example.com")[0];
        assert_eq!(binding.flow.remote, desk.flow.remote);
        desk.pass(Duration::from_secs(301));
        assert!(matches!(
            desk.event(),
            Some(Event::Unregistered { expired: true, .. })
        ));
        assert_eq!(desk.endpoint.tables(), Tables::default());
    }
}

// sip-registration-4
#[test]
fn an_algorithm_that_was_not_offered_is_refused() {
    let mut desk = Desk::new(Config {
        algorithms: vec![digest::Algorithm::Sha256],
        ..Config::default()
    });
    desk.say(&register(1, ""));
    decide(&mut desk, None);
    let asked = only_response(desk.heard());
    assert_eq!(asked.headers.count(&HeaderName::WwwAuthenticate), 1);
    // The answer is right, but by the weaker algorithm.
    let mut weaker = asked.clone();
    let offered = asked.headers.value(HeaderName::WwwAuthenticate).unwrap();
    weaker.headers.set(
        HeaderName::WwwAuthenticate,
        offered.replace("SHA-256", "MD5"),
    );
    desk.say(&register(2, &authorization(&weaker, 0, "pw", 1)));
    decide(&mut desk, Some("pw"));
    assert_eq!(only_response(desk.heard()).status, 401);
    desk.say(&register(3, &authorization(&asked, 0, "pw", 1)));
    decide(&mut desk, Some("pw"));
    assert_eq!(only_response(desk.heard()).status, 200);
}

#[test]
fn a_wrong_password_an_old_nonce_and_a_foreign_address() {
    let mut desk = Desk::new(Config::default());
    desk.say(&register(1, ""));
    decide(&mut desk, None);
    let asked = only_response(desk.heard());
    desk.say(&register(2, &authorization(&asked, 0, "no", 1)));
    decide(&mut desk, Some("pw"));
    assert_eq!(desk.statuses(), [401]);
    // Another source cannot use the nonce.
    let home = desk.flow;
    desk.flow.remote = "203.0.113.1:5060".parse().expect("address");
    desk.say(&register(3, &authorization(&asked, 0, "pw", 1)));
    assert_eq!(desk.statuses(), [401]);
    assert!(desk.event().is_none());
    desk.flow = home;
    desk.pass(Duration::from_secs(301));
    desk.heard();
    desk.say(&register(4, &authorization(&asked, 0, "pw", 1)));
    assert_eq!(desk.statuses(), [401]);
    assert!(desk.event().is_none());
}

#[test]
fn the_registrar_knows_its_rules() {
    let mut config = Config::default();
    config.limits.contacts = 2;
    let mut desk = Desk::new(config);
    desk.say(&register(1, "Expires: 5\r\n"));
    desk.allow();
    let brief = only_response(desk.heard());
    assert_eq!(
        (brief.status, brief.headers.value(HeaderName::MinExpires)),
        (423, Some("60"))
    );
    desk.say(&register(4, "Contact: <sip:alice@10.0.0.6>\r\n"));
    desk.allow();
    assert_eq!(desk.statuses(), [200]);
    assert_eq!(desk.endpoint.bindings("alice@example.com").len(), 2);
    desk.say(&register(5, "Contact: <sip:alice@10.0.0.7>\r\n"));
    desk.allow();
    assert_eq!(desk.statuses(), [403]);
    // A14: overtaken.
    desk.say(&request(
        "REGISTER",
        3,
        "late",
        "<sip:alice@example.com>",
        "",
        "",
    ));
    desk.allow();
    assert_eq!(desk.statuses(), [500]);
    let all = register(9, "Expires: 0\r\n").replace("<sip:alice@10.0.0.5:5060>", "*");
    desk.say(&all);
    desk.allow();
    assert_eq!(desk.statuses(), [200]);
    assert!(desk.endpoint.bindings("alice@example.com").is_empty());
}

#[test]
fn merged_retransmitted_and_stray() {
    let mut desk = Desk::new(Config::default());
    let first = request("INVITE", 1, "a", "<sip:bob@192.0.2.1>", "", SDP);
    desk.say(&first);
    desk.allow();
    assert_eq!(desk.statuses(), [100]);
    desk.say(&first);
    assert_eq!(desk.statuses(), [100]);
    // A10: the same by another path.
    desk.say(&request("INVITE", 1, "b", "<sip:bob@192.0.2.1>", "", SDP));
    assert_eq!(desk.statuses(), [482]);
    // Stray ACK, stray response, CANCEL and BYE of nothing.
    desk.say(&request("ACK", 1, "z", "<sip:bob@192.0.2.1>;tag=x", "", ""));
    desk.say("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(desk.statuses(), [0u16; 0]);
    desk.say(&request("CANCEL", 1, "q", "<sip:bob@192.0.2.1>", "", ""));
    desk.say(&request("BYE", 2, "r", "<sip:bob@192.0.2.1>;tag=x", "", ""));
    assert_eq!(desk.statuses(), [481, 481]);
    assert!(matches!(desk.event(), Some(Event::Invited { .. })));
    assert!(desk.event().is_none());
}

/// An INVITE without an offer: ours is in the 200, theirs must be in the ACK. A4: BYE may come first.
#[test]
fn the_offer_may_come_late() {
    for with_answer in [true, false] {
        let mut desk = Desk::new(Config::default());
        desk.say(&request("INVITE", 1, "a", "<sip:bob@192.0.2.1>", "", ""));
        desk.allow();
        let Some(Event::Invited {
            key, offer: None, ..
        }) = desk.event()
        else {
            panic!("no call");
        };
        desk.heard();
        desk.endpoint.answer(desk.now, key, SDP.to_owned());
        let answered = only_response(desk.heard());
        let to = answered
            .headers
            .value(HeaderName::To)
            .expect("To")
            .to_owned();
        assert_eq!(answered.sdp().as_deref(), Some(SDP));
        let body = if with_answer { SDP } else { "" };
        desk.say(&request("ACK", 1, "k", &to, "", body));
        match desk.event() {
            Some(Event::Acknowledged { sdp: Some(_), .. }) => assert!(with_answer),
            Some(Event::Ended {
                reason: EndReason::Protocol(_),
                ..
            }) => assert!(!with_answer),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn bye_before_ack_stops_the_answer() {
    let mut desk = Desk::new(Config::default());
    desk.say(&request("INVITE", 1, "a", "<sip:bob@192.0.2.1>", "", SDP));
    desk.allow();
    let Some(Event::Invited { key, .. }) = desk.event() else {
        panic!("no call");
    };
    desk.heard();
    desk.endpoint.answer(desk.now, key, SDP.to_owned());
    let to = only_response(desk.heard());
    let to = to.headers.value(HeaderName::To).expect("To").to_owned();
    desk.say(&request("BYE", 2, "b", &to, "", ""));
    assert_eq!(desk.statuses(), [200]);
    assert!(matches!(
        desk.event(),
        Some(Event::Ended {
            reason: EndReason::HungUpThere,
            ..
        })
    ));
    desk.pass(Duration::from_secs(70));
    assert!(desk.heard().is_empty());
    assert!(desk.event().is_none());
    assert_eq!(desk.endpoint.tables(), Tables::default());
}

/// A1, A18: two phones behind one fork answer; the second gets ACK and BYE.
#[test]
fn a_second_answer_is_hung_up() {
    let mut desk = Desk::new(Config::default());
    let uri = Uri::parse("sip:bob@198.51.100.7:40000").expect("valid");
    let key = desk.endpoint.invite(
        desk.now,
        Invitation {
            request_uri: uri.clone(),
            to: NameAddr::new(uri),
            from: NameAddr::new(Uri::parse("sip:pbx@192.0.2.1").expect("valid")),
            destination: Destination::Flow(desk.flow),
            route_set: Vec::new(),
            offer: SDP.to_owned(),
            headers: vec![("X-Bad".into(), "a\r\nEvil: 1".into())],
            credentials: None,
            contact_user: None,
            timeout: None,
            patience: None,
        },
    );
    let heard = desk.heard();
    let [Message::Request(invite)] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(invite.headers.named("Evil"), None);
    let answer = |tag: &str| {
        let header = |name: HeaderName| invite.headers.value(name).unwrap_or("").to_owned();
        format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag={tag}\r\nCall-ID: {}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:bob@10.0.0.9>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{SDP}",
            header(HeaderName::Via),
            header(HeaderName::From),
            header(HeaderName::To),
            header(HeaderName::CallId),
            SDP.len()
        )
    };
    let methods = |desk: &mut Desk| -> Vec<(String, String)> {
        desk.heard()
            .into_iter()
            .map(|m| match m {
                Message::Request(r) => (
                    r.method.to_string(),
                    r.headers.value(HeaderName::To).unwrap_or("").to_owned(),
                ),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    desk.say(&answer("one"));
    let sent = methods(&mut desk);
    assert_eq!((sent.len(), sent[0].0.as_str()), (1, "ACK"));
    desk.say(&answer("two"));
    let sent = methods(&mut desk);
    assert_eq!(
        sent.iter().map(|s| s.0.as_str()).collect::<Vec<_>>(),
        ["ACK", "BYE"]
    );
    assert!(sent.iter().all(|s| s.1.ends_with("tag=two")));
    desk.say(&answer("two"));
    desk.say(&answer("one"));
    assert_eq!(methods(&mut desk).len(), 2, "only the ACKs again");
    let answered = std::iter::from_fn(|| desk.event())
        .filter(|e| matches!(e, Event::Answered { key: k, .. } if *k == key))
        .count();
    assert_eq!(answered, 1);
}

#[test]
fn streams_are_framed_pinged_and_reused() {
    let mut desk = Desk::new(Config::default());
    desk.flow.transport = Transport::Tcp;
    desk.flow.connection = Some(ConnectionId(5));
    desk.endpoint.handle_stream_opened(desk.now, desk.flow);
    let two = format!(
        "\r\n\r\n{}{}",
        register(1, "").replace("/UDP", "/TCP"),
        request("OPTIONS", 7, "o", "<sip:bob@192.0.2.1>", "", "").replace("/UDP", "/TCP")
    );
    // In pieces of every size.
    for piece in two.as_bytes().chunks(7) {
        assert!(
            desk.endpoint
                .handle_stream_bytes(desk.now, ConnectionId(5), piece)
        );
    }
    desk.allow();
    let ping = desk.endpoint.poll_transmit().expect("pong");
    assert_eq!(ping.bytes, b"\r\n");
    assert_eq!(desk.statuses(), [200, 200]);
    let binding = desk.endpoint.bindings("alice@example.com")[0].clone();
    assert_eq!(binding.flow.connection, Some(ConnectionId(5)));
    // Nothing is repeated on a stream.
    desk.endpoint.invite(
        desk.now,
        Invitation {
            request_uri: binding.contact.clone(),
            to: NameAddr::new(binding.contact),
            from: NameAddr::new(Uri::parse("sip:pbx@192.0.2.1").expect("valid")),
            destination: Destination::Flow(binding.flow),
            route_set: Vec::new(),
            offer: SDP.to_owned(),
            headers: Vec::new(),
            credentials: None,
            contact_user: None,
            timeout: None,
            patience: None,
        },
    );
    let sent = desk.endpoint.poll_transmit().expect("INVITE");
    assert_eq!(sent.flow.connection, Some(ConnectionId(5)));
    desk.pass(Duration::from_secs(20));
    assert!(desk.endpoint.poll_transmit().is_none());
    while desk.event().is_some() {}
    // The connection goes, and with it the call and the registration.
    desk.endpoint
        .handle_stream_closed(desk.now, ConnectionId(5));
    assert!(matches!(
        desk.event(),
        Some(Event::Rejected { status: 503, .. })
    ));
    assert!(matches!(desk.event(), Some(Event::Unregistered { .. })));
    desk.pass(Duration::from_secs(70));
    assert_eq!(desk.endpoint.tables(), Tables::default());
}

/// V8, V9: a flood keeps little, and gets little back.
#[test]
fn a_flood_from_one_source() {
    let mut config = Config::default();
    config.limits.requests_per_second = 10;
    config.limits.burst = 20;
    let mut desk = Desk::new(config);
    for at in 0..1000 {
        let text = request("OPTIONS", 1, &format!("f{at}"), "<sip:x@192.0.2.1>", "", "");
        desk.say(&text.replace("c1", &format!("c{at}")));
    }
    let statuses = desk.statuses();
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 20);
    assert_eq!(statuses.iter().filter(|s| **s == 503).count(), 10);
    assert_eq!(statuses.len(), 30);
    assert_eq!(desk.endpoint.tables().server_transactions, 20);
    // A made-up To tag, or CANCEL of nothing, opens no back door.
    for at in 0..100 {
        desk.say(&request(
            "BYE",
            1,
            &format!("g{at}"),
            "<sip:x@192.0.2.1>;tag=y",
            "",
            "",
        ));
        desk.say(&request(
            "CANCEL",
            1,
            &format!("h{at}"),
            "<sip:x@192.0.2.1>",
            "",
            "",
        ));
    }
    assert_eq!(desk.statuses().len(), 0);
    assert_eq!(desk.endpoint.tables().server_transactions, 20);
}

/// What was answered for good is kept for 32 s and says the same again; it is bounded by what it takes
/// up, not by how many transactions may be under way.
#[test]
fn answered_requests_are_kept_small_and_for_as_long_as_they_may_be_repeated() {
    let mut config = Config::default();
    config.limits.transactions = 1;
    config.limits.finished_bytes = 20_000;
    config.limits.burst = 1_000;
    let mut desk = Desk::new(config);
    let ask = |desk: &mut Desk, at: usize| {
        let text = request("OPTIONS", 1, &format!("o{at}"), "<sip:x@192.0.2.1>", "", "");
        desk.say(&text.replace("c1", &format!("c{at}")));
        desk.heard()
    };
    let first = ask(&mut desk, 0);
    let asked = (1..100).take_while(|at| only_response(ask(&mut desk, *at)).status == 200);
    let kept = 1 + asked.count();
    // Each takes less than 1.5 kB, with its answer of some 400 bytes.
    assert!(kept >= 14, "only {kept} in 20,000 bytes");
    assert_eq!(desk.endpoint.tables().server_transactions, kept);
    desk.pass(Duration::from_secs(31));
    let again = ask(&mut desk, 0);
    assert_eq!(only_response(again), only_response(first));
    assert_eq!(only_response(ask(&mut desk, 200)).status, 503);
    desk.pass(Duration::from_secs(2));
    assert_eq!(desk.endpoint.tables(), Tables::default());
    assert_eq!(only_response(ask(&mut desk, 200)).status, 200);
}

#[test]
fn answers_are_not_larger_than_questions() {
    let mut desk = Desk::new(Config::default());
    let (mut asked, mut answered) = (0, 0);
    for (at, method) in ["REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "FOO", "BYE"]
        .into_iter()
        .enumerate()
    {
        let padding = "User-Agent: Telephone of an average make, version 1.2.3.4\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER, NOTIFY\r\nSupported: replaces, timer, path, outbound, gruu\r\n";
        let text = request(
            method,
            1,
            &format!("m{at}"),
            "<sip:b@192.0.2.1>",
            padding,
            "",
        );
        asked += text.len();
        desk.say(&text);
        if let Some(Event::AuthenticationNeeded { challenge, .. }) = desk.event() {
            desk.endpoint
                .admit(desk.now, challenge, Admission::Challenge);
        }
        while let Some(transmit) = desk.endpoint.poll_transmit() {
            answered += transmit.bytes.len();
        }
    }
    assert!(answered <= asked, "{answered} > {asked}");
}

/// RFC 3581 section 4, RFC 3261 section 18.2.2.
#[test]
fn an_answer_goes_where_the_request_came_from() {
    let mut desk = Desk::new(Config::default());
    let options = request("OPTIONS", 1, "rp", "<sip:b@192.0.2.1>", "", "");
    desk.say(&options);
    let sent = desk.endpoint.poll_transmit().expect("an answer");
    assert_eq!(sent.flow.remote, desk.flow.remote);
    let text = String::from_utf8(sent.bytes).unwrap();
    assert!(text.contains(";received=198.51.100.7"), "{text}");
    assert!(text.contains(";rport=40000"), "{text}");
    // Without rport: to the address it came from, at the port of its Via.
    desk.say(
        &options
            .replace(";rport", "")
            .replace("z9hG4bKrp", "z9hG4bKno"),
    );
    let sent = desk.endpoint.poll_transmit().expect("an answer");
    assert_eq!(sent.flow.remote.to_string(), "198.51.100.7:5060");
    let text = String::from_utf8(sent.bytes).unwrap();
    assert!(text.contains(";received=198.51.100.7"), "{text}");
    assert!(!text.contains("rport"), "{text}");
}

#[test]
fn while_the_engine_is_behind_nothing_begins_and_what_has_begun_goes_on() {
    let mut desk = Desk::new(Config::default());
    desk.say(&request("INVITE", 1, "i1", "<sip:bob@192.0.2.1>", "", SDP));
    desk.allow();
    let Some(Event::Invited { key, .. }) = desk.event() else {
        panic!("no call");
    };
    desk.endpoint.answer(desk.now, key, SDP.to_owned());
    let Some(Message::Response(answer)) = desk.heard().pop() else {
        panic!("no answer");
    };
    let to = answer.headers.value(HeaderName::To).unwrap().to_owned();
    desk.say(&request("ACK", 1, "a1", &to, "", ""));
    desk.endpoint.set_busy(true);
    for method in ["INVITE", "REGISTER", "OPTIONS"] {
        let text = request(method, 2, method, "<sip:bob@192.0.2.1>", "", "");
        desk.say(&text.replace("c1", method));
        let refused = only_response(desk.heard());
        assert_eq!(refused.status, 503, "{method}");
        assert_eq!(refused.headers.value(HeaderName::RetryAfter), Some("5"));
    }
    assert!(
        !std::iter::from_fn(|| desk.event())
            .any(|event| matches!(event, Event::AuthenticationNeeded { .. }))
    );
    desk.say(&request("BYE", 3, "b3", &to, "", ""));
    assert_eq!(desk.statuses(), [200]);
    desk.endpoint.set_busy(false);
    desk.say(&register(4, "").replace("c1", "later"));
    desk.allow();
    assert_eq!(desk.statuses(), [200]);
}

#[test]
fn a_trunk_is_not_held_to_the_limit_of_strangers() {
    let mut config = Config::default();
    config.limits.requests_per_second = 10;
    config.limits.burst = 20;
    let mut desk = Desk::new(config);
    let flood = |desk: &mut Desk, name: &str| {
        for at in 0..100 {
            let branch = format!("{name}{at}");
            let text = request("OPTIONS", 1, &branch, "<sip:x@192.0.2.1>", "", "");
            desk.say(&text.replace("c1", &branch));
        }
        desk.statuses().iter().filter(|s| **s == 200).count()
    };
    assert_eq!(flood(&mut desk, "stranger"), 20);
    desk.endpoint
        .trust(|source| source.to_string().starts_with("198.51.100."));
    assert_eq!(flood(&mut desk, "trunk"), 100);
    desk.endpoint.trust(|_| false);
    assert_eq!(flood(&mut desk, "gone"), 0);
}

#[test]
fn half_a_message_and_one_stream_too_many_are_closed() {
    let mut config = Config::default();
    config.limits.connections = 1;
    let mut desk = Desk::new(config);
    desk.flow.transport = Transport::Tcp;
    let open = |desk: &mut Desk, number| {
        desk.flow.connection = Some(ConnectionId(number));
        desk.endpoint.handle_stream_opened(desk.now, desk.flow);
    };
    open(&mut desk, 1);
    open(&mut desk, 2);
    let closed = |desk: &mut Desk| match desk.event() {
        Some(Event::StreamUseless { connection }) => Some(connection.0),
        None => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(closed(&mut desk), Some(2));
    // Byte by byte a message is not held open for longer than one that stops.
    let text = request("OPTIONS", 1, "o", "<sip:x@192.0.2.1>", "", "").replace("/UDP", "/TCP");
    for byte in text.as_bytes().chunks(1).take(5) {
        assert!(
            desk.endpoint
                .handle_stream_bytes(desk.now, ConnectionId(1), byte)
        );
        assert_eq!(closed(&mut desk), None);
        desk.pass(Duration::from_secs(6));
    }
    assert_eq!(closed(&mut desk), Some(1));
    desk.endpoint
        .handle_stream_closed(desk.now, ConnectionId(1));
    // Whole messages, with half of the next behind them, may go on for ever.
    open(&mut desk, 3);
    let mut rest = text.as_bytes().to_vec();
    for at in 2..20 {
        rest.extend(text.replace("bKo", &format!("bKo{at}")).bytes());
        let half = rest.split_off(rest.len() - 20);
        assert!(
            desk.endpoint
                .handle_stream_bytes(desk.now, ConnectionId(3), &rest)
        );
        rest = half;
        desk.pass(Duration::from_secs(20));
    }
    assert_eq!(closed(&mut desk), None);
    desk.pass(Duration::from_secs(20));
    assert_eq!(closed(&mut desk), Some(3));
}

/// A8: offers in UPDATE and PRACK (RFC 3311 section 5.2, RFC 3262 section 5).
#[test]
fn offers_come_in_update_and_prack() {
    let config = Config {
        reliable_provisional: true,
        ..Config::default()
    };
    let mut desk = Desk::new(config);
    let other = SDP.replace("4000", "4002");
    let supported = "Supported: 100rel\r\nAllow: INVITE, ACK, BYE, UPDATE, PRACK\r\n";
    desk.say(&request(
        "INVITE",
        1,
        "i1",
        "<sip:bob@192.0.2.1>",
        supported,
        SDP,
    ));
    desk.allow();
    let Some(Event::Invited { key, .. }) = desk.event() else {
        panic!("no call");
    };
    desk.endpoint.ring(desk.now, key, Some(SDP.to_owned()));
    let Some(Message::Response(early)) = desk.heard().pop() else {
        panic!("no early media");
    };
    assert_eq!(early.status, 183);
    let to = early.headers.value(HeaderName::To).unwrap().to_owned();
    let number = early.headers.value(HeaderName::RSeq).unwrap().to_owned();

    // While it rings: later, please.
    desk.say(&request("UPDATE", 2, "u2", &to, "", &other));
    let refused = only_response(desk.heard());
    assert_eq!(refused.status, 500);
    let wait = refused.headers.value(HeaderName::RetryAfter).unwrap();
    assert!(wait.parse::<u32>().unwrap() <= 10);
    // An offer in the PRACK of an answer is one too many; the response counts as acknowledged.
    let acknowledges = format!("RAck: {number} 1 INVITE\r\n");
    desk.say(&request("PRACK", 3, "p3", &to, &acknowledges, &other));
    assert_eq!(desk.statuses(), [488]);
    desk.say(&request("PRACK", 4, "p4", &to, &acknowledges, ""));
    assert_eq!(desk.statuses(), [481]);
    desk.endpoint.answer(desk.now, key, SDP.to_owned());
    assert_eq!(desk.statuses(), [200]);
    desk.say(&request("ACK", 1, "a1", &to, "", ""));
    while desk.event().is_some() {}

    // Once it is up an UPDATE changes the session.
    desk.say(&request("UPDATE", 5, "u5", &to, "", &other));
    let Some(Event::Reoffered { offer, .. }) = desk.event() else {
        panic!("no offer");
    };
    assert_eq!(offer.as_deref(), Some(other.as_str()));
    desk.endpoint
        .answer_reoffer(desk.now, key, SDP.replace(" 1 1 ", " 1 2 "));
    let answer = only_response(desk.heard());
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8_lossy(&answer.body).contains(" 1 2 "));
    // One that is refused leaves it as it was.
    desk.say(&request("UPDATE", 6, "u6", &to, "", SDP));
    assert!(matches!(desk.event(), Some(Event::Reoffered { .. })));
    desk.endpoint.reject_reoffer(desk.now, key, 488);
    assert_eq!(desk.statuses(), [488]);
    // Too short a session is asked for again, in UPDATE and in re-INVITE.
    for (cseq, method) in [(7, "UPDATE"), (8, "INVITE")] {
        let short = "Supported: timer\r\nSession-Expires: 60\r\n";
        desk.say(&request(method, cseq, &format!("s{cseq}"), &to, short, SDP));
        let refused = only_response(desk.heard());
        assert_eq!((refused.status, method), (422, method));
        assert_eq!(refused.headers.value(HeaderName::MinSe), Some("90"));
        desk.say(&request("ACK", cseq, &format!("s{cseq}"), &to, "", ""));
    }
    // Against our own offer: one of the two must wait.
    desk.endpoint
        .reoffer(desk.now, key, SDP.replace(" 1 1 ", " 1 3 "));
    assert!(matches!(desk.heard().as_slice(), [Message::Request(_)]));
    desk.say(&request("UPDATE", 9, "u9", &to, "", &other));
    assert_eq!(desk.statuses(), [491]);
    desk.say(&request("BYE", 10, "b10", &to, "", ""));
    assert_eq!(desk.statuses().last(), Some(&200));
}
