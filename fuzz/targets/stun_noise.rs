//! Whatever may arrive at an open port: datagrams into the SIP endpoint, which is answered the way
//! the server would, and into a media port.
//!
//! The input is cut at bytes of 0xff. The first byte of a piece says what happens before it
//! arrives and where it goes; the rest is the datagram. We call, too: so that a reply meets the
//! transaction that waits for it, `$V`, `$F`, `$T`, `$C` and `$S` stand for Via, From, To, Call-ID and
//! CSeq of the newest request that we sent.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use media::{Command, Engine, Format, PayloadFormat, PortId, PortSettings};
use sip::message::parse::parse;
use sip::{
    Admission, Config, ConnectionId, Credentials, Destination, DialogKey, Endpoint, Event, Flow,
    HeaderName, Invitation, Message, NameAddr, Secret, Transport, Uri,
};

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                      m=audio 4000 RTP/AVP 0\r\n";

/// The headers of a request that its reply repeats.
#[derive(Default)]
struct Newest([String; 5]);

impl Newest {
    const NAMES: [(&str, HeaderName); 5] = [
        ("$V", HeaderName::Via),
        ("$F", HeaderName::From),
        ("$T", HeaderName::To),
        ("$C", HeaderName::CallId),
        ("$S", HeaderName::CSeq),
    ];

    fn sent(&mut self, bytes: &[u8]) {
        if let Ok(Message::Request(request)) = parse(bytes) {
            for (value, (_, name)) in self.0.iter_mut().zip(Self::NAMES) {
                *value = request.headers.value(name).unwrap_or_default().to_owned();
            }
        }
    }

    fn fill(&self, datagram: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(datagram) else {
            return datagram.to_vec();
        };
        let mut text = text.to_owned();
        for (value, (mark, _)) in self.0.iter().zip(Self::NAMES) {
            // Once each: whoever repeats it makes no more of it.
            text = text.replacen(mark, value, 1);
        }
        text.into_bytes()
    }
}

/// Calls the stranger, who may ask for a password.
fn call(endpoint: &mut Endpoint, now: Instant, local: SocketAddr, remote: SocketAddr) -> DialogKey {
    let uri = Uri::sip(Some("bob"), &remote.ip().to_string(), Some(remote.port()));
    let from = Uri::parse("sip:alice@example.com").expect("it is one");
    let invitation = Invitation {
        request_uri: uri.clone(),
        to: NameAddr::new(uri),
        from: NameAddr::new(from),
        destination: Destination::Address {
            transport: Transport::Udp,
            local,
            remote,
        },
        route_set: Vec::new(),
        offer: ANSWER.to_owned(),
        headers: Vec::new(),
        credentials: Some(Credentials {
            username: "alice".to_owned(),
            secret: Secret::Password("open sesame".to_owned()),
            realm: None,
        }),
        contact_user: None,
        timeout: Some(Duration::from_secs(60)),
        patience: None,
    };
    endpoint.invite(now, invitation)
}

fuzz_target!(|bytes: &[u8]| {
    let mut newest = Newest::default();
    let mut calling = None;
    let mut now = Instant::now();
    let local = SocketAddr::from(([127, 0, 0, 1], 5060));
    let remote = SocketAddr::from(([127, 0, 0, 2], 5060));
    let mut endpoint = Endpoint::new(Config::default(), [1; 32]);
    let stream = Flow {
        transport: Transport::Tcp,
        local,
        remote,
        connection: Some(ConnectionId(1)),
    };
    endpoint.handle_stream_opened(now, stream);
    let mut open = true;

    let mut engine = Engine::new(media::Config::new(now, Duration::ZERO), 1);
    let port = PortId(1);
    engine.apply(
        now,
        Command::OpenPort {
            port,
            ssrc: 1,
            cname: "fuzz".to_owned(),
        },
    );
    let format = Format::from_payload_type(0).expect("PCMU is known");
    let mut settings = PortSettings::new(
        remote,
        PayloadFormat {
            payload_type: 0,
            format,
        },
    );
    settings.telephone_event_receive = Some(101);
    engine.apply(
        now,
        Command::Configure {
            port,
            settings: Box::new(settings),
        },
    );
    engine.apply(now, Command::Echo { port });
    engine.apply(now, Command::DetectDtmf { port, on: true });

    for piece in bytes.split(|byte| *byte == 0xff).take(32) {
        let Some((&how, datagram)) = piece.split_first() else {
            continue;
        };
        now += match how >> 6 {
            0 => Duration::ZERO,
            1 => Duration::from_millis(20),
            2 => Duration::from_millis(700),
            _ => Duration::from_secs(40),
        };
        endpoint.handle_timeout(now);
        match (how >> 2 & 15, calling) {
            (13, _) => calling = Some(call(&mut endpoint, now, local, remote)),
            (14, Some(key)) => endpoint.reoffer(now, key, ANSWER.to_owned()),
            (15, Some(key)) => endpoint.hang_up(now, key),
            _ => {}
        }
        while let Some(transmit) = endpoint.poll_transmit() {
            newest.sent(&transmit.bytes);
        }
        let datagram = &newest.fill(datagram);
        match how & 3 {
            0 | 1 => {
                let flow = Flow {
                    transport: Transport::Udp,
                    local,
                    remote,
                    connection: None,
                };
                endpoint.handle_datagram(now, flow, datagram);
            }
            2 if open => open = endpoint.handle_stream_bytes(now, ConnectionId(1), datagram),
            2 => {}
            _ => {
                engine.handle_packet(now, port, remote, &mut datagram.to_vec());
                engine.tick(now);
            }
        }
        for _ in 0..100 {
            let Some(event) = endpoint.poll_event() else {
                break;
            };
            serve(&mut endpoint, now, event, how >> 2 & 15);
        }
        while let Some(transmit) = endpoint.poll_transmit() {
            newest.sent(&transmit.bytes);
        }
    }
    // Everybody falls silent: what strangers began must come to an end by itself.
    for _ in 0..2_000 {
        let Some(at) = endpoint.poll_timeout() else {
            break;
        };
        now = now.max(at);
        endpoint.handle_timeout(now);
        while endpoint.poll_transmit().is_some() {}
        while let Some(event) = endpoint.poll_event() {
            serve(&mut endpoint, now, event, 1);
        }
    }
    for _ in 0..20 {
        now += Duration::from_millis(20);
        engine.tick(now);
    }
    // An echo may be as long as what is echoed, but nothing makes more of a datagram.
    let longest = bytes.len().max(1500);
    engine.drain_transmits(|_, _, sent| assert!(sent.len() <= longest, "no amplification"));
    engine.apply(now, Command::ClosePort { port });
    while engine.poll_event().is_some() {}
    assert_eq!(engine.port_count(), 0);
});

/// Decides as the server might.
fn serve(endpoint: &mut Endpoint, now: Instant, event: Event, how: u8) {
    match event {
        Event::AuthenticationNeeded { challenge, .. } => {
            let admission = match how & 3 {
                0 => Admission::Allow,
                1 => Admission::Verify(Secret::Password("open sesame".to_owned())),
                2 => Admission::Challenge,
                _ => Admission::Ignore,
            };
            endpoint.admit(now, challenge, admission);
        }
        Event::Invited { key, .. } => match how >> 2 {
            0 => endpoint.answer(now, key, ANSWER.to_owned()),
            1 => endpoint.ring(now, key, Some(ANSWER.to_owned())),
            2 => endpoint.ring(now, key, None),
            _ => endpoint.reject(now, key, 486, ""),
        },
        Event::Reoffered { key, .. } => match how & 1 {
            0 => endpoint.answer_reoffer(now, key, ANSWER.to_owned()),
            _ => endpoint.reject_reoffer(now, key, 488),
        },
        Event::Acknowledged { key, .. } if how & 1 == 1 => endpoint.hang_up(now, key),
        _ => {}
    }
}
