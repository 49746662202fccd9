//! A seeded world around the engine: callers, called parties, applications and the API, all of them
//! capricious, in virtual time. Groups A, B and F of the catalogue of races.
//!
//! One seed is one world: what happens, and in which order, follows from it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::call::{CallRecord, CallStatus, Direction};
use model::method::Method;
use model::sid::{AccountSid, CallSid};
use voice::effect::{Effect, Fetch, LegCommand, MediaCommand, Reply};
use voice::input::{
    CallEvents, Change, DocumentKind, FetchFailure, FetchId, Fetched, Incoming, Input,
    Instructions, LegEvent, LegId, Modify, Originate, PlaybackId, Redirect, RequestId,
};
use voice::{Policy, Switch};

use crate::laws::Laws;
use crate::programs::{Mark, Programs};
use crate::simulation::{Ended, Next, Reached, Simulation, Verdict};

/// After this no new calls begin and no documents prolong anything.
const HORIZON: Duration = Duration::from_secs(300);

/// What will happen.
enum Coming {
    Begin,
    Meddle(CallSid),
    Press(LegId),
    HangUp(LegId),
    Input(Input),
}

struct World<'a> {
    switch: Switch,
    sim: Simulation<'a, Coming>,
    laws: Laws,
    programs: Programs,
    legs: BTreeMap<LegId, Phone>,
    asking: BTreeMap<FetchId, CallSid>,
    requests: u64,
    documents: u64,
    calls: u64,
    last_redirect: BTreeMap<CallSid, Instant>,
    /// One answer of the application in so many is a failure; 0 is none.
    faults: u64,
    /// Where each call reports, once it was changed; and changes that wait for their reply (F4).
    reports: BTreeMap<CallSid, String>,
    changes: BTreeMap<RequestId, (CallSid, String)>,
    /// Questions after which the fallback was asked (B6).
    failed: BTreeSet<FetchId>,
    placed: BTreeSet<CallSid>,
    /// Legs that were given up for another address.
    given_up: BTreeSet<LegId>,
}

/// One telephone, as far as the world knows it.
struct Phone {
    call: CallSid,
    /// The far end has let go; what is still under way towards the engine arrives late.
    dialled: bool,
    answer_under_way: bool,
    ring_until: Option<Instant>,
    playing: Vec<PlaybackId>,
}

/// Lets one world run to its end.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64, reached: &mut Reached, trace: bool) -> Result<Ended, String> {
    let mut sim = Simulation::new(seed, reached, trace);
    let chance = &mut sim.chance;
    let policy = Policy {
        calls_per_second: if chance.one_in(2) { 1.0 } else { 10.0 },
        calls: if chance.one_in(4) { 5 } else { 1_000 },
        documents_per_call: 1 + chance.below(12) as u32,
        time_limit: Duration::from_secs(60 + chance.below(200)),
        queue_timeout: Duration::from_secs(1 + chance.below(5)),
        answer_timeout: Duration::from_secs(5 + chance.below(100)),
        ..Policy::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let faults = [0, 3, 10][chance.below(3) as usize];
    let mut world = World {
        switch: Switch::new(policy, bytes),
        sim,
        laws: Laws::default(),
        programs: Programs::default(),
        legs: BTreeMap::new(),
        asking: BTreeMap::new(),
        requests: 0,
        documents: 0,
        calls: 0,
        last_redirect: BTreeMap::new(),
        faults,
        reports: BTreeMap::new(),
        changes: BTreeMap::new(),
        failed: BTreeSet::new(),
        placed: BTreeSet::new(),
        given_up: BTreeSet::new(),
    };
    for _ in 0..1 + world.sim.chance.below(5) {
        let delay = world.sim.chance.delay(4);
        world.sim.later(delay, Coming::Begin);
    }
    world.live()?;
    Ok(world.sim.ended())
}

impl World<'_> {
    fn live(&mut self) -> Verdict {
        while let Some(next) = self
            .sim
            .next(self.switch.poll_timeout().map(|(at, _)| at))?
        {
            match next {
                Next::Comes(coming) => self.happen(coming)?,
                Next::Timeout => {
                    self.switch.handle_timeout(self.sim.now);
                    self.drain()?;
                    self.laws
                        .nothing_overdue(&self.switch, self.sim.now.instant)?;
                }
            }
        }
        self.laws.all_over(&self.switch)
    }

    fn happen(&mut self, coming: Coming) -> Verdict {
        let input = match coming {
            Coming::Begin => return self.begin(),
            Coming::Meddle(call) => self.meddle(call),
            Coming::Press(leg) => {
                let keys = ['1', '2', '#', '*'];
                let key = keys[self.sim.chance.below(4) as usize];
                self.presses(leg, key);
                Input::Leg(leg, LegEvent::Digit(key))
            }
            Coming::HangUp(leg) => {
                self.hangs_up(leg);
                Input::Leg(leg, LegEvent::HungUp)
            }
            Coming::Input(input) => {
                self.notice(&input);
                input
            }
        };
        self.feed(input)
    }

    fn feed(&mut self, input: Input) -> Verdict {
        let gone = match &input {
            Input::Leg(leg, LegEvent::HungUp | LegEvent::Failed { .. } | LegEvent::Lost { .. }) => {
                Some(*leg)
            }
            _ => None,
        };
        if let Some(leg) = gone {
            self.laws.gone(leg);
        }
        self.programs.hear(&input);
        self.switch.handle_input(self.sim.now, input);
        self.drain()?;
        if let Some(leg) = gone {
            self.legs.remove(&leg);
        }
        Ok(())
    }

    /// Counts the races of keys.
    fn presses(&mut self, leg: LegId, key: char) {
        let Some(call) = self.legs.get(&leg).map(|phone| phone.call) else {
            return;
        };
        let gathers = |view: voice::View<'_>| view.record.sid == call && view.doing == "Gather";
        if !self.switch.calls().any(gathers) {
            return;
        }
        // The other order of this one is the timeout that was taken first; both are at this moment.
        let due = self.switch.poll_timeout();
        if due == Some((self.sim.now.instant, voice::Deadline::Verb(call))) {
            self.sim.reach("B5 a key at the very timeout");
        }
        if key == '#' {
            self.sim.reach("B5 the key that ends the input");
        }
        if self
            .legs
            .get(&leg)
            .is_some_and(|phone| !phone.playing.is_empty())
        {
            self.sim.reach("B5 a key during a prompt");
        }
    }

    /// Counts the races in which a far end lets go.
    fn hangs_up(&mut self, leg: LegId) {
        let Some(phone) = self.legs.get(&leg) else {
            return;
        };
        let call = phone.call;
        let (dialled, prompting) = (phone.dialled, !phone.playing.is_empty());
        if self.asking.values().any(|asking| *asking == call) {
            self.sim.reach("B7 hang-up while a document is under way");
        }
        if self.laws.is_bridged(leg) {
            self.sim.reach("A5 hang-up inside a bridge");
        }
        if !dialled
            && self
                .legs
                .values()
                .any(|other| other.dialled && other.answer_under_way)
        {
            self.sim
                .reach("A2 caller hangs up while an answer is under way");
        }
        if prompting {
            self.sim.reach("B5 hang-up during a prompt");
        }
    }

    /// Counts the races of late and crossing events.
    fn notice(&mut self, input: &Input) {
        let instant = self.sim.now.instant;
        match input {
            Input::Fetched { fetch, .. } if self.asking.remove(fetch).is_none() => {
                match self.failed.contains(fetch) {
                    true => self
                        .sim
                        .reach("B6 an answer after the question was given up"),
                    false => self.sim.reach("B1 a document nobody waits for"),
                }
            }
            Input::Leg(leg, LegEvent::Answered) => match self.legs.get_mut(leg) {
                None if self.given_up.contains(leg) => {
                    self.sim
                        .reach("A18 an answer of an address that was given up");
                }
                None => self.sim.reach("A1 an answer after the cancel"),
                Some(phone) => {
                    phone.answer_under_way = false;
                    if phone.ring_until == Some(instant) {
                        self.sim.reach("A12 an answer at the ring timeout");
                    }
                }
            },
            Input::Leg(leg, LegEvent::PlaybackEnded(playback)) => {
                let known = self.legs.get_mut(leg).is_some_and(|phone| {
                    let before = phone.playing.len();
                    phone.playing.retain(|playing| playing != playback);
                    before != phone.playing.len()
                });
                if !known {
                    self.sim.reach("B5 a prompt that ends after it was stopped");
                }
            }
            Input::Leg(leg, LegEvent::Ringing { .. }) if !self.legs.contains_key(leg) => {
                self.sim.reach("A13 ringing after the end");
            }
            _ => {}
        }
    }

    fn drain(&mut self) -> Verdict {
        while let Some(effect) = self.switch.poll_effect() {
            self.sim.trace(|| format!("{effect:?}"));
            self.laws.observe(&effect)?;
            self.programs.observe(&effect)?;
            self.reports_rightly(&effect)?;
            self.react(effect);
        }
        self.programs.settled()
    }

    /// F4: each step is reported to the address that was valid when it happened.
    fn reports_rightly(&mut self, effect: &Effect) -> Verdict {
        let Effect::Save(save) = effect else {
            return Ok(());
        };
        let Some(valid) = self.reports.get(&save.record.sid) else {
            return Ok(());
        };
        for owed in &save.owed {
            if owed.parameters.iter().any(|(n, _)| n == "SequenceNumber") && owed.url != *valid {
                return Err(format!("{owed:?} goes not to {valid}"));
            }
        }
        if !save.owed.is_empty() {
            self.sim.reach("F4 a step after the address was changed");
        }
        Ok(())
    }

    fn react(&mut self, effect: Effect) {
        match effect {
            Effect::Fetch(fetch) => {
                if fetch.parameters.iter().any(|(n, _)| n == "DialCallSid") {
                    self.sim.reach("B8 the action after the child's end");
                }
                self.application(*fetch);
            }
            Effect::Leg(leg, LegCommand::Invite(invite)) => {
                if !self.placed.insert(invite.call) {
                    self.sim
                        .reach("A18 the next address after one that cannot be reached");
                }
                self.ring(leg, invite.call);
            }
            Effect::Leg(leg, LegCommand::HangUp(_) | LegCommand::Reject(_)) => {
                let phone = self.legs.remove(&leg);
                if phone.as_ref().is_some_and(|phone| phone.answer_under_way) {
                    self.sim.reach("A1 a cancel while an answer is under way");
                }
                if phone.is_some_and(|phone| self.switch.is_live(phone.call)) {
                    self.given_up.insert(leg);
                }
            }
            Effect::Leg(_, LegCommand::Ring { .. } | LegCommand::Answer) => {}
            Effect::Media(
                leg,
                MediaCommand::Play {
                    playback, loops, ..
                },
            ) => {
                if let Some(phone) = self.legs.get_mut(&leg) {
                    phone.playing.push(playback);
                }
                if loops != 0 {
                    let event = match self.sim.chance.below(12) {
                        0 => LegEvent::PlaybackFailed {
                            playback,
                            code: if self.sim.chance.one_in(2) {
                                11200
                            } else {
                                13420
                            },
                            message: "no audio".to_owned(),
                        },
                        _ => LegEvent::PlaybackEnded(playback),
                    };
                    let delay = self.sim.chance.delay(8);
                    self.sim.later(delay, Coming::Input(Input::Leg(leg, event)));
                }
            }
            Effect::Media(leg, MediaCommand::Stop(playback)) => {
                if let Some(phone) = self.legs.get_mut(&leg) {
                    phone.playing.retain(|playing| *playing != playback);
                }
            }
            Effect::Media(_, MediaCommand::Bridge(_)) => self.sim.reach("A1 a bridge"),
            Effect::Media(_, MediaCommand::Unbridge(_)) => {}
            Effect::Media(_, MediaCommand::Echo) => self.sim.reach("an echo"),
            Effect::Media(_, MediaCommand::EndEcho) => self.sim.reach("a change inside an echo"),
            Effect::Save(save) => {
                let record = &save.record;
                match (record.status, record.direction) {
                    (CallStatus::Completed, Direction::OutboundDial)
                        if record.started == Some(record.updated) =>
                    {
                        self.sim.reach("A1 an answer that lost");
                    }
                    (CallStatus::NoAnswer, Direction::Inbound) => {
                        self.sim
                            .reach("A12 a caller whom the program never answered");
                    }
                    (CallStatus::NoAnswer, _) => self.sim.reach("A12 no answer"),
                    (CallStatus::Canceled, _) => self.sim.reach("B2 canceled"),
                    _ => {}
                }
                let numbered = |owed: &model::owed::Owed| {
                    owed.parameters.iter().any(|(n, _)| n == "SequenceNumber")
                };
                if record.status.is_final()
                    && save.owed.len() == 2
                    && save.owed.iter().any(|o| !numbered(o))
                {
                    self.sim.reach("B8 the action of a caller who hung up");
                }
            }
            Effect::Alert(alert) => match alert.code {
                10004 => self.sim.reach("B10 too many calls"),
                15002 => self.sim.reach("B10 the queue timed out"),
                11215 => self.sim.reach("B1 too many documents"),
                32015 => self.sim.reach("A16 the time limit"),
                _ => {}
            },
            Effect::Reply(request, reply) => match reply {
                Reply::Done(_) => {
                    if let Some((call, url)) = self.changes.remove(&request) {
                        self.reports.insert(call, url);
                    }
                    self.sim.reach("B3 a change in time");
                }
                Reply::Unknown => self.sim.reach("B3 a change too late"),
                Reply::NotInProgress(_) => self.sim.reach("B3 a change too early"),
            },
            Effect::Forget(call) => self.asking.retain(|_, asking| *asking != call),
        }
    }

    fn instructions(&mut self) -> Instructions {
        Instructions {
            twiml: None,
            url: Some("https://app.test/voice".to_owned()),
            fallback_url: (self.sim.chance)
                .one_in(3)
                .then(|| "https://app.test/fallback".to_owned()),
            status_callback: Some("https://app.test/status".to_owned()),
            status_callback_events: CallEvents {
                initiated: true,
                ringing: true,
                answered: true,
                completed: true,
            },
            ..Instructions::default()
        }
    }

    fn begin(&mut self) -> Verdict {
        self.calls += 1;
        let call = CallSid::from_bytes(u128::from(self.calls).to_be_bytes());
        let account = AccountSid::from_bytes([1 + self.sim.chance.below(2) as u8; 16]);
        let instructions = self.instructions();
        for _ in 0..self.sim.chance.below(4) {
            let delay = self.sim.chance.delay(30);
            self.sim.later(delay, Coming::Meddle(call));
        }
        if self.sim.chance.one_in(2) {
            self.laws.begun(call, None, true);
            return self.originate(call, account, instructions);
        }
        let leg = LegId(self.calls);
        if self.switch.live_calls() < 5 {
            self.laws.begun(call, Some(leg), true);
        } else {
            // It may be refused at the door; a call that enters is known from its first record.
            self.laws.knock(call, leg);
        }
        self.phone(leg, call, false);
        self.feed(Input::Incoming(Box::new(Incoming {
            from: "+15551230001".to_owned(),
            to: "+15005550006".to_owned(),
            instructions,
            ..Incoming::new(call, leg, account)
        })))
    }

    fn originate(
        &mut self,
        sid: CallSid,
        account: AccountSid,
        instructions: Instructions,
    ) -> Verdict {
        let record = CallRecord {
            to: "+15551230009".to_owned(),
            from: "+15005550006".to_owned(),
            ..CallRecord::new(sid, account, Direction::OutboundApi, self.sim.now.wall)
        };
        let timeout = Duration::from_secs(1 + self.sim.chance.below(10));
        let time_limit = Duration::from_secs(20 + self.sim.chance.below(100));
        let send_digits = self.sim.chance.one_in(4).then(|| "ww1".to_owned());
        self.feed(Input::Originate(Box::new(Originate {
            record,
            instructions,
            timeout,
            time_limit,
            send_digits,
            caller_id: None,
            sip_auth: None,
            parameters: Vec::new(),
        })))
    }

    /// A telephone appears: its owner will press keys and hang up, sooner or later.
    fn phone(&mut self, leg: LegId, call: CallSid, dialled: bool) {
        let phone = Phone {
            call,
            dialled,
            answer_under_way: false,
            ring_until: None,
            playing: Vec::new(),
        };
        self.legs.insert(leg, phone);
        for _ in 0..self.sim.chance.below(5) {
            let delay = self.sim.chance.delay(30);
            self.sim.later(delay, Coming::Press(leg));
        }
        if self.sim.chance.one_in(2) {
            let delay = self.sim.chance.delay(40);
            self.sim.later(delay, Coming::HangUp(leg));
        }
    }

    /// A called telephone: rings or not, answers or not, in any order.
    fn ring(&mut self, leg: LegId, call: CallSid) {
        self.phone(leg, call, true);
        if self.sim.chance.below(4) > 0 {
            let ringing = LegEvent::Ringing { early_media: false };
            let delay = self.sim.chance.delay(6);
            self.sim
                .later(delay, Coming::Input(Input::Leg(leg, ringing)));
        }
        let until = self.ring_deadline(call);
        if let Some(phone) = self.legs.get_mut(&leg) {
            phone.ring_until = until;
        }
        let status = [486, 404, 480, 503, 603][self.sim.chance.below(5) as usize];
        let event = match self.sim.chance.below(8) {
            0..=4 => LegEvent::Answered,
            5 | 6 => LegEvent::Failed {
                sip_status: status,
                code: None,
            },
            _ => return,
        };
        if let (LegEvent::Answered, Some(phone)) = (&event, self.legs.get_mut(&leg)) {
            phone.answer_under_way = true;
        }
        let delay = match until.filter(|_| self.sim.chance.one_in(4)) {
            Some(until) => until.saturating_duration_since(self.sim.now.instant),
            None => self.sim.chance.delay(8),
        };
        self.sim.later(delay, Coming::Input(Input::Leg(leg, event)));
        if self.sim.chance.one_in(20) {
            let lost = LegEvent::Lost { reason: "no media" };
            let delay = self.sim.chance.delay(30);
            self.sim.later(delay, Coming::Input(Input::Leg(leg, lost)));
        }
    }

    /// When the ringing of a call just placed ends, as far as the next deadline tells.
    fn ring_deadline(&self, call: CallSid) -> Option<Instant> {
        match self.switch.poll_timeout() {
            Some((at, voice::Deadline::Ring(ringing))) if ringing == call => Some(at),
            _ => None,
        }
    }

    /// The customer's server: documents of every sort, failures, late and doubled answers.
    fn application(&mut self, fetch: Fetch) {
        self.asking.insert(fetch.fetch, fetch.call);
        let faulty = self.faults > 0 && self.sim.chance.one_in(self.faults);
        let result = match self.sim.chance.below(4) {
            0 if faulty => Err(FetchFailure {
                code: 11200,
                message: "no answer".to_owned(),
            }),
            1 if faulty => Ok((DocumentKind::Twiml, "<Response><Say>".to_owned())),
            2 if faulty => Ok((DocumentKind::Unknown, String::new())),
            3 if faulty => Ok((DocumentKind::Audio, String::new())),
            _ => Ok((DocumentKind::Twiml, self.document())),
        };
        if result.is_err() {
            self.failed.insert(fetch.fetch);
        }
        let result = result.map(|(kind, body)| Fetched {
            url: fetch.url.clone(),
            kind,
            body,
        });
        let answer = Input::Fetched {
            fetch: fetch.fetch,
            result,
        };
        let delay = self.sim.chance.delay(10);
        if self.failed.contains(&fetch.fetch) && self.sim.chance.one_in(2) {
            // It answers after all, as soon as it was given up.
            let result = Ok(Fetched {
                url: fetch.url,
                kind: DocumentKind::Twiml,
                body: self.document(),
            });
            let late = Input::Fetched {
                fetch: fetch.fetch,
                result,
            };
            self.sim.later(delay, Coming::Input(late));
        } else if self.sim.chance.one_in(8) {
            let delay = self.sim.chance.delay(20);
            self.sim.later(delay, Coming::Input(answer.clone()));
        }
        self.sim.later(delay, Coming::Input(answer));
    }

    /// A document that marks what comes of it, so that the laws know where that stems from.
    fn document(&mut self) -> String {
        self.documents += 1;
        let mut mark = Mark {
            document: self.documents,
            verb: 0,
        };
        let mut body = format!("<Response><!--{mark}-->");
        if self.sim.elapsed() < HORIZON {
            for _ in 0..self.sim.chance.below(4) {
                mark.verb += 1;
                body.push_str(&self.verb(mark));
            }
        }
        body.push_str("</Response>");
        body
    }

    fn verb(&mut self, mark: Mark) -> String {
        let seconds = 1 + self.sim.chance.below(8);
        let flag = self.sim.chance.one_in(2);
        match self.sim.chance.below(13) {
            12 => "<Echo/>".to_owned(),
            0 | 1 => format!("<Say>Hello {mark}</Say>"),
            2 => format!("<Play>/music/{mark}.mp3</Play>"),
            3 => format!("<Pause length=\"{seconds}\"/>"),
            4 | 5 => format!(
                "<Gather action=\"/keys/{mark}\" numDigits=\"{seconds}\" timeout=\"{seconds}\" actionOnEmptyResult=\"{flag}\"><Say>Keys {mark}</Say><Pause/><Play>/a/{mark}.wav</Play></Gather>"
            ),
            6 => format!("<Redirect>/next/{mark}</Redirect>"),
            7 => "<Reject/>".to_owned(),
            8 => "<Hangup/>".to_owned(),
            _ => self.dial(seconds, flag, mark),
        }
    }

    fn dial(&mut self, seconds: u64, flag: bool, mark: Mark) -> String {
        let mut nouns = String::new();
        for n in 0..1 + self.sim.chance.below(3) {
            let whisper = match self.sim.chance.one_in(3) {
                true => format!(" url=\"/whisper/{mark}/{n}\""),
                false => String::new(),
            };
            if self.sim.chance.one_in(4) {
                nouns.push_str(&format!(
                    "<Sip{whisper} statusCallback=\"https://app.test/child\" statusCallbackEvent=\"initiated ringing answered completed\"><Uri priority=\"1\">sip:a{n}.{mark}@b.test</Uri><Uri priority=\"2\">sip:b{n}.{mark}@b.test</Uri><Uri priority=\"2\">sip:c{n}.{mark}@b.test</Uri></Sip>"
                ));
                continue;
            }
            let number = mark.number(n);
            nouns.push_str(&format!(
                "<Number{whisper} statusCallback=\"https://app.test/child\" statusCallbackEvent=\"initiated ringing answered completed\">{number}</Number>"
            ));
        }
        let sequential = self.sim.chance.one_in(3);
        let timeout = 5 + self.sim.chance.below(4);
        let action = match self.sim.chance.one_in(3) {
            true => String::new(),
            false => format!(" action=\"/after/{mark}\""),
        };
        format!(
            "<Dial{action} timeout=\"{timeout}\" timeLimit=\"{}\" answerOnBridge=\"{flag}\" sequential=\"{sequential}\" hangupOnStar=\"true\">{nouns}</Dial>",
            seconds * 3
        )
    }

    /// The API changes a call, at whatever moment.
    fn meddle(&mut self, call: CallSid) -> Input {
        // Sometimes a child of a Dial instead of the call that was begun.
        let mut call = call;
        if self.sim.chance.one_in(3) {
            let count = self.switch.live_calls() as u64;
            let pick = self.sim.chance.below(count) as usize;
            if let Some(view) = self.switch.calls().nth(pick) {
                call = view.record.sid;
            }
        }
        if self.asking.values().any(|asking| *asking == call) {
            self.sim.reach("B1 a change while a document is under way");
        }
        if self
            .switch
            .calls()
            .any(|view| view.record.sid == call && view.connected.is_some())
        {
            self.sim.reach("B4 a change inside a bridge");
        }
        let redirect = |redirect| {
            Modify::Change(Box::new(Change {
                redirect: Some(redirect),
                ..Change::default()
            }))
        };
        if self.answer_is_under_way(call) {
            self.sim.reach("B2 a change while an answer is under way");
        }
        let request = RequestId(self.requests + 1);
        let change = match self.sim.chance.below(7) {
            6 => {
                let url = format!("https://app.test/status/{}", request.0);
                self.changes.insert(request, (call, url.clone()));
                Modify::Change(Box::new(Change {
                    status_callback: Some(Some(url)),
                    ..Change::default()
                }))
            }
            0 => Modify::Cancel,
            1 => Modify::Complete,
            2 => Modify::Change(Box::new(Change {
                time_limit: Some(self.sim.chance.delay(30)),
                fallback_url: Some(None),
                ..Change::default()
            })),
            3 => {
                // Given in full it has no address of its own; half of them name theirs.
                let mut document = self.document();
                if self.sim.chance.one_in(2) {
                    document = document.replace("=\"/", "=\"https://app.test/");
                    document = document.replace(">/", ">https://app.test/");
                }
                redirect(Redirect::Twiml(document))
            }
            _ => {
                let at = self.sim.now.instant;
                if self.last_redirect.insert(call, at) == Some(at) {
                    self.sim.reach("B4 two redirects together");
                }
                if self.sim.chance.one_in(4) {
                    self.sim.later(Duration::ZERO, Coming::Meddle(call));
                }
                let url = format!("https://app.test/redirected/{}", request.0);
                redirect(Redirect::Url(url, Method::Post))
            }
        };
        self.requests += 1;
        Input::Modify {
            call,
            request,
            change,
        }
    }

    fn answer_is_under_way(&self, call: CallSid) -> bool {
        let of_it = |phone: &&Phone| phone.call == call && phone.answer_under_way;
        self.legs.values().any(|phone| of_it(&phone))
    }
}
