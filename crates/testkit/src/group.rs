//! A seeded world in which a group rings: browsers of several identities with several devices each,
//! beside telephones, and many of them answer within a few milliseconds. The real engine and the real
//! signalling of browsers, with what `server/src/browsers.rs` does between them, slow wires and slow
//! commits. Groups A and E of the catalogue of races, as far as browsers have part in them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use browser::{
    Config, Credential, DeviceId, Event, Identity, Invitation, LateAnswer, Owner, Pass, Signalling,
    SocketId, Transmit,
};
use model::owed::Owed;
use model::sid::{AccountSid, CallSid, KeySid};
use serde_json::{Value, json};
use voice::effect::{Effect, Invite, LegCommand, MediaCommand, Reason};
use voice::input::{Incoming, Input, Instructions, LegEvent, LegId};
use voice::{Policy, Switch};

use crate::simulation::{Ended, Next, Reached, Simulation, Verdict};

/// When everybody acts, and for how long they do.
const MOMENT: Duration = Duration::from_millis(500);
const SPREAD: u64 = 5_000;
/// When the caller has had enough, and when the world is looked at for the last time.
const LEAVES: Duration = Duration::from_secs(7);
const END: Duration = Duration::from_secs(9);
/// Losers know by then.
const TOLD: Duration = Duration::from_secs(1);
const CALLER: LegId = LegId(1);
const VERSIONS: [&str; 6] = ["1.6.0", "1.10.3", "1.15.1", "2.0.1", "2.12.4", "2.18.5"];

/// What will happen.
enum Coming {
    /// Effects whose commit is done.
    Effects(Vec<Effect>),
    ToPage(SocketId, String),
    ToMachine(SocketId, Value),
    Acts(SocketId, Act),
    /// Of a telephone.
    FromPhone(LegId, LegEvent),
    CallerLeaves,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Answer,
    Decline,
}

/// What a page knows of the one call.
struct Page {
    identity: String,
    call: Option<String>,
    state: Seen,
    /// What it will do.
    wish: Option<Act>,
    told: Option<(Duration, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Nothing,
    Rings,
    /// It believes to have the call.
    Talks,
    Declined,
    Ended,
}

/// A telephone that is called.
struct Phone {
    to: String,
    wish: Option<LegEvent>,
    /// It has answered, and not heard that it is over.
    talks: bool,
    ended: Option<(Duration, Reason)>,
}

struct World<'a> {
    switch: Switch,
    machine: Signalling,
    sim: Simulation<'a, Coming>,
    /// When the last commit is done: effects leave in order.
    committed: Duration,
    /// When the last frame is there, each way: a socket keeps its order.
    wires: BTreeMap<(SocketId, bool), Duration>,
    pages: BTreeMap<SocketId, Page>,
    phones: BTreeMap<LegId, Phone>,
    wishes: BTreeMap<String, Option<LegEvent>>,
    /// Legs of browsers.
    legs: BTreeMap<LegId, CallSid>,
    calls: BTreeMap<CallSid, String>,
    caller_there: bool,
    left: Option<Duration>,
    /// The leg that is joined with the caller's, since when.
    bridge: Option<(LegId, Duration)>,
    bridges: u32,
    reports: Vec<Owed>,
    events: u32,
    answered_before_decision: u32,
}

/// Lets one world run to its end.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64, reached: &mut Reached, trace: bool) -> Result<Ended, String> {
    let mut sim = Simulation::new(seed, reached, trace);
    let chance = &mut sim.chance;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // Who answers into silence is told nothing, on purpose; that is for `browser`'s own tests.
    let (_, late_answer) = LateAnswer::ALL[chance.below(4) as usize];
    let config = Config {
        late_answer,
        ..Config::default()
    };
    let mut world = World {
        switch: Switch::new(Policy::default(), bytes),
        machine: Signalling::new(config, bytes),
        sim,
        committed: Duration::ZERO,
        wires: BTreeMap::new(),
        pages: BTreeMap::new(),
        phones: BTreeMap::new(),
        wishes: BTreeMap::new(),
        legs: BTreeMap::new(),
        calls: BTreeMap::new(),
        caller_there: true,
        left: None,
        bridge: None,
        bridges: 0,
        reports: Vec::new(),
        events: 0,
        answered_before_decision: 0,
    };
    world.begin()?;
    world.live()?;
    world.judge()?;
    Ok(world.sim.ended())
}

impl World<'_> {
    fn micros(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.sim.chance.below(most))
    }

    /// A moment at which somebody acts: all within a few milliseconds, often at the very same one.
    fn moment(&mut self) -> Duration {
        let spread = match self.sim.chance.below(3) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(self.sim.chance.below(SPREAD / 1_000 + 1)),
            _ => self.micros(SPREAD),
        };
        MOMENT + spread
    }

    /// Registers the pages and lets a caller in whose program calls everybody.
    fn begin(&mut self) -> Verdict {
        let identities = ["alice", "bob", "carol"];
        let count = 1 + self.sim.chance.below(3) as usize;
        let mut nouns = String::new();
        let report = "statusCallback=\"https://app.test/child\" \
                      statusCallbackEvent=\"initiated ringing answered completed\"";
        let mut socket = 0;
        for identity in &identities[..count] {
            nouns += &format!("<Client {report}>{identity}</Client>");
            for _ in 0..1 + self.sim.chance.below(2) {
                socket += 1;
                self.register(SocketId(socket), identity)?;
            }
        }
        let phones = match count {
            1 => 1 + self.sim.chance.below(2),
            _ => self.sim.chance.below(3),
        };
        for number in 0..phones {
            let to = match number {
                0 => "+15550000001".to_owned(),
                _ => "sip:agent@pbx.test".to_owned(),
            };
            let noun = if number == 0 { "Number" } else { "Sip" };
            nouns += &format!("<{noun} {report}>{to}</{noun}>");
            let wish = match self.sim.chance.below(8) {
                0 => None,
                1 => Some(LegEvent::Failed {
                    sip_status: 486,
                    code: None,
                }),
                _ => Some(LegEvent::Answered),
            };
            self.wishes.insert(to, wish);
        }
        let leaves = match self.sim.chance.below(5) {
            0 => self.moment(),
            _ => LEAVES,
        };
        self.sim.in_order(leaves, Coming::CallerLeaves);
        let twiml = format!("<Response><Dial timeout=\"5\">{nouns}</Dial></Response>");
        self.switch.handle_input(
            self.sim.now,
            Input::Incoming(Box::new(Incoming {
                from: "+15551230001".to_owned(),
                to: "+15005550006".to_owned(),
                instructions: Instructions {
                    twiml: Some(twiml),
                    ..Instructions::default()
                },
                ..Incoming::new(CallSid::from_bytes([1; 16]), CALLER, account())
            })),
        );
        self.settle();
        Ok(())
    }

    fn register(&mut self, socket: SocketId, identity: &str) -> Verdict {
        let version = VERSIONS[self.sim.chance.below(6) as usize];
        let now = self.sim.now.instant;
        if !self.machine.handle_opened(now, socket) {
            return Err("a page is not let in".to_owned());
        }
        let listen = json!({"token": "t", "browserinfo": {"p": "browser", "v": version,
            "browser": {"userAgent": "Chromium", "platform": "Linux"}, "plugin": "rtc"}});
        self.machine
            .handle_text(now, socket, &frame("listen", &listen));
        let check = std::iter::from_fn(|| self.machine.poll_event())
            .find_map(|event| match event {
                Event::TokenToCheck { check, .. } => Some(check),
                _ => None,
            })
            .ok_or("no token is looked at")?;
        let pass = Pass {
            account: account(),
            identity: Some(identity.to_owned()),
            incoming: true,
            outgoing: None,
            ttl: Duration::from_secs(3600),
            credential: Credential::Key(KeySid::from_bytes([1; 16])),
        };
        self.machine.token_checked(now, socket, check, Ok(pass));
        let register = frame("register", &json!({"media": {"audio": true}}));
        self.machine.handle_text(now, socket, &register);
        while self.machine.poll_transmit().is_some() {}
        while self.machine.poll_event().is_some() {}
        let wish = match self.sim.chance.below(8) {
            0 => None,
            1 => Some(Act::Decline),
            _ => Some(Act::Answer),
        };
        let page = Page {
            identity: identity.to_owned(),
            call: None,
            state: Seen::Nothing,
            wish,
            told: None,
        };
        self.pages.insert(socket, page);
        Ok(())
    }

    fn live(&mut self) -> Verdict {
        while let Some(next) = self.sim.next(self.due())? {
            if self.sim.elapsed() >= END {
                break;
            }
            match next {
                Next::Comes(coming) => self.happen(coming)?,
                Next::Timeout => {
                    self.switch.handle_timeout(self.sim.now);
                    self.machine.handle_timeout(self.sim.now.instant);
                }
            }
            self.settle();
        }
        Ok(())
    }

    fn due(&self) -> Option<Instant> {
        let switch = self.switch.poll_timeout().map(|(at, _)| at);
        let machine = self.machine.poll_timeout();
        [switch, machine].into_iter().flatten().min()
    }

    fn happen(&mut self, coming: Coming) -> Verdict {
        match coming {
            Coming::Effects(effects) => {
                for effect in effects {
                    self.act(effect)?;
                }
            }
            Coming::ToPage(socket, text) => self.page_hears(socket, &text)?,
            Coming::ToMachine(socket, value) => {
                self.machine
                    .handle_text(self.sim.now.instant, socket, &value.to_string());
            }
            Coming::Acts(socket, act) => self.page_acts(socket, act),
            Coming::FromPhone(leg, event) => {
                let Some(phone) = self.phones.get_mut(&leg) else {
                    return Ok(());
                };
                let ended = phone.ended.is_some();
                phone.talks |= !ended && event == LegEvent::Answered;
                match event {
                    // SIP meets a late 200 with ACK and BYE; the engine hears nothing of it.
                    _ if ended => self
                        .sim
                        .reach("A1 a telephone answers after it was canceled"),
                    event => {
                        let input = Input::Leg(leg, event);
                        self.switch.handle_input(self.sim.now, input);
                    }
                }
            }
            Coming::CallerLeaves => {
                if !self.caller_there {
                    return Ok(());
                }
                self.caller_there = false;
                self.left = Some(self.sim.elapsed());
                if self.sim.elapsed() < LEAVES {
                    match self.bridge {
                        Some(_) => self.sim.reach("A2 the caller leaves just after the answer"),
                        None if self.answered_before_decision > 0 => {
                            self.sim
                                .reach("A2 the caller leaves while an answer is under way");
                        }
                        None => self.sim.reach("A2 the caller leaves before any answer"),
                    }
                }
                self.switch
                    .handle_input(self.sim.now, Input::Leg(CALLER, LegEvent::HungUp));
            }
        }
        Ok(())
    }

    /// Carries what the two machines say to where it belongs; see `Node::settle` of the server.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.machine.poll_event() {
                self.machine_says(event);
            }
            let effects: Vec<Effect> = std::iter::from_fn(|| self.switch.poll_effect()).collect();
            while let Some(transmit) = self.machine.poll_transmit() {
                if let Transmit::Text { socket, text } = transmit {
                    let at = self.wire(socket, true);
                    self.sim.in_order(at, Coming::ToPage(socket, text));
                }
            }
            if effects.is_empty() {
                return;
            }
            for effect in &effects {
                self.note(effect);
            }
            // Rule 4: they leave after the commit, in order.
            let commit = self.micros(4_000);
            self.committed = self.committed.max(self.sim.elapsed() + commit);
            self.sim.in_order(self.committed, Coming::Effects(effects));
        }
    }

    fn wire(&mut self, socket: SocketId, down: bool) -> Duration {
        let at = self.sim.elapsed() + self.micros(3_000);
        let last = self.wires.entry((socket, down)).or_default();
        *last = at.max(*last);
        *last
    }

    fn note(&mut self, effect: &Effect) {
        self.sim.trace(|| format!("{effect:?}"));
        if let Effect::Save(save) = effect {
            self.calls.insert(save.record.sid, save.record.to.clone());
            self.reports.extend(save.owed.iter().cloned());
            self.events += save.events.len() as u32;
        }
    }

    fn machine_says(&mut self, event: Event) {
        let of = |world: &Self, call: CallSid| {
            let mut legs = world.legs.iter();
            legs.find(|(_, of)| **of == call).map(|(leg, _)| *leg)
        };
        let (call, event) = match event {
            Event::Ringing { call, .. } => (call, LegEvent::Ringing { early_media: false }),
            Event::Answered { call, losers, .. } => {
                if !losers.is_empty() {
                    self.sim.reach("A1 one device of an identity wins");
                }
                (call, LegEvent::Answered)
            }
            Event::AnsweredLate { .. } => return self.sim.reach("A1 a device answers too late"),
            Event::Rejected { call, .. } => {
                self.sim.reach("A1 one device declines for its identity");
                (
                    call,
                    LegEvent::Failed {
                        sip_status: 486,
                        code: None,
                    },
                )
            }
            Event::Unreachable { call } => (
                call,
                LegEvent::Failed {
                    sip_status: 480,
                    code: None,
                },
            ),
            Event::HungUp { call, .. } => (call, LegEvent::HungUp),
            _ => return,
        };
        let Some(leg) = of(self, call) else { return };
        if matches!(event, LegEvent::Failed { .. } | LegEvent::HungUp) {
            self.legs.remove(&leg);
        }
        if event == LegEvent::Answered && self.bridge.is_none() {
            self.answered_before_decision += 1;
        }
        self.switch
            .handle_input(self.sim.now, Input::Leg(leg, event));
    }

    fn act(&mut self, effect: Effect) -> Verdict {
        match effect {
            Effect::Leg(leg, LegCommand::Invite(invite)) => self.invite(leg, *invite),
            Effect::Leg(leg, LegCommand::HangUp(reason)) => {
                if leg == CALLER {
                    self.caller_there = false;
                }
                if let Some(call) = self.legs.remove(&leg) {
                    let reason = match reason {
                        Reason::HungUp | Reason::Cancelled => browser::Reason::HungUp,
                        Reason::NoAnswer => browser::Reason::NoAnswer,
                        Reason::AnsweredElsewhere { by } => {
                            browser::Reason::AnsweredElsewhere { by }
                        }
                        Reason::Failed { message, .. } => return Err(message),
                    };
                    self.machine.hang_up(self.sim.now.instant, call, &reason);
                } else if let Some(phone) = self.phones.get_mut(&leg) {
                    phone.talks = false;
                    let at = self.sim.elapsed();
                    phone.ended = Some((at, reason));
                }
            }
            Effect::Media(leg, MediaCommand::Bridge(other)) => {
                self.bridges += 1;
                let winner = if leg == CALLER { other } else { leg };
                self.bridge = Some((winner, self.sim.elapsed()));
            }
            _ => {}
        }
        Ok(())
    }

    fn invite(&mut self, leg: LegId, invite: Invite) {
        let Some(identity) = invite.to.strip_prefix("client:") else {
            let wish = self.wishes.get(&invite.to).cloned().flatten();
            let ringing = LegEvent::Ringing { early_media: false };
            let soon = self.sim.elapsed() + self.micros(3_000);
            self.sim.in_order(soon, Coming::FromPhone(leg, ringing));
            if let Some(wish) = wish.clone() {
                let at = self.moment() + self.micros(3_000);
                self.sim.in_order(at, Coming::FromPhone(leg, wish));
            }
            let phone = Phone {
                to: invite.to,
                wish,
                talks: false,
                ended: None,
            };
            self.phones.insert(leg, phone);
            return;
        };
        let owner = Owner {
            account: account(),
            identity: Identity::Named(identity.to_owned()),
        };
        let devices: Vec<DeviceId> = self.machine.devices(&owner);
        self.legs.insert(leg, invite.call);
        self.machine.invite(Invitation {
            call: invite.call,
            owner,
            parameters: Vec::new(),
            members: invite.group,
            late_answer: None,
            notices: None,
            offers: devices.into_iter().map(|one| (one, sdp())).collect(),
        });
    }

    /// What an SDK does with a frame; `voice-client.md` 2.6 and 4.4.
    fn page_hears(&mut self, socket: SocketId, text: &str) -> Verdict {
        if text == "\n" {
            self.machine.handle_text(self.sim.now.instant, socket, "\n");
            return Ok(());
        }
        let at = self.sim.elapsed();
        let heard: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let kind = heard["type"].as_str().unwrap_or_default();
        let call = heard["payload"]["callsid"].as_str().map(str::to_owned);
        let acts = self.moment();
        let Some(page) = self.pages.get_mut(&socket) else {
            return Ok(());
        };
        match kind {
            "invite" if page.state == Seen::Nothing => {
                page.call = call;
                page.state = Seen::Rings;
                if let Some(wish) = page.wish {
                    self.sim.in_order(acts.max(at), Coming::Acts(socket, wish));
                }
            }
            "invite" => return Err(format!("{socket:?} rings twice")),
            "answered-elsewhere" => {
                let by = heard["payload"]["by"].as_str().unwrap_or_default();
                let members = heard["payload"]["members"].as_array().map_or(0, Vec::len);
                if members != self.wishes.len() + self.identities() {
                    return Err(format!("{socket:?} hears of {members} members: {text}"));
                }
                if let Some(page) = self.pages.get_mut(&socket) {
                    page.told = Some((at, by.to_owned()));
                }
            }
            // B7, B8: it is heard once the page has answered.
            "hangup" if page.state == Seen::Talks => page.state = Seen::Ended,
            "cancel" if matches!(page.state, Seen::Rings | Seen::Talks) => {
                page.state = Seen::Ended;
            }
            _ => {}
        }
        Ok(())
    }

    fn identities(&self) -> usize {
        let mut names: Vec<&String> = self.pages.values().map(|page| &page.identity).collect();
        names.dedup();
        names.len()
    }

    fn page_acts(&mut self, socket: SocketId, act: Act) {
        let Some(page) = self.pages.get_mut(&socket) else {
            return;
        };
        let (Seen::Rings, Some(call)) = (page.state, page.call.clone()) else {
            return;
        };
        let (kind, payload) = match act {
            Act::Answer => {
                page.state = Seen::Talks;
                ("answer", json!({"callsid": call, "sdp": sdp()}))
            }
            Act::Decline => {
                page.state = Seen::Declined;
                ("reject", json!({"callsid": call}))
            }
        };
        let at = self.wire(socket, false);
        let value = json!({"type": kind, "version": "1.6", "payload": payload});
        self.sim.in_order(at, Coming::ToMachine(socket, value));
    }

    /// The end: who talks, who was told what.
    fn judge(&mut self) -> Verdict {
        let must = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(what.to_owned()),
        };
        must(self.bridges <= 1, "two were connected with one caller")?;
        must(self.switch.live_calls() == 0, "a call still lives")?;
        must(self.switch.kept() == 0, "the engine keeps something")?;
        must(self.legs.is_empty(), "a browser's leg is left")?;
        must(self.machine.tables().calls == 0, "a browser's call is left")?;
        let talking = self.pages.values().any(|page| page.state == Seen::Talks)
            || self.phones.values().any(|phone| phone.talks);
        must(!talking, "somebody still talks with nobody")?;
        let rings = self.pages.values().any(|page| page.state == Seen::Rings);
        must(!rings, "a page still rings")?;
        let Some((leg, since)) = self.bridge else {
            if self.left.is_none_or(|left| left >= LEAVES) {
                self.sim.reach("A12 nobody took the call");
                let answered = |phone: &Phone| phone.wish == Some(LegEvent::Answered);
                let wanted = self.phones.values().any(answered);
                must(!wanted, "an answer came to nothing")?;
            }
            return self.nobody_won();
        };
        let group = self.wishes.len() + self.identities();
        let winner = match self.phones.get(&leg) {
            Some(phone) => phone.to.clone(),
            None => self.winner_page()?,
        };
        let mut answers = 0;
        for page in self.pages.values() {
            answers += usize::from(page.wish == Some(Act::Answer));
            let Some((at, by)) = &page.told else { continue };
            let mine = format!("client:{}", page.identity);
            must(
                *by == winner || *by == mine,
                &format!("{mine} was told of {by}, but {winner} has the call"),
            )?;
            let late = at.saturating_sub(since);
            must(late <= TOLD, "a loser waited for more than a second")?;
        }
        for phone in self.phones.values().filter(|phone| phone.to != winner) {
            answers += usize::from(phone.wish == Some(LegEvent::Answered));
            let Some((at, reason)) = &phone.ended else {
                continue;
            };
            let right = *reason == Reason::AnsweredElsewhere { by: winner.clone() };
            must(right, &format!("{} was told {reason:?}", phone.to))?;
            must(at.saturating_sub(since) <= TOLD, "a telephone rang on")?;
        }
        must(
            group < 2 || self.events > 0,
            "the caller's events say nothing of the group",
        )?;
        self.losers_are_reported(&winner)?;
        let of_phone = self.phones.contains_key(&leg);
        self.sim.reach(match of_phone {
            true => "A1 a telephone wins",
            false => "A1 a browser wins",
        });
        if answers > 2 {
            self.sim.reach("A1 three answer together");
        }
        Ok(())
    }

    /// The identity whose page had the call.
    fn winner_page(&self) -> Result<String, String> {
        let mut won = self.reports.iter().filter(|owed| {
            let is = |name: &str, value: &str| parameter(owed, name) == Some(value);
            is("CallStatus", "completed") && parameter(owed, "SwitchboardAnsweredBy").is_none()
        });
        let call = won.next().map(|owed| owed.call);
        let to = call.and_then(|call| self.calls.get(&call));
        to.cloned()
            .ok_or_else(|| "nobody reports to have won".to_owned())
    }

    fn nobody_won(&self) -> Verdict {
        for page in self.pages.values() {
            if let Some((_, by)) = &page.told
                && *by != format!("client:{}", page.identity)
            {
                return Err(format!("{} was told of {by}", page.identity));
            }
        }
        for phone in self.phones.values() {
            if let Some((_, Reason::AnsweredElsewhere { by })) = &phone.ended {
                return Err(format!("{} was told of {by}", phone.to));
            }
        }
        Ok(())
    }

    /// The callbacks of those who lost to somebody say to whom.
    fn losers_are_reported(&self, winner: &str) -> Verdict {
        for (call, to) in &self.calls {
            let end = self.reports.iter().rfind(|owed| owed.call == *call);
            let Some(end) = end else { continue };
            let status = parameter(end, "CallStatus").unwrap_or_default();
            let by = parameter(end, "SwitchboardAnsweredBy");
            let lost = to != winner && matches!(status, "canceled" | "completed");
            if lost && (by != Some(winner) || parameter(end, "SwitchboardGroupMembers").is_none()) {
                return Err(format!("{to} ends {status} and reports {by:?}"));
            }
            if !lost && by.is_some() {
                return Err(format!("{to} ends {status} but reports {by:?}"));
            }
        }
        Ok(())
    }
}

fn parameter<'a>(owed: &'a Owed, name: &str) -> Option<&'a str> {
    let mut all = owed.parameters.iter();
    all.find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn frame(kind: &str, payload: &Value) -> String {
    json!({"type": kind, "version": "1.6", "payload": payload}).to_string()
}

fn sdp() -> String {
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:u\r\na=fingerprint:sha-256 f\r\n"
        .to_owned()
}

fn account() -> AccountSid {
    AccountSid::from_bytes([9; 16])
}
