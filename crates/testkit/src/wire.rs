//! Two SIP endpoints and a wire that loses, doubles, delays and reorders: the races of group A that
//! are decided below the call engine (docs/races.md).
//!
//! One seed is one call. Both sides do what comes to their mind at moments that often collide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::message::parse::parse;
use sip::{
    Admission, Config, Destination, DialogKey, EndReason, Endpoint, Event, Flow, HeaderName,
    Invitation, Message, Method, NameAddr, Transport, Uri,
};

use crate::simulation::{Ended, Next, Reached, Simulation, Verdict, must};

/// After this both sides hang up, and the wire is sound again.
const PEACE: Duration = Duration::from_secs(100);

/// What a side thinks of.
#[derive(Debug, Clone, Copy)]
enum Whim {
    Ring,
    RingWithSound,
    Answer,
    Refuse,
    HangUp,
    Reoffer,
    AnswerReoffer,
}

enum Coming {
    Packet(usize, Vec<u8>),
    Whim(usize, Whim),
}

/// One side of the call, as it was told of it.
#[derive(Default)]
struct Side {
    key: Option<DialogKey>,
    invited: u32,
    /// We said that it is answered, or were told.
    answered: bool,
    /// Its 200 has left; an answer may wait for a PRACK before (RFC 3262 section 3).
    committed: bool,
    acknowledged: bool,
    over: bool,
    let_go: bool,
    reoffering: bool,
    /// It has made offers of its own inside the call.
    reoffered: bool,
    glare: bool,
    /// Version of the newest description that was said, and that was heard.
    said: u32,
    heard: u32,
}

struct World<'a> {
    sim: Simulation<'a, Coming>,
    ends: [Endpoint; 2],
    names: [SocketAddr; 2],
    sides: [Side; 2],
    /// One packet in so many is lost, or comes twice; 0 is none.
    lost: u64,
    doubled: u64,
    /// A method that never gets through.
    swallowed: Option<Method>,
    /// Final answers to each INVITE, by who gave them.
    finals: BTreeMap<(usize, u32, String), u16>,
    /// INVITEs that arrived.
    arrived: BTreeSet<Vec<u8>>,
}

/// Lets one call run to its end.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64, reached: &mut Reached, trace: bool) -> Result<Ended, String> {
    let mut sim = Simulation::new(seed, reached, trace);
    let chance = &mut sim.chance;
    let config = Config {
        session_expires: Duration::from_secs(if chance.one_in(4) { 90 } else { 0 }),
        reliable_provisional: chance.one_in(2),
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
        swallowed: match chance.below(16) {
            0 => Some(Method::Ack),
            1 => Some(Method::Bye),
            2 => Some(Method::Prack),
            _ => None,
        },
        sim,
        ends: [
            Endpoint::new(config.clone(), seeds[0]),
            Endpoint::new(config, seeds[1]),
        ],
        names: [
            SocketAddr::from(([192, 0, 2, 1], 5060)),
            SocketAddr::from(([192, 0, 2, 2], 5060)),
        ],
        sides: Default::default(),
        finals: BTreeMap::new(),
        arrived: BTreeSet::new(),
    };
    world.begin()?;
    world.live()?;
    Ok(world.sim.ended())
}

fn sdp(version: u32) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    )
}

fn version(sdp: &str) -> u32 {
    let line = sdp.lines().find_map(|line| line.strip_prefix("o=- 1 "));
    let word = line.and_then(|line| line.split(' ').next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

impl World<'_> {
    fn next_description(&mut self, end: usize) -> String {
        self.sides[end].said += 1;
        sdp(self.sides[end].said)
    }

    /// The answer to the first offer: the same in every response (RFC 3261 section 13.2.1).
    fn first_answer(&mut self, end: usize) -> String {
        self.sides[end].said = 1;
        sdp(1)
    }

    fn begin(&mut self) -> Verdict {
        let remote = self.names[1];
        let uri = Uri::sip(Some("bob"), &remote.ip().to_string(), Some(remote.port()));
        let from = Uri::parse("sip:alice@example.com").map_err(|error| error.to_string())?;
        let timeout = self.sim.chance.one_in(2);
        let timeout = timeout.then(|| Duration::from_millis(500 * (1 + self.sim.chance.below(10))));
        let invitation = Invitation {
            request_uri: uri.clone(),
            to: NameAddr::new(uri),
            from: NameAddr::new(from),
            destination: Destination::Address {
                transport: Transport::Udp,
                local: self.names[0],
                remote,
            },
            route_set: Vec::new(),
            offer: self.next_description(0),
            headers: Vec::new(),
            credentials: None,
            contact_user: None,
            timeout,
            patience: None,
        };
        self.sides[0].key = Some(self.ends[0].invite(self.sim.now.instant, invitation));
        for end in 0..2 {
            for _ in 0..self.sim.chance.below(4) {
                let whim = match self.sim.chance.below(3) {
                    0 => Whim::HangUp,
                    _ => Whim::Reoffer,
                };
                let delay = self.sim.chance.delay(10);
                self.sim.later(delay, Coming::Whim(end, whim));
            }
            self.sim.later(PEACE, Coming::Whim(end, Whim::HangUp));
        }
        self.pump()
    }

    fn live(&mut self) -> Verdict {
        while let Some(next) = self.sim.next(self.due())? {
            match next {
                Next::Timeout => {
                    for end in &mut self.ends {
                        end.handle_timeout(self.sim.now.instant);
                    }
                }
                Next::Comes(Coming::Packet(to, bytes)) => self.arrives(to, &bytes),
                Next::Comes(Coming::Whim(end, whim)) => self.follow(end, whim),
            }
            self.pump()?;
        }
        self.at_rest()
    }

    fn due(&self) -> Option<Instant> {
        self.ends.iter().filter_map(Endpoint::poll_timeout).min()
    }

    /// A side does what came to its mind, if that still makes sense to it.
    fn follow(&mut self, end: usize, whim: Whim) {
        let Some(key) = self.sides[end].key else {
            return;
        };
        let now = self.sim.now.instant;
        match whim {
            Whim::Ring => self.ends[end].ring(now, key, None),
            Whim::RingWithSound => {
                let sdp = self.first_answer(end);
                self.ends[end].ring(now, key, Some(sdp));
            }
            Whim::Answer => {
                let side = &mut self.sides[end];
                if side.over || side.let_go || side.answered {
                    return;
                }
                side.answered = true;
                let sdp = self.first_answer(end);
                self.ends[end].answer(now, key, sdp);
            }
            Whim::Refuse => {
                if !self.sides[end].answered {
                    self.sides[end].let_go = true;
                    self.ends[end].reject(now, key, 486, "");
                }
            }
            Whim::HangUp => {
                self.sides[end].let_go = true;
                self.ends[end].hang_up(now, key);
            }
            Whim::Reoffer => {
                let side = &self.sides[end];
                if side.answered && !side.over && !side.let_go {
                    self.sides[end].reoffering = true;
                    self.sides[end].reoffered = true;
                    let sdp = self.next_description(end);
                    self.ends[end].reoffer(now, key, sdp);
                }
            }
            Whim::AnswerReoffer => {
                let sdp = self.next_description(end);
                self.ends[end].answer_reoffer(now, key, sdp);
            }
        }
    }

    /// Takes what both sides want to say and to tell now.
    fn pump(&mut self) -> Verdict {
        loop {
            let mut quiet = true;
            for end in 0..2 {
                while let Some(transmit) = self.ends[end].poll_transmit() {
                    quiet = false;
                    self.leaves(end, transmit.bytes)?;
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

    /// A packet goes on its way, and may not arrive.
    fn leaves(&mut self, from: usize, bytes: Vec<u8>) -> Verdict {
        self.sim.trace(|| &bytes);
        let message = parse(&bytes).map_err(|fault| format!("{from} sends rubbish: {fault:?}"))?;
        let mut method = None;
        match &message {
            Message::Request(request) => method = Some(request.method.clone()),
            Message::Response(response) => {
                let sequence = response.headers.value(HeaderName::CSeq).unwrap_or_default();
                let (number, of) = sequence.split_once(' ').unwrap_or_default();
                let number: u32 = number.parse().unwrap_or_default();
                let status = response.status;
                // What came by another path (A10) is another transaction.
                let branch = response.headers.value(HeaderName::Via).unwrap_or_default();
                if of == "INVITE" && status >= 200 {
                    self.sides[from].committed |= status == 200;
                    let asked = (from, number, branch.to_owned());
                    let first = *self.finals.entry(asked).or_insert(status);
                    must(first == status, || {
                        format!("{from} answers one INVITE with {first} and with {status}")
                    })?;
                }
                if of == "BYE" {
                    must(matches!(status, 200 | 481 | 500), || {
                        format!("{from} answers BYE with {status}")
                    })?;
                }
            }
        }
        let peace = self.sim.elapsed() >= PEACE;
        if !peace {
            let swallowed = method.is_some() && method == self.swallowed;
            if swallowed || (self.lost > 0 && self.sim.chance.one_in(self.lost)) {
                return Ok(());
            }
            if self.doubled > 0 && self.sim.chance.one_in(self.doubled) {
                let delay = self.transit();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let invites = method == Some(Method::Invite);
                let copy = match invites && self.sim.chance.one_in(2) {
                    // It came by another proxy as well.
                    true => text.replacen("branch=z9hG4bK", "branch=z9hG4bKother", 1),
                    false => text,
                };
                self.sim
                    .later(delay, Coming::Packet(1 - from, copy.into_bytes()));
            }
        }
        let delay = self.transit();
        self.sim.later(delay, Coming::Packet(1 - from, bytes));
        Ok(())
    }

    /// Packets overtake each other now and then.
    fn transit(&mut self) -> Duration {
        match self.sim.chance.below(4) {
            0 => Duration::from_millis(500 * self.sim.chance.below(4)),
            _ => Duration::from_millis(10),
        }
    }

    fn arrives(&mut self, to: usize, bytes: &[u8]) {
        if let Ok(message) = parse(bytes) {
            self.notice(to, &message, bytes);
        }
        let flow = Flow {
            transport: Transport::Udp,
            local: self.names[to],
            remote: self.names[1 - to],
            connection: None,
        };
        self.ends[to].handle_datagram(self.sim.now.instant, flow, bytes);
    }

    /// Counts the races.
    fn notice(&mut self, to: usize, message: &Message, bytes: &[u8]) {
        let side = &self.sides[to];
        let (answered, over, let_go) = (side.answered, side.over, side.let_go);
        let committed = side.committed;
        let (acknowledged, reoffering) = (side.acknowledged, side.reoffering);
        match message {
            Message::Request(request) => match request.method {
                Method::Cancel if committed => self.sim.reach("A3 CANCEL after the answer"),
                Method::Bye if to == 1 && committed && !acknowledged => {
                    self.sim.reach("A4 BYE before the ACK");
                }
                Method::Bye if let_go => self.sim.reach("A5 BYE crosses BYE"),
                Method::Bye if reoffering => self.sim.reach("A6 BYE crosses a re-INVITE"),
                Method::Invite if over || (let_go && answered) => {
                    self.sim.reach("A6 re-INVITE to a call that is over");
                }
                Method::Invite => {
                    let text = String::from_utf8_lossy(bytes);
                    if text.contains("z9hG4bKother") {
                        self.sim.reach("A10 the same INVITE by another path");
                    } else if !self.arrived.insert(bytes.to_vec()) {
                        match answered {
                            true => self.sim.reach("A9 INVITE again after the answer"),
                            false => self.sim.reach("A9 INVITE again before the answer"),
                        }
                    }
                }
                Method::Prack if answered => self.sim.reach("A8 PRACK after the answer was wanted"),
                Method::Update => self.sim.reach("A16 UPDATE refreshes the session"),
                _ => {}
            },
            Message::Response(response) => {
                let of_invite = response
                    .headers
                    .value(HeaderName::CSeq)
                    .is_some_and(|sequence| sequence.ends_with(" INVITE"));
                match response.status {
                    200 if of_invite && to == 0 && !answered && let_go => {
                        self.sim.reach("A2 an answer crosses the CANCEL");
                    }
                    200 if of_invite && to == 0 && !answered && over => {
                        self.sim.reach("A12 an answer after the ring timeout");
                    }
                    101..=199 if to == 0 && (answered || over) => {
                        self.sim.reach("A13 ringing after the end of ringing");
                    }
                    491 if of_invite => {
                        self.sides[to].glare = true;
                        self.sim.reach("A7 glare");
                    }
                    _ => {}
                }
            }
        }
    }

    /// What an endpoint tells of the call is true, in order, and ends once.
    fn told(&mut self, end: usize, event: Event) -> Verdict {
        if let Event::AuthenticationNeeded { challenge, .. } = event {
            self.ends[end].admit(self.sim.now.instant, challenge, Admission::Allow);
            return Ok(());
        }
        must(!self.sides[end].over, || {
            format!("{end} is told after the end: {event:?}")
        })?;
        match event {
            Event::Invited { key, offer, .. } => {
                self.sides[end].invited += 1;
                must(end == 1 && self.sides[end].invited == 1, || {
                    "one INVITE became two calls".to_owned()
                })?;
                self.sides[end].key = Some(key);
                self.hears(end, offer.as_deref())?;
                self.react();
            }
            Event::Progressed { sdp, .. } => {
                must(!self.sides[end].answered, || {
                    "it rings after the answer".to_owned()
                })?;
                self.hears(end, sdp.as_deref())?;
            }
            Event::Answered { sdp, .. } => {
                must(end == 0 && !self.sides[end].answered, || {
                    format!("{end} is answered twice")
                })?;
                self.sides[end].answered = true;
                self.hears(end, sdp.as_deref())?;
            }
            Event::Acknowledged { .. } => self.sides[end].acknowledged = true,
            Event::Rejected { .. } => {
                must(!self.sides[end].answered, || {
                    "refused after the answer".to_owned()
                })?;
                self.sides[end].over = true;
            }
            Event::Canceled { .. } => {
                must(!self.sides[end].committed, || {
                    "canceled after we answered".to_owned()
                })?;
                self.sides[end].over = true;
            }
            Event::Ended { reason, .. } => {
                self.sides[end].over = true;
                match reason {
                    EndReason::NoAck => self.sim.reach("A11 the ACK is lost for good"),
                    EndReason::SessionExpired => self.sim.reach("A16 the session runs out"),
                    EndReason::Lost => self.sim.reach("A5 the other side knows nothing any more"),
                    _ => {}
                }
            }
            Event::Reoffered { offer, .. } => {
                self.hears(end, offer.as_deref())?;
                let delay = self.transit();
                self.sim
                    .later(delay, Coming::Whim(end, Whim::AnswerReoffer));
            }
            Event::ReofferAnswered { sdp, .. } => {
                self.hears(end, sdp.as_deref())?;
                self.sides[end].reoffering = false;
                if std::mem::take(&mut self.sides[end].glare) {
                    self.sim.reach("A7 glare is resolved");
                }
            }
            Event::ReofferRejected { .. } => self.sides[end].reoffering = false,
            _ => {}
        }
        Ok(())
    }

    /// A description never goes back to an older one. An offer that had to wait for another one (A7)
    /// is sent as it was given, and may be older: that is for who gave it to mind.
    fn hears(&mut self, end: usize, sdp: Option<&str>) -> Verdict {
        let Some(sdp) = sdp else { return Ok(()) };
        let (heard, before) = (version(sdp), self.sides[end].heard);
        self.sides[end].heard = heard;
        must(heard >= before || self.sides[1 - end].reoffered, || {
            format!("{end} hears description {heard} after {before}")
        })
    }

    /// The called side rings, answers, refuses or does nothing, at colliding times.
    fn react(&mut self) {
        for _ in 0..self.sim.chance.below(3) {
            let whim = match self.sim.chance.below(3) {
                0 => Whim::RingWithSound,
                _ => Whim::Ring,
            };
            let delay = self.sim.chance.delay(4);
            self.sim.later(delay, Coming::Whim(1, whim));
        }
        let whim = match self.sim.chance.below(8) {
            0 => return,
            1 => Whim::Refuse,
            _ => Whim::Answer,
        };
        let delay = self.sim.chance.delay(5);
        self.sim.later(delay, Coming::Whim(1, whim));
    }

    /// In the end nothing is left, and both sides know that it is over.
    fn at_rest(&self) -> Verdict {
        for (end, side) in self.sides.iter().enumerate() {
            must(side.over || side.key.is_none() || side.let_go, || {
                format!("{end} still believes in the call")
            })?;
            let tables = self.ends[end].tables();
            let left = tables.calls
                + tables.server_transactions
                + tables.client_transactions
                + tables.timers;
            must(left == 0, || format!("{end} still keeps {tables:?}"))?;
        }
        Ok(())
    }
}
