//! Each message of RFC 4475 (49) and of RFC 5118, and the reaction the documents ask for. Where they
//! leave a choice, the reaction is ours, and the note says which.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use sip::message::parse::parse;
use sip::*;
use std::path::Path;
use std::time::Instant;

enum Reaction {
    /// Answered with this status at once.
    Status(u16),
    /// Well-formed: the engine is asked, and after Allow this comes out.
    Asked(u16),
    /// Nothing is sent and nothing happens.
    Silence,
}
use Reaction::{Asked, Silence, Status};

const TABLE: &[(&str, Reaction)] = &[
    // 3.1.1 valid
    ("wsinv", Status(481)), // has a To tag of no dialog of ours
    ("intmeth", Status(501)),
    ("esc01", Asked(100)),
    ("escnull", Asked(200)),
    ("esc02", Status(501)),
    ("lwsdisp", Status(200)),
    ("longreq", Asked(100)),
    ("dblreq", Asked(200)), // the second request in the datagram is ignored
    ("semiuri", Status(200)),
    ("transports", Status(200)),
    ("mpart01", Status(405)), // well-formed; we take no MESSAGE
    ("unreason", Silence),    // well-formed, but we did not ask
    ("noreason", Silence),
    // 3.1.2 invalid
    ("badinv01", Status(400)),
    ("clerr", Status(400)),
    ("ncl", Status(400)),
    ("scalar02", Status(400)),
    ("scalarlg", Silence),
    ("quotbal", Status(400)),
    ("ltgtruri", Status(400)),
    ("lwsruri", Status(400)),
    ("lwsstart", Status(400)),
    ("trws", Status(200)), // may be accepted
    ("escruri", Status(400)),
    ("baddate", Status(400)),
    ("regbadct", Status(400)),
    ("badaspec", Status(200)), // may be accepted
    ("baddn", Status(400)),
    ("badvers", Status(505)),
    ("mismatch01", Status(400)),
    ("mismatch02", Status(400)),
    ("bigcode", Silence),
    // 3.2, 3.3, 3.4
    ("badbranch", Status(200)), // treated as a branch of RFC 2543
    ("insuf", Status(400)),
    ("unkscm", Status(416)),
    ("novelsc", Status(416)),
    ("unksm2", Asked(400)),
    ("bext01", Status(420)),
    ("invut", Status(415)),
    ("regaut01", Asked(200)), // an unknown scheme counts as no credentials
    ("multi01", Status(400)),
    ("mcl01", Status(400)),
    ("bcast", Silence),
    ("zeromf", Status(200)), // for us, so it has arrived
    ("cparam01", Asked(200)),
    ("cparam02", Asked(200)),
    ("regescrt", Asked(200)),
    ("sdp01", Status(406)),
    ("inv2543", Asked(100)),
    // RFC 5118: 4.1 to 4.10, 4.5 has two
    ("v6-good", Asked(200)),
    ("v6-bad", Status(400)),
    ("v6-port-ambiguous", Asked(200)), // the number belongs to the address
    ("v6-port-unambiguous", Asked(200)),
    ("v6-via-received-brackets", Asked(200)), // written wrongly, and to be understood
    ("v6-via-received-plain", Asked(200)),
    ("v6-ipv6-in-sdp", Asked(100)),
    ("v6-mult-ip-in-header", Status(481)), // well-formed; no dialog of ours
    ("v6-mult-ip-in-sdp", Asked(100)),
    ("v6-ipv4-mapped", Asked(100)),
    ("v6-bug-abnf-3-colons", Status(200)), // the grammar of RFC 3261 allows it: be lenient
    // One of our own: IPv6 on every level.
    ("v6-ipv6-multiple-sdp", Asked(100)),
];

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/torture/{name}.sip"));
    std::fs::read(path).expect(name)
}

fn flow() -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.254:5060".parse().expect("address"),
        remote: "198.51.100.7:5099".parse().expect("address"),
        connection: None,
    }
}

fn statuses(endpoint: &mut Endpoint) -> Vec<u16> {
    std::iter::from_fn(|| endpoint.poll_transmit())
        .map(|t| match parse(&t.bytes) {
            Ok(Message::Response(response)) => response.status,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn every_message_gets_its_reaction() {
    let mut wrong = Vec::new();
    for (name, reaction) in TABLE {
        let now = Instant::now();
        let mut endpoint = Endpoint::new(Config::default(), [7; 32]);
        endpoint.handle_datagram(now, flow(), &bytes(name));
        let at_once = statuses(&mut endpoint);
        let event = endpoint.poll_event();
        let fine = match reaction {
            Silence => at_once.is_empty() && event.is_none(),
            Status(status) => at_once == [*status] && event.is_none(),
            Asked(status) => match event {
                Some(Event::AuthenticationNeeded { challenge, .. }) => {
                    endpoint.admit(now, challenge, Admission::Allow);
                    at_once.is_empty() && statuses(&mut endpoint) == [*status]
                }
                _ => false,
            },
        };
        if !fine {
            wrong.push((name, at_once));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    let sixes = TABLE.iter().filter(|(n, _)| n.starts_with("v6-")).count();
    assert_eq!((TABLE.len() - sixes, sixes), (49, 12));
}

#[test]
fn the_420_names_what_is_unknown_and_the_501_what_is_known() {
    let mut endpoint = Endpoint::new(Config::default(), [7; 32]);
    endpoint.handle_datagram(Instant::now(), flow(), &bytes("bext01"));
    let text = String::from_utf8(endpoint.poll_transmit().expect("answer").bytes).expect("text");
    assert!(text.contains("Unsupported: nothingSupportsThis, nothingSupportsThisEither\r\n"));
    endpoint.handle_datagram(Instant::now(), flow(), &bytes("esc02"));
    let text = String::from_utf8(endpoint.poll_transmit().expect("answer").bytes).expect("text");
    assert!(text.contains("Allow: INVITE"), "{text}");
}

#[test]
fn the_tortuous_invite_is_read_rightly() {
    let Ok(Message::Request(request)) = parse(&bytes("wsinv")) else {
        panic!("not a request");
    };
    assert_eq!(request.headers.list(HeaderName::Via).len(), 3);
    assert_eq!(
        request.headers.named("newfangledheader"),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(request.headers.value(HeaderName::Subject), Some(""));
    let from = request.headers.value(HeaderName::From).expect("From");
    let from = NameAddr::parse(from).expect("valid");
    assert_eq!(from.display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert!(sip::sdp::Description::parse(&request.sdp().expect("SDP")).is_ok());
}

/// What RFC 5118 says about the meaning, beside the reaction.
#[test]
fn addresses_of_version_6_are_read_rightly() {
    let request = |name: &str| match parse(&bytes(name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    };
    // 4.3 and 4.4: what follows a colon inside the brackets is no port.
    let (whole, apart) = (request("v6-port-ambiguous"), request("v6-port-unambiguous"));
    assert_eq!((whole.uri.port, apart.uri.port), (None, Some(5070)));
    assert_eq!(
        whole.uri.address(),
        Some("2001:db8::10:5070".parse().expect("address"))
    );
    assert_eq!(
        apart.uri.address(),
        Some("2001:db8::10".parse().expect("address"))
    );
    // 4.6 and 4.8: each medium has its own address, or that of the session.
    let described = |name: &str| {
        let sdp = request(name).sdp().expect("a description");
        sip::sdp::Description::parse(&sdp).expect("readable")
    };
    let one = described("v6-ipv6-in-sdp");
    for media in &one.media {
        assert_eq!(
            one.address_of(media),
            Some("2001:db8::20".parse().expect("address"))
        );
    }
    let two = described("v6-mult-ip-in-sdp");
    let addresses: Vec<_> = two.media.iter().map(|m| two.address_of(m)).collect();
    assert_eq!(
        addresses,
        [
            Some("192.0.2.1".parse().expect("address")),
            Some("2001:db8::1".parse().expect("address"))
        ]
    );
    // 4.7: the topmost Via decides, whatever the others are.
    let vias = request("v6-mult-ip-in-header");
    let vias = vias.headers.list(HeaderName::Via);
    let top = sip::header::Via::parse(vias[0]).expect("valid");
    assert_eq!((vias.len(), top.port), (3, Some(6050)));
}

/// Every message, cut short anywhere, and with one byte replaced, is survived.
#[test]
fn nothing_panics() {
    let now = Instant::now();
    let mut config = Config::default();
    config.limits.burst = u32::MAX / 2;
    config.limits.requests_per_second = 1_000_000;
    let mut endpoint = Endpoint::new(config, [7; 32]);
    for (name, _) in TABLE {
        let whole = bytes(name);
        for at in 0..whole.len() {
            endpoint.handle_datagram(now, flow(), &whole[..at]);
            let mut changed = whole.clone();
            changed[at] = [b'\r', b'\n', b'<', b'"', b',', b';', 0xff, 0, b'[', b':'][at % 10];
            endpoint.handle_datagram(now, flow(), &changed);
            while endpoint.poll_transmit().is_some() {}
            while let Some(event) = endpoint.poll_event() {
                if let Event::AuthenticationNeeded { challenge, .. } = event {
                    endpoint.admit(now, challenge, Admission::Allow);
                }
            }
        }
    }
}
