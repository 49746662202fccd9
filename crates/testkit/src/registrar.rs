//! A phone that registers over a wire that loses, doubles and reorders, changes its mind, and is
//! called meanwhile: races A14 and A15 (docs/races.md).
//!
//! The world keeps books of its own: what each request does when it first arrives follows from RFC
//! 3261 section 10.3 alone, and after every step the registrar must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::message::parse::parse;
use sip::{
    Admission, Config, Destination, DialogKey, Endpoint, Event, Flow, HeaderName, Invitation,
    Message, Method, NameAddr, Transport, Uri,
};

use crate::simulation::{Ended, Next, Reached, Simulation, Verdict, must};

/// The shortest registration that is taken.
const SHORTEST: u64 = 60;
/// What the phone calls itself.
const AOR: &str = "bob@example.com";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// The phone and the registrar.
const PHONE: usize = 0;
const REGISTRAR: usize = 1;

enum Coming {
    Packet(usize, Vec<u8>),
    /// The phone registers for so many seconds; 0 unregisters.
    Register(u64),
    /// The phone starts anew: another Call-ID, and its numbers begin again.
    Restart,
    /// Somebody calls the phone at what is bound.
    Call,
    Answer,
    HangUp,
}

/// What is bound, by our own books.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    call_id: String,
    cseq: u32,
    until: Duration,
}

/// One REGISTER.
struct Asked {
    call_id: String,
    cseq: u32,
    expires: u64,
}

struct World<'a> {
    sim: Simulation<'a, Coming>,
    ends: [Endpoint; 2],
    names: [SocketAddr; 2],
    lost: u64,
    doubled: u64,
    /// The registration of the phone's present life, and its last number.
    life: u32,
    cseq: u32,
    asked: BTreeMap<String, Asked>,
    arrived: BTreeSet<String>,
    /// Those that an overtaking one has made void.
    overtaken: BTreeSet<String>,
    bound: Option<Bound>,
    /// Changes that the registrar must still tell: bound anew, bound again, gone, expired.
    owed: Vec<&'static str>,
    call: Option<DialogKey>,
    rings: Option<DialogKey>,
    answered: bool,
    over: bool,
    parted_while_ringing: bool,
}

/// Lets one phone live.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64, reached: &mut Reached, trace: bool) -> Result<Ended, String> {
    let mut sim = Simulation::new(seed, reached, trace);
    let chance = &mut sim.chance;
    let config = Config {
        min_expires: Duration::from_secs(SHORTEST),
        session_expires: Duration::ZERO,
        ..Config::default()
    };
    let mut seeds = [[0; 32]; 2];
    for (end, bytes) in seeds.iter_mut().enumerate() {
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8] = end as u8 + 1;
    }
    let mut world = World {
        lost: [0, 0, 10, 3][chance.below(4) as usize],
        doubled: [0, 4][chance.below(2) as usize],
        sim,
        ends: seeds.map(|seed| Endpoint::new(config.clone(), seed)),
        names: [
            SocketAddr::from(([192, 0, 2, 1], 5060)),
            SocketAddr::from(([192, 0, 2, 2], 5060)),
        ],
        life: 0,
        cseq: 0,
        asked: BTreeMap::new(),
        arrived: BTreeSet::new(),
        overtaken: BTreeSet::new(),
        bound: None,
        owed: Vec::new(),
        call: None,
        rings: None,
        answered: false,
        over: false,
        parted_while_ringing: false,
    };
    world.plan();
    world.live()?;
    Ok(world.sim.ended())
}

impl World<'_> {
    /// Refreshes often come about when the registration before runs out, to the millisecond.
    fn plan(&mut self) {
        let mut at = Duration::ZERO;
        for _ in 0..2 + self.sim.chance.below(8) {
            let expires = match self.sim.chance.below(4) {
                0 => 0,
                _ => SHORTEST,
            };
            self.sim.later(at, Coming::Register(expires));
            if self.sim.chance.one_in(8) {
                self.sim.later(at, Coming::Restart);
            }
            if self.sim.chance.one_in(3) {
                let delay = at + self.sim.chance.delay(4);
                self.sim.later(delay, Coming::Call);
            }
            at += match self.sim.chance.below(4) {
                0 => Duration::from_millis(self.sim.chance.below(4) * 10),
                1 => self.sim.chance.delay(3),
                2 => self.sim.chance.delay(70),
                _ => Duration::from_secs(SHORTEST),
            };
        }
    }

    fn live(&mut self) -> Verdict {
        while let Some(next) = self.sim.next(self.due())? {
            match next {
                Next::Comes(coming) => self.happen(coming),
                Next::Timeout => {
                    self.run_out();
                    for end in &mut self.ends {
                        end.handle_timeout(self.sim.now.instant);
                    }
                }
            }
            self.pump()?;
            self.agrees()?;
        }
        self.at_rest()
    }

    fn due(&self) -> Option<Instant> {
        self.ends.iter().filter_map(Endpoint::poll_timeout).min()
    }

    /// What the passing of time does to our books.
    fn run_out(&mut self) {
        let over = |bound: &Bound| bound.until <= self.sim.elapsed();
        if self.bound.as_ref().is_some_and(over) {
            self.bound = None;
            self.owed.push("expired");
            self.sim.reach("A14 a registration runs out");
            if self.rings() {
                self.parted_while_ringing = true;
                self.sim
                    .reach("A15 the registration runs out while it rings");
            }
        }
    }

    /// Whether the phone rings, as far as the registrar knows.
    fn rings(&self) -> bool {
        self.call.is_some() && !self.answered && !self.over
    }

    fn happen(&mut self, coming: Coming) {
        let now = self.sim.now.instant;
        match coming {
            Coming::Packet(to, bytes) => self.arrives(to, &bytes),
            Coming::Register(expires) => self.register(expires),
            Coming::Restart => {
                self.life += 1;
                self.cseq = 0;
            }
            Coming::Call => self.invite(),
            Coming::Answer => {
                if let Some(key) = self.rings {
                    self.ends[PHONE].answer(now, key, SDP.to_owned());
                }
            }
            Coming::HangUp => {
                if let Some(key) = self.call {
                    self.ends[REGISTRAR].hang_up(now, key);
                }
            }
        }
    }

    /// The phone asks, and asks again as UDP wants it until it may give up.
    fn register(&mut self, expires: u64) {
        self.cseq += 1;
        let (life, cseq) = (self.life, self.cseq);
        let branch = format!("z9hG4bKr{life}n{cseq}");
        let text = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch}\r\nMax-Forwards: 70\r\nFrom: <sip:{AOR}>;tag=p{life}\r\nTo: <sip:{AOR}>\r\nCall-ID: life{life}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:bob@{}>;expires={expires}\r\nContent-Length: 0\r\n\r\n",
            self.names[PHONE], self.names[PHONE]
        );
        let call_id = format!("life{life}");
        let asked = Asked {
            call_id,
            cseq,
            expires,
        };
        self.asked.insert(branch, asked);
        // Timer E: 0.5, 1 s; who has been answered does not mind the others.
        for repeat in [0, 500, 1_500] {
            let delay = Duration::from_millis(repeat);
            self.leaves(PHONE, text.clone().into_bytes(), delay);
        }
    }

    fn invite(&mut self) {
        let bindings = self.ends[REGISTRAR].bindings(AOR);
        let Some(binding) = bindings.first().filter(|_| self.call.is_none()) else {
            return;
        };
        let (uri, flow) = (binding.contact.clone(), binding.flow);
        let Ok(from) = Uri::parse("sip:alice@example.com") else {
            return;
        };
        let invitation = Invitation {
            request_uri: uri.clone(),
            to: NameAddr::new(uri),
            from: NameAddr::new(from),
            destination: Destination::Flow(flow),
            route_set: Vec::new(),
            offer: SDP.to_owned(),
            headers: Vec::new(),
            credentials: None,
            contact_user: None,
            timeout: None,
            patience: None,
        };
        self.call = Some(self.ends[REGISTRAR].invite(self.sim.now.instant, invitation));
        self.sim.later(Duration::from_secs(200), Coming::HangUp);
    }

    fn leaves(&mut self, from: usize, bytes: Vec<u8>, delay: Duration) {
        self.sim.trace(|| &bytes);
        if self.lost > 0 && self.sim.chance.one_in(self.lost) {
            return;
        }
        if self.doubled > 0 && self.sim.chance.one_in(self.doubled) {
            let again = delay + self.transit();
            self.sim
                .later(again, Coming::Packet(1 - from, bytes.clone()));
        }
        let delay = delay + self.transit();
        self.sim.later(delay, Coming::Packet(1 - from, bytes));
    }

    fn transit(&mut self) -> Duration {
        match self.sim.chance.below(4) {
            0 => Duration::from_millis(500 * self.sim.chance.below(4)),
            1 => Duration::ZERO,
            _ => Duration::from_millis(10),
        }
    }

    fn arrives(&mut self, to: usize, bytes: &[u8]) {
        if to == REGISTRAR
            && let Ok(Message::Request(request)) = parse(bytes)
            && request.method == Method::Register
        {
            let via = request.headers.value(HeaderName::Via).unwrap_or_default();
            let branch = via.rsplit("branch=").next().unwrap_or_default().to_owned();
            self.keep_books(&branch);
        }
        let flow = Flow {
            transport: Transport::Udp,
            local: self.names[to],
            remote: self.names[1 - to],
            connection: None,
        };
        self.ends[to].handle_datagram(self.sim.now.instant, flow, bytes);
    }

    /// What a REGISTER does when it first arrives.
    fn keep_books(&mut self, branch: &str) {
        let Some(asked) = self.asked.get(branch) else {
            return;
        };
        if !self.arrived.insert(branch.to_owned()) {
            return;
        }
        let elapsed = self.sim.elapsed();
        let (call_id, cseq, expires) = (asked.call_id.clone(), asked.cseq, asked.expires);
        let older = |bound: &Bound| bound.call_id == call_id && bound.cseq >= cseq;
        if self.bound.as_ref().is_some_and(older) {
            self.overtaken.insert(branch.to_owned());
            self.sim.reach("A14 a REGISTER that was overtaken");
            return;
        }
        if let Some(bound) = &self.bound {
            if bound.until == elapsed {
                self.sim.reach("A14 a refresh at the very expiry");
            } else if bound.until - elapsed < Duration::from_secs(2) {
                self.sim.reach("A14 a refresh just before the expiry");
            }
        }
        let before = self.bound.is_some();
        self.bound = (expires > 0).then(|| Bound {
            call_id,
            cseq,
            until: elapsed + Duration::from_secs(expires),
        });
        match (before, expires > 0) {
            (false, true) => self.owed.push("new"),
            (true, true) => self.owed.push("again"),
            (true, false) => self.owed.push("gone"),
            (false, false) => {}
        }
        if before && expires == 0 && self.rings() {
            self.parted_while_ringing = true;
            self.sim.reach("A15 a phone unregisters while it rings");
        }
    }

    fn pump(&mut self) -> Verdict {
        loop {
            let mut quiet = true;
            for end in 0..2 {
                while let Some(transmit) = self.ends[end].poll_transmit() {
                    quiet = false;
                    self.answers(end, &transmit.bytes)?;
                    self.leaves(end, transmit.bytes, Duration::ZERO);
                }
                while let Some(event) = self.ends[end].poll_event() {
                    quiet = false;
                    self.told(end, event)?;
                }
            }
            if quiet {
                return Ok(());
            }
        }
    }

    /// A REGISTER that was overtaken is refused, each time it comes; any other is taken.
    fn answers(&mut self, end: usize, bytes: &[u8]) -> Verdict {
        let message = parse(bytes).map_err(|fault| format!("{end} sends rubbish: {fault:?}"))?;
        let Message::Response(response) = message else {
            return Ok(());
        };
        let of = response.headers.value(HeaderName::CSeq).unwrap_or_default();
        if !of.ends_with("REGISTER") || response.status < 200 {
            return Ok(());
        }
        let via = response.headers.value(HeaderName::Via).unwrap_or_default();
        let branch = via.split("branch=").nth(1).unwrap_or_default();
        let branch = branch.split(';').next().unwrap_or_default();
        let expected = match self.overtaken.contains(branch) {
            true => 500,
            false => 200,
        };
        must(response.status == expected, || {
            format!("{branch} is answered {}, not {expected}", response.status)
        })
    }

    fn told(&mut self, end: usize, event: Event) -> Verdict {
        match event {
            Event::AuthenticationNeeded { challenge, .. } => {
                self.ends[end].admit(self.sim.now.instant, challenge, Admission::Allow);
            }
            Event::Registered { new, .. } => self.tells(match new {
                true => "new",
                false => "again",
            })?,
            Event::Unregistered { expired, .. } => self.tells(match expired {
                true => "expired",
                false => "gone",
            })?,
            Event::Invited { key, .. } => {
                self.rings = Some(key);
                self.ends[PHONE].ring(self.sim.now.instant, key, None);
                let delay = self.sim.chance.delay(20);
                self.sim.later(delay, Coming::Answer);
            }
            Event::Answered { .. } if end == REGISTRAR => {
                self.answered = true;
                if self.parted_while_ringing {
                    self.sim
                        .reach("A15 it answers after its registration has gone");
                }
            }
            Event::Rejected { status, .. } if end == REGISTRAR => {
                self.over = true;
                // Nobody but the wire ends a call that rings.
                must(status == 408 && self.lost > 0, || {
                    format!("the call was refused with {status}")
                })?;
            }
            Event::Ended { .. } if end == REGISTRAR => self.over = true,
            _ => {}
        }
        Ok(())
    }

    fn tells(&mut self, what: &'static str) -> Verdict {
        let first = self.owed.iter().position(|owed| *owed == what);
        match first {
            Some(0) => {
                self.owed.remove(0);
                Ok(())
            }
            _ => Err(format!(
                "the registrar tells {what}, our books {:?}",
                self.owed
            )),
        }
    }

    /// The registrar has bound what our books say, and told every change.
    fn agrees(&self) -> Verdict {
        must(self.owed.is_empty(), || {
            format!("{:?} was not told", self.owed)
        })?;
        let bindings = self.ends[REGISTRAR].bindings(AOR);
        let theirs: Vec<Bound> = bindings
            .iter()
            .map(|binding| Bound {
                call_id: binding.call_id.clone(),
                cseq: binding.cseq,
                until: self.sim.since_start(binding.expires_at),
            })
            .collect();
        let ours: Vec<Bound> = self.bound.iter().cloned().collect();
        must(theirs == ours, || {
            format!("bound is {theirs:?}, not {ours:?}")
        })
    }

    fn at_rest(&self) -> Verdict {
        for end in &self.ends {
            let tables = end.tables();
            let left = tables.calls + tables.registrations + tables.timers;
            must(left == 0, || format!("there is left {tables:?}"))?;
        }
        Ok(())
    }
}
