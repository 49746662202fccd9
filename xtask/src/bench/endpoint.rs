//! P3, the part of it that is SIP: two endpoints in one thread, no sockets, no server around them.
//!
//! Each call is INVITE, 100, 200, ACK, BYE, 200. The time goes on by a millisecond a call, so that
//! the tables hold what they would at a thousand calls a second, and finished ones leave them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::{Admission, Destination, Endpoint, Event, Flow, Invitation, NameAddr, Transport, Uri};

use super::report::{Figure, Finding, Target};
use super::{Bench, Options};

/// Calls of the measured run; a fourth of that before it is thrown away.
const CALLS: u32 = 40_000;
/// How much later each call begins.
const STEP: Duration = Duration::from_millis(1);
/// What is offered and answered: the endpoint carries it without looking.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// One side and the time it took so far.
struct Side {
    endpoint: Endpoint,
    address: SocketAddr,
    spent: Duration,
    over: u32,
}

impl Side {
    fn new(port: u16, other: u16) -> Self {
        let (address, trusted) = (
            SocketAddr::from(([127, 0, 0, 1], port)),
            SocketAddr::from(([127, 0, 0, 1], other)),
        );
        let mut endpoint = Endpoint::new(sip::Config::default(), [port as u8; 32]);
        endpoint.trust(move |source| source == trusted.ip());
        Self {
            endpoint,
            address,
            spent: Duration::ZERO,
            over: 0,
        }
    }

    /// Hands everything that waits to the other side and acts on what happened; whether there was
    /// anything.
    fn turn(&mut self, now: Instant, other: &mut Side) -> bool {
        let began = Instant::now();
        let mut busy = false;
        while let Some(event) = self.endpoint.poll_event() {
            busy = true;
            match event {
                Event::AuthenticationNeeded { challenge, .. } => {
                    self.endpoint.admit(now, challenge, Admission::Allow);
                }
                Event::Invited { key, .. } => self.endpoint.answer(now, key, SDP.to_owned()),
                Event::Answered { key, .. } => self.endpoint.hang_up(now, key),
                Event::Ended { .. } => self.over += 1,
                _ => {}
            }
        }
        let mut letters = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            letters.push(transmit.bytes);
        }
        self.spent += began.elapsed();
        let began = Instant::now();
        let flow = Flow {
            transport: Transport::Udp,
            local: other.address,
            remote: self.address,
            connection: None,
        };
        for bytes in &letters {
            other.endpoint.handle_datagram(now, flow, bytes);
        }
        other.spent += began.elapsed();
        busy || !letters.is_empty()
    }

    fn pass(&mut self, now: Instant) {
        let began = Instant::now();
        while self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
        }
        self.spent += began.elapsed();
    }
}

/// Measures.
pub fn measure(_bench: &Bench, _options: &Options) -> anyhow::Result<Finding> {
    let (mut caller, mut callee) = (Side::new(5061, 5062), Side::new(5062, 5061));
    let mut now = Instant::now();
    for number in 0..CALLS / 4 + CALLS {
        if number == CALLS / 4 {
            for side in [&mut caller, &mut callee] {
                side.spent = Duration::ZERO;
                side.over = 0;
            }
        }
        let uri = Uri::sip(Some("+15005550110"), "127.0.0.1", Some(5062));
        let began = Instant::now();
        caller.endpoint.invite(
            now,
            Invitation {
                request_uri: uri.clone(),
                to: NameAddr::new(uri.clone()),
                from: NameAddr::new(uri),
                destination: Destination::Address {
                    transport: Transport::Udp,
                    local: caller.address,
                    remote: callee.address,
                },
                route_set: Vec::new(),
                offer: SDP.to_owned(),
                headers: Vec::new(),
                credentials: None,
                contact_user: None,
                timeout: None,
                patience: None,
            },
        );
        caller.spent += began.elapsed();
        while caller.turn(now, &mut callee) | callee.turn(now, &mut caller) {}
        now += STEP;
        caller.pass(now);
        callee.pass(now);
    }
    let per_call = |side: &Side| side.spent.as_secs_f64() * 1000.0 / f64::from(CALLS);
    let tables = callee.endpoint.tables();
    let mut faults = Vec::new();
    for (side, name) in [(&caller, "caller"), (&callee, "called party")] {
        if side.over != CALLS {
            faults.push(format!(
                "{} of {CALLS} calls ended for the {name}",
                side.over
            ));
        }
    }
    Ok(Finding {
        name: "endpoint".to_owned(),
        what: format!(
            "the SIP machine alone, in memory: INVITE, 100, 200, ACK, BYE, 200; {CALLS} calls, 1000/s of its time"
        ),
        figures: vec![
            Figure::new("called_party_per_call", "ms", per_call(&callee))
                .against("P3 (SIP alone)", Target::Most(0.15)),
            Figure::new("caller_per_call", "ms", per_call(&caller)),
            Figure::new(
                "calls_per_second",
                "per s and core, called party",
                1000.0 / per_call(&callee),
            ),
            Figure::new(
                "server_transactions_kept",
                "",
                tables.server_transactions as f64,
            ),
            Figure::new("timers_kept", "", tables.timers as f64),
        ],
        faults,
    })
}
