//! All calls. The only code that sees two of them.
//!
//! ```text
//! input, timeout ──► one call at work ──► effects
//!                        ▲      │
//!                        └──────┴ intents, until none is left
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use model::call::{CallRecord, CallStatus, Direction};
use model::now::Now;
use model::sid::{AccountSid, CallSid};

use crate::bridge::Peer;
use crate::call::{Call, Child, Ending, Event, Placement};
use crate::chance::Chance;
use crate::cx::{Cx, Out};
use crate::deadline::{Deadline, Deadlines};
use crate::effect::{Alert, Effect, LegCommand, MediaCommand, Reply};
use crate::input::{Incoming, Input, Originate};
use crate::intent::Intent;
use crate::outbound::Outbound;
use crate::policy::Policy;

/// Every live call of one node.
pub struct Switch {
    policy: Policy,
    calls: BTreeMap<CallSid, Box<Call>>,
    /// The call that is worked on is taken out of the table, so that a fault in it is its own.
    at_work: Option<Box<Call>>,
    /// Accounts that may call no more; as many as there are accounts at most.
    suspended: BTreeSet<AccountSid>,
    out: Out,
}

/// One live call, for the console.
#[derive(Debug)]
pub struct View<'a> {
    /// What is written down of it.
    pub record: &'a CallRecord,
    /// The verb that runs, or what it does besides.
    pub doing: &'static str,
    /// The call that it is connected with.
    pub connected: Option<CallSid>,
}

impl Switch {
    /// A switch without calls. The seed makes its identifiers; it must be fresh at every start.
    pub fn new(policy: Policy, seed: [u8; 32]) -> Self {
        Switch {
            policy,
            calls: BTreeMap::new(),
            at_work: None,
            suspended: BTreeSet::new(),
            out: Out {
                effects: VecDeque::new(),
                intents: VecDeque::new(),
                deadlines: Deadlines::default(),
                outbound: Outbound::default(),
                chance: Chance::new(seed),
                fetches: BTreeMap::new(),
                legs: BTreeMap::new(),
            },
        }
    }

    /// Takes in something that happened.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        match input {
            Input::Incoming(incoming) => self.incoming(now, *incoming),
            Input::Originate(originate) => self.originate(now, *originate),
            Input::Modify {
                call,
                request,
                change,
            } => {
                if self.calls.contains_key(&call) {
                    self.work(now, call, Event::Modify(request, change));
                } else {
                    let reply = Effect::Reply(request, Reply::Unknown);
                    self.out.effects.push_back(reply);
                }
            }
            Input::Suspended(account) => {
                let waits = |call: &Call| {
                    call.course.place.is_some() && call.body.record.account == account
                };
                let calls = self.calls.iter();
                let waiting: Vec<CallSid> = calls
                    .filter(|(_, call)| waits(call))
                    .map(|(sid, _)| *sid)
                    .collect();
                self.suspended.insert(account);
                for call in waiting {
                    self.work(now, call, Event::Refuse(inactive()));
                }
            }
            Input::Activated(account) => {
                self.suspended.remove(&account);
            }
            Input::Leg(leg, event) => {
                if let Some(call) = self.out.legs.get(&leg).copied() {
                    self.work(now, call, Event::Leg(event));
                }
            }
            Input::Fetched { fetch, result } => {
                if let Some(call) = self.out.fetches.remove(&fetch) {
                    self.work(now, call, Event::Fetched(fetch, result));
                }
            }
        }
        self.settle(now);
    }

    /// Does what is due; call it when [`Switch::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(deadline) = self.out.deadlines.take_due(now.instant) {
            match deadline {
                Deadline::Turn(account) => {
                    let next =
                        self.out
                            .outbound
                            .turn(account, now, &self.policy, &mut self.out.deadlines);
                    if let Some(call) = next {
                        self.work(now, call, Event::Place);
                    }
                }
                Deadline::Queue(call)
                | Deadline::Ring(call)
                | Deadline::Verb(call)
                | Deadline::TimeLimit(call) => self.work(now, call, Event::Timeout(deadline)),
            }
            self.settle(now);
        }
    }

    /// The next thing to do, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.out.effects.pop_front()
    }

    /// When to call [`Switch::handle_timeout`], and for what.
    pub fn poll_timeout(&self) -> Option<(Instant, Deadline)> {
        self.out.deadlines.first()
    }

    /// How many calls live, queued ones included.
    pub fn live_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether this call lives.
    pub fn is_live(&self, call: CallSid) -> bool {
        self.calls.contains_key(&call)
    }

    /// All live calls, for the console.
    pub fn calls(&self) -> impl Iterator<Item = View<'_>> {
        self.calls.values().map(|call| View {
            record: &call.body.record,
            doing: call.course.doing(),
            connected: call.body.peer.map(|peer| peer.call),
        })
    }

    /// The call that this one is connected with.
    pub fn connected(&self, call: CallSid) -> Option<&CallRecord> {
        let peer = self.calls.get(&call)?.body.peer?;
        Some(&self.calls.get(&peer.call)?.body.record)
    }

    /// Everybody who was called together with this call, itself included; empty for one that came
    /// in.
    pub fn group(&self, call: CallSid) -> &[String] {
        self.calls
            .get(&call)
            .map_or(&[], |call| call.body.group.as_slice())
    }

    /// What is kept in all tables together, besides the calls: none of it outlives them, but for
    /// the time until an account's next turn.
    pub fn kept(&self) -> usize {
        self.out.legs.len()
            + self.out.fetches.len()
            + self.out.deadlines.len()
            + self.out.outbound.len()
            + self.out.intents.len()
    }

    /// After a panic inside the engine: ends the call that was worked on, which is in an unknown
    /// state, and lets all others live. Answers which it was.
    pub fn drop_poisoned(&mut self, now: Now) -> Option<CallSid> {
        let mut call = self.at_work.take()?;
        let sid = call.body.record.sid;
        let mut cx = Cx {
            now,
            policy: &self.policy,
            body: &mut call.body,
            out: &mut self.out,
        };
        call.course.bury(&mut cx);
        self.settle(now);
        Some(sid)
    }

    fn incoming(&mut self, now: Now, incoming: Incoming) {
        let Incoming {
            call: sid,
            leg,
            account,
            ..
        } = incoming;
        let known = self.calls.contains_key(&sid) || self.out.legs.contains_key(&leg);
        if known || self.is_full(account) {
            if !known {
                self.out.effects.push_back(Effect::Alert(Box::new(Alert {
                    account,
                    call: sid,
                    code: 10004,
                    error: true,
                    message:
                        "A call was refused because too many are going on: raise the limit, or wait"
                            .to_owned(),
                    url: None,
                    method: None,
                })));
            }
            let reject = Effect::Leg(leg, LegCommand::Reject(503));
            self.out.effects.push_back(reject);
            return;
        }
        let record = CallRecord {
            to: incoming.to,
            from: incoming.from,
            phone_number: incoming.phone_number,
            application: incoming.application,
            trunk: incoming.trunk,
            started: Some(now.wall),
            forwarded_from: incoming.forwarded_from,
            caller_name: incoming.caller_name,
            ..CallRecord::new(sid, account, Direction::Inbound, now.wall)
        };
        let mut call = Call::new(record, incoming.instructions, self.policy.time_limit);
        call.body.leg = Some(leg);
        call.body.parameters = incoming.parameters;
        self.out.legs.insert(leg, sid);
        self.enter(call);
        self.work(now, sid, Event::Incoming);
    }

    fn originate(&mut self, now: Now, originate: Originate) {
        let Originate {
            record,
            instructions,
            timeout,
            time_limit,
            send_digits,
            caller_id,
            sip_auth,
            parameters,
        } = originate;
        let (sid, account) = (record.sid, record.account);
        if self.calls.contains_key(&sid) {
            return;
        }
        let full = self.is_full(account);
        let placement = Placement {
            from: caller_id.unwrap_or_else(|| record.from.clone()),
            timeout,
            send_digits,
            sip_auth,
            parameters,
            verified: None,
            elsewhere: VecDeque::new(),
            group: vec![record.to.clone()],
            application: record.application,
        };
        let queued = (now.wall.0 - record.created.0).max(0) as u64;
        self.enter(Call::new(record, instructions, time_limit).placed(placement));
        if full {
            let text =
                "The call was not placed because too many are going on: raise the limit, or wait";
            let ending = Ending::new(CallStatus::Failed).error(10004, text);
            self.work(now, sid, Event::Refuse(ending));
            return;
        }
        if self.suspended.contains(&account) {
            self.work(now, sid, Event::Refuse(inactive()));
            return;
        }
        let deadlines = &mut self.out.deadlines;
        let place = self.out.outbound.wait(account, sid, now, deadlines);
        let left = self
            .policy
            .queue_timeout
            .saturating_sub(std::time::Duration::from_micros(queued));
        deadlines.set(Deadline::Queue(sid), now.instant + left);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.course.place = Some(place);
        }
        // It may be its turn at once.
        self.handle_timeout(now);
    }

    fn is_full(&self, account: AccountSid) -> bool {
        self.calls.len() >= self.policy.calls
            || self.out.outbound.calls(account) >= self.policy.calls_per_account
    }

    fn enter(&mut self, call: Call) {
        self.out.outbound.enter(call.body.record.account);
        self.calls.insert(call.body.record.sid, Box::new(call));
    }

    /// Lets one call handle one event, with the call out of the table.
    fn work(&mut self, now: Now, sid: CallSid, event: Event) {
        let Some(call) = self.calls.remove(&sid) else {
            return;
        };
        let call = self.at_work.insert(call);
        let mut cx = Cx {
            now,
            policy: &self.policy,
            body: &mut call.body,
            out: &mut self.out,
        };
        call.course.handle(event, &mut cx);
        if let Some(call) = self.at_work.take_if(|call| !call.course.is_over()) {
            self.calls.insert(sid, call);
        }
        self.at_work = None;
    }

    /// Carries what calls want of each other until nobody wants anything.
    fn settle(&mut self, now: Now) {
        while let Some(intent) = self.out.intents.pop_front() {
            match intent {
                Intent::Dial(child) => self.dial(now, *child),
                Intent::Join { parent, child } => self.join(now, parent, child),
                Intent::Parted { call } => self.work(now, call, Event::Parted),
                Intent::End { call, unanswered } => self.work(now, call, Event::End(unanswered)),
                Intent::Report {
                    parent,
                    child,
                    news,
                } => self.work(now, parent, Event::News(child, news)),
            }
        }
    }

    fn dial(&mut self, now: Now, child: Child) {
        let (sid, account) = (child.record.sid, child.record.account);
        let full = self.is_full(account);
        self.enter(Call::child(child));
        let event = match full {
            true => Event::Refuse(Ending::new(CallStatus::Failed).error(
                10004,
                "The call was not placed because too many are going on: raise the limit, or wait",
            )),
            false => Event::Place,
        };
        self.work(now, sid, event);
    }

    /// Joins two calls that both still live and have a leg.
    fn join(&mut self, now: Now, parent: CallSid, child: CallSid) {
        let leg_of = |sid| self.calls.get(&sid).and_then(|call| call.body.leg);
        let (Some(of_parent), Some(of_child)) = (leg_of(parent), leg_of(child)) else {
            return;
        };
        let peer = |call, leg| Event::Joined(Peer { call, leg });
        self.work(now, parent, peer(child, of_child));
        self.work(now, child, peer(parent, of_parent));
        let bridge = MediaCommand::Bridge(of_child);
        self.out.effects.push_back(Effect::Media(of_parent, bridge));
    }
}

/// How a call ends whose account may call no more.
fn inactive() -> Ending {
    let text =
        "The call was not placed because its account is not active: activate it, and call again";
    Ending::new(CallStatus::Failed).error(20005, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Instructions, LegEvent, LegId};
    use model::now::Wall;

    fn incoming(n: u8) -> Input {
        Input::Incoming(Box::new(Incoming {
            from: "+15551230001".to_owned(),
            to: "+15005550006".to_owned(),
            instructions: Instructions {
                url: Some("https://app.test/voice".to_owned()),
                ..Instructions::default()
            },
            ..Incoming::new(
                CallSid::from_bytes([n; 16]),
                LegId(u64::from(n)),
                AccountSid::from_bytes([9; 16]),
            )
        }))
    }

    #[test]
    fn a_poisoned_call_ends_alone_and_leaves_nothing() {
        let now = Now {
            instant: Instant::now(),
            wall: Wall(0),
        };
        let mut switch = Switch::new(Policy::default(), [1; 32]);
        switch.handle_input(now, incoming(1));
        switch.handle_input(now, incoming(2));
        assert_eq!(switch.drop_poisoned(now), None);
        while switch.poll_effect().is_some() {}
        // What a panic leaves behind: the call out of its table.
        let sid = CallSid::from_bytes([1; 16]);
        switch.at_work = switch.calls.remove(&sid);
        assert_eq!(switch.drop_poisoned(now), Some(sid));
        let effects: Vec<Effect> = std::iter::from_fn(|| switch.poll_effect()).collect();
        assert!(
            matches!(&effects[0], Effect::Save(save) if save.record.status == CallStatus::Failed)
        );
        assert_eq!(effects[1], Effect::Leg(LegId(1), LegCommand::Reject(500)));
        assert_eq!(effects[2], Effect::Forget(sid));
        assert_eq!(switch.live_calls(), 1);
        switch.handle_input(now, Input::Leg(LegId(2), LegEvent::HungUp));
        assert_eq!((switch.live_calls(), switch.kept()), (0, 0));
    }

    #[test]
    fn a_call_that_waits_too_long_for_its_turn_fails() {
        let policy = Policy {
            calls_per_second: 0.001,
            queue_timeout: std::time::Duration::from_secs(10),
            ..Policy::default()
        };
        let mut now = Now {
            instant: Instant::now(),
            wall: Wall(0),
        };
        let mut switch = Switch::new(policy, [1; 32]);
        for n in [1, 2] {
            let Input::Incoming(like) = incoming(n) else {
                continue;
            };
            switch.handle_input(now, Input::Incoming(like));
            let record = switch.calls().last().map(|view| view.record.clone());
            let leg = Input::Leg(LegId(u64::from(n)), LegEvent::HungUp);
            switch.handle_input(now, leg);
            let record = CallRecord {
                status: CallStatus::Queued,
                direction: Direction::OutboundApi,
                ..record.expect("the call was there")
            };
            switch.handle_input(
                now,
                Input::Originate(Box::new(Originate {
                    record,
                    instructions: Instructions::default(),
                    timeout: std::time::Duration::from_secs(60),
                    time_limit: std::time::Duration::from_secs(60),
                    send_digits: None,
                    caller_id: None,
                    sip_auth: None,
                    parameters: Vec::new(),
                })),
            );
        }
        while switch.poll_effect().is_some() {}
        now = now.after(std::time::Duration::from_secs(10));
        switch.handle_timeout(now);
        let codes: Vec<u32> = std::iter::from_fn(|| switch.poll_effect())
            .filter_map(|effect| match effect {
                Effect::Alert(alert) => Some(alert.code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [15002]);
        assert_eq!(switch.live_calls(), 1);
    }
}
