//! Two endpoints and a wire between them, under a clock that the test moves.
#![allow(dead_code)]

use sip::message::parse::parse;
use sip::*;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub fn sdp(version: u32) -> String {
    SDP.replace("- 1 1 IN", &format!("- 1 {version} IN"))
}

/// What to do with a message on its way: its first line, whether it goes from A to B.
pub type Wire = Box<dyn FnMut(&str, bool) -> bool>;

pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub ends: [Endpoint; 2],
    pub names: [SocketAddr; 2],
    pub passwords: HashMap<String, String>,
    /// Answers every admission with Allow, unless passwords are wanted.
    pub open: bool,
    pub events: [Vec<Event>; 2],
    /// First lines with the direction, in order.
    pub log: Vec<String>,
    pub passes: Wire,
    pub delay: Duration,
    flights: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    pub bytes: [usize; 2],
}

impl World {
    pub fn new(a: Config, b: Config) -> World {
        let now = Instant::now();
        World {
            now,
            start: now,
            ends: [Endpoint::new(a, [1; 32]), Endpoint::new(b, [2; 32])],
            names: [
                "192.0.2.1:5060".parse().expect("address"),
                "192.0.2.2:5060".parse().expect("address"),
            ],
            passwords: HashMap::new(),
            open: true,
            events: [Vec::new(), Vec::new()],
            log: Vec::new(),
            passes: Box::new(|_, _| true),
            delay: Duration::from_millis(10),
            flights: BTreeMap::new(),
            count: 0,
            bytes: [0, 0],
        }
    }

    pub fn plain() -> World {
        World::new(Config::default(), Config::default())
    }

    pub fn flow_at(&self, end: usize) -> Flow {
        Flow {
            transport: Transport::Udp,
            local: self.names[end],
            remote: self.names[1 - end],
            connection: None,
        }
    }

    pub fn invitation(&self, from: usize) -> Invitation {
        let remote = self.names[1 - from];
        let uri = Uri::sip(Some("bob"), &remote.ip().to_string(), Some(remote.port()));
        Invitation {
            request_uri: uri.clone(),
            to: NameAddr::new(uri),
            from: NameAddr::new(Uri::parse("sip:alice@example.com").expect("valid")),
            destination: Destination::Address {
                transport: Transport::Udp,
                local: self.names[from],
                remote,
            },
            route_set: Vec::new(),
            offer: sdp(1),
            headers: vec![("X-Test".into(), "yes".into())],
            credentials: None,
            contact_user: Some("alice".into()),
            timeout: None,
            patience: None,
        }
    }

    /// Sends a message by hand, as if `from` had.
    pub fn inject(&mut self, from: usize, text: &str) {
        let flow = self.flow_at(1 - from);
        self.ends[1 - from].handle_datagram(self.now, flow, text.replace('\n', "\r\n").as_bytes());
        self.pump();
    }

    /// Takes what the ends want to say and do now.
    pub fn pump(&mut self) {
        loop {
            let mut quiet = true;
            for end in 0..2 {
                while let Some(transmit) = self.ends[end].poll_transmit() {
                    quiet = false;
                    self.bytes[end] += transmit.bytes.len();
                    let first = String::from_utf8_lossy(&transmit.bytes);
                    let cseq = match parse(&transmit.bytes) {
                        Ok(Message::Response(r)) => r
                            .headers
                            .value(HeaderName::CSeq)
                            .and_then(|c| c.split(' ').next_back().map(str::to_owned)),
                        _ => None,
                    };
                    let mut line = first
                        .lines()
                        .next()
                        .unwrap_or("")
                        .split(' ')
                        .take(2)
                        .collect::<Vec<_>>()
                        .join(" ");
                    if let Some(cseq) = cseq {
                        line = format!("{} {cseq}", line.trim_start_matches("SIP/2.0 "));
                    } else {
                        line = line.split(' ').next().unwrap_or("").to_owned();
                    }
                    let forth = end == 0;
                    let passes =
                        transmit.flow.remote == self.names[1 - end] && (self.passes)(&line, forth);
                    self.log.push(format!(
                        "{}{line}{}",
                        if forth { "> " } else { "< " },
                        if passes { "" } else { " (lost)" }
                    ));
                    if passes {
                        self.count += 1;
                        self.flights.insert(
                            (self.now + self.delay, self.count),
                            (1 - end, transmit.bytes),
                        );
                    }
                }
                while let Some(event) = self.ends[end].poll_event() {
                    quiet = false;
                    if let Event::AuthenticationNeeded {
                        challenge,
                        username,
                        ..
                    } = &event
                    {
                        if self.open {
                            self.ends[end].admit(self.now, *challenge, Admission::Allow);
                        } else {
                            let secret = username
                                .as_ref()
                                .and_then(|u| self.passwords.get(u))
                                .map(|p| Secret::Password(p.clone()));
                            self.ends[end].authenticate(self.now, *challenge, secret);
                        }
                        continue;
                    }
                    self.events[end].push(event);
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        self.pump();
        loop {
            let flight = self.flights.keys().next().map(|k| k.0);
            let next = [
                flight,
                self.ends[0].poll_timeout(),
                self.ends[1].poll_timeout(),
            ]
            .into_iter()
            .flatten()
            .min();
            let Some(next) = next.filter(|n| *n <= until) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.flights.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let (to, bytes) = entry.remove();
                let flow = self.flow_at(to);
                self.ends[to].handle_datagram(self.now, flow, &bytes);
                self.pump();
            }
            for end in 0..2 {
                self.ends[end].handle_timeout(self.now);
            }
            self.pump();
        }
        self.now = until;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn soon(&mut self) {
        self.run(Duration::from_millis(100));
    }

    /// The key of the last call that came in at `end`.
    pub fn invited(&self, end: usize) -> DialogKey {
        self.events[end]
            .iter()
            .rev()
            .find_map(|e| match e {
                Event::Invited { key, .. } => Some(*key),
                _ => None,
            })
            .expect("a call came in")
    }

    /// A call from A to B that is up.
    pub fn call_up(&mut self) -> (DialogKey, DialogKey) {
        let invitation = self.invitation(0);
        let a = self.ends[0].invite(self.now, invitation);
        self.soon();
        let b = self.invited(1);
        self.ends[1].answer(self.now, b, sdp(2));
        self.soon();
        assert!(has(&self.events[0], |e| matches!(
            e,
            Event::Answered { .. }
        )));
        assert!(has(&self.events[1], |e| matches!(
            e,
            Event::Acknowledged { .. }
        )));
        (a, b)
    }

    pub fn sent(&self, line: &str) -> usize {
        self.log
            .iter()
            .filter(|l| l.trim_end_matches(" (lost)") == line)
            .count()
    }

    pub fn ended(&self, end: usize) -> Vec<EndReason> {
        self.events[end]
            .iter()
            .filter_map(|e| match e {
                Event::Ended { reason, .. } => Some(reason.clone()),
                _ => None,
            })
            .collect()
    }

    pub fn assert_empty(&self) {
        for end in &self.ends {
            assert_eq!(end.tables(), Tables::default(), "{:#?}", self.log.len());
        }
    }
}

pub fn has(events: &[Event], test: impl Fn(&Event) -> bool) -> bool {
    events.iter().any(test)
}
