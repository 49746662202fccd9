//! What must hold whatever happens, watched effect by effect.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use model::call::CallStatus;
use model::error_code::ErrorCode;
use model::owed::Owed;
use model::sid::CallSid;
use voice::Switch;
use voice::effect::{Effect, LegCommand, MediaCommand, Save};
use voice::input::LegId;

use crate::simulation::{Verdict, must};

/// What was seen of one call.
#[derive(Default)]
struct Seen {
    status: Option<CallStatus>,
    last_number: Option<u64>,
    /// Its owner asked to be told of its end.
    wants_end: bool,
    ended: bool,
    placed: bool,
    /// An address was given up, and the next one must follow.
    moving: bool,
    /// How long it lasted, in seconds.
    duration: String,
    forgotten: bool,
    /// The will of its newest record; none before the first.
    will: Option<Option<Owed>>,
}

/// The laws, with what they must remember.
#[derive(Default)]
pub struct Laws {
    calls: BTreeMap<CallSid, Seen>,
    legs: BTreeMap<LegId, CallSid>,
    bridges: BTreeMap<LegId, LegId>,
    echoes: BTreeSet<LegId>,
    knocking: BTreeMap<CallSid, LegId>,
}

fn rank(status: CallStatus) -> u8 {
    match status {
        CallStatus::Queued => 0,
        CallStatus::Ringing => 1,
        CallStatus::InProgress => 2,
        _ => 3,
    }
}

fn parameter<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = parameters.iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value.as_str())
}

impl Laws {
    /// A call was begun from outside; `wants_end` if its owner asked for `completed`.
    pub fn begun(&mut self, call: CallSid, leg: Option<LegId>, wants_end: bool) {
        self.calls.entry(call).or_default().wants_end = wants_end;
        if let Some(leg) = leg {
            self.legs.insert(leg, call);
        }
    }

    /// A caller stands at the door: it may be refused, and then never becomes a call.
    pub fn knock(&mut self, call: CallSid, leg: LegId) {
        self.knocking.insert(call, leg);
    }

    /// The far end of a leg is gone; the engine is about to be told.
    pub fn gone(&mut self, leg: LegId) {
        self.legs.remove(&leg);
        self.echoes.remove(&leg);
    }

    /// Judges one effect.
    pub fn observe(&mut self, effect: &Effect) -> Verdict {
        match effect {
            Effect::Save(save) => {
                self.save(save)?;
                save.owed
                    .iter()
                    .try_for_each(|owed| self.action(&owed.parameters))
            }
            Effect::Fetch(fetch) => {
                self.lives(fetch.call, "asks for a document")?;
                self.action(&fetch.parameters)
            }
            Effect::Leg(leg, command) => self.leg(*leg, command),
            Effect::Media(leg, command) => self.media(*leg, command),
            Effect::Alert(alert) => must(ErrorCode::find(alert.code).is_some(), || {
                format!("{} is no code that the debugger knows", alert.code)
            }),
            Effect::Reply(..) => Ok(()),
            Effect::Forget(call) => {
                let seen = self.calls.entry(*call).or_default();
                must(seen.ended && !seen.forgotten, || {
                    format!("{call} was forgotten twice, or before its end")
                })?;
                seen.forgotten = true;
                Ok(())
            }
        }
    }

    /// B8: who is told how a `Dial` went was told of the child's end before, and hears of the same
    /// duration. A child that was sent elsewhere still lives.
    fn action(&self, parameters: &[(String, String)]) -> Verdict {
        let child = parameter(parameters, "DialCallSid").and_then(|sid| sid.parse().ok());
        let Some(seen) = child.and_then(|sid: CallSid| self.calls.get(&sid)) else {
            return Ok(());
        };
        let told = parameter(parameters, "DialCallDuration").unwrap_or("0");
        must(!seen.ended || seen.duration == told, || {
            format!("the Dial lasted {told} s but its child {} s", seen.duration)
        })
    }

    fn lives(&self, call: CallSid, what: &str) -> Verdict {
        let lives = self.calls.get(&call).is_some_and(|seen| !seen.ended);
        must(lives, || format!("{call} {what}, but is over or unknown"))
    }

    fn save(&mut self, save: &Save) -> Verdict {
        let record = &save.record;
        let sid = record.sid;
        if let Some(leg) = self.knocking.remove(&sid) {
            self.begun(sid, Some(leg), true);
        }
        let bridged = self
            .legs
            .iter()
            .any(|(leg, call)| *call == sid && self.bridges.contains_key(leg));
        let seen = self.calls.entry(sid).or_default();
        must(!seen.ended, || format!("{sid} is saved after its end"))?;
        must(!(seen.moving && record.status.is_final()), || {
            format!("{sid} hung up before its end was written down")
        })?;
        let before = seen.status.map_or(0, rank);
        must(rank(record.status) >= before, || {
            format!("{sid} went back to {}", record.status)
        })?;
        must(
            (record.status == CallStatus::Completed)
                == (record.status.is_final() && record.answered.is_some()),
            || {
                format!(
                    "{sid} is {} but answered: {:?}",
                    record.status, record.answered
                )
            },
        )?;
        seen.status = Some(record.status);
        seen.duration = record.duration_secs().unwrap_or(0).to_string();
        let mut ends = 0;
        for owed in &save.owed {
            let word = parameter(&owed.parameters, "CallStatus").unwrap_or_default();
            must(
                word == "initiated" || word == record.status.as_str(),
                || {
                    format!(
                        "{sid} reports {word} but is written down as {}",
                        record.status
                    )
                },
            )?;
            if let Some(number) = parameter(&owed.parameters, "SequenceNumber") {
                let number = number.parse().map_err(|_| "SequenceNumber is no number")?;
                must(seen.last_number.is_none_or(|last| number > last), || {
                    format!("{sid} reports {number} out of sequence")
                })?;
                seen.last_number = Some(number);
                ends += u32::from(record.status.is_final());
                // Whoever is told of one step asked, in these worlds, for the last one too.
                seen.wants_end |= word == "initiated" || record.status.is_final();
            }
        }
        let end = save.owed.iter().rev().find(|owed| {
            record.status.is_final() && parameter(&owed.parameters, "SequenceNumber").is_some()
        });
        Self::will(seen, save, end)?;
        if record.status.is_final() {
            let silent = !seen.placed && record.status == CallStatus::Canceled && before == 0;
            let expected = u32::from(seen.wants_end && !silent);
            must(ends == expected, || {
                format!("{sid} reports its end {ends} times, expected {expected}")
            })?;
            must(!bridged, || format!("{sid} ended inside a bridge"))?;
            seen.ended = true;
        }
        Ok(())
    }

    /// A call whose owner wants to be told of its end has, as long as it lives, a will that says so;
    /// and at the end it is told just that.
    fn will(seen: &mut Seen, save: &Save, end: Option<&Owed>) -> Verdict {
        let sid = save.record.sid;
        let number = |owed: &Owed| {
            let number = parameter(&owed.parameters, "SequenceNumber");
            number.and_then(|number| number.parse::<u64>().ok())
        };
        if save.record.status.is_final() {
            must(save.will.is_none(), || {
                format!("{sid} has ended and still has a will")
            })?;
            // The first record may be the last; a call canceled in the queue is not reported.
            if let (Some(will), Some(end)) = (&seen.will, end) {
                let essence = |owed: &Owed| {
                    let number = number(owed);
                    (
                        owed.call,
                        owed.stream,
                        owed.account,
                        owed.url.clone(),
                        owed.method,
                        number,
                    )
                };
                must(will.as_ref().map(essence) == Some(essence(end)), || {
                    format!("{sid} had the will {will:?} but ends with {end:?}")
                })?;
            }
            return Ok(());
        }
        must(save.will.is_some() || !seen.wants_end, || {
            format!("{sid} has no will but wants to be told of its end")
        })?;
        if let Some(will) = &save.will {
            let word = match save.record.answered {
                Some(_) => "completed",
                None => "failed",
            };
            must(
                parameter(&will.parameters, "CallStatus") == Some(word),
                || format!("{sid} is {} but wills {will:?}", save.record.status),
            )?;
            must(number(will) > seen.last_number, || {
                format!("{sid} reported {:?} and wills {will:?}", seen.last_number)
            })?;
        }
        seen.will = Some(save.will.clone());
        Ok(())
    }

    fn leg(&mut self, leg: LegId, command: &LegCommand) -> Verdict {
        if let LegCommand::Invite(invite) = command {
            let other = self.legs.values().any(|call| *call == invite.call);
            must(!other, || format!("{} rings at two addresses", invite.call))?;
            self.legs.insert(leg, invite.call);
            let seen = self.calls.entry(invite.call).or_default();
            seen.placed = true;
            seen.moving = false;
        }
        let Some(call) = self.legs.get(&leg).copied() else {
            // A caller that was refused at the door never became a call.
            return must(matches!(command, LegCommand::Reject(_)), || {
                format!("{leg:?} is unknown")
            });
        };
        if matches!(command, LegCommand::HangUp(_) | LegCommand::Reject(_)) {
            self.legs.remove(&leg);
            self.echoes.remove(&leg);
            let seen = self.calls.entry(call).or_default();
            // An address that does not ring is given up for the next one, at once.
            seen.moving =
                !seen.ended && seen.placed && seen.status.is_none_or(|status| rank(status) < 2);
            let right = seen.moving || (seen.ended && !seen.forgotten);
            return must(right, || {
                format!("{call} hangs up before its end is written down, or twice")
            });
        }
        self.lives(call, "acts on its leg")
    }

    fn media(&mut self, leg: LegId, command: &MediaCommand) -> Verdict {
        let owner = |leg: &LegId| self.legs.get(leg).copied();
        let call = owner(&leg).ok_or_else(|| format!("{leg:?} is gone but should sound"))?;
        match command {
            MediaCommand::Bridge(other) => {
                let peer =
                    owner(other).ok_or_else(|| format!("{other:?} is gone but is joined"))?;
                for party in [call, peer] {
                    let status = self.calls.get(&party).and_then(|seen| seen.status);
                    must(status == Some(CallStatus::InProgress), || {
                        format!("{party} is joined but not answered")
                    })?;
                }
                for (a, b) in [(leg, *other), (*other, leg)] {
                    must(!self.echoes.contains(&a), || {
                        format!("{a:?} is joined while it hears itself")
                    })?;
                    must(self.bridges.insert(a, b).is_none(), || {
                        format!("{a:?} is in two bridges")
                    })?;
                }
                Ok(())
            }
            MediaCommand::Unbridge(other) => {
                let was = self.bridges.remove(&leg) == Some(*other)
                    && self.bridges.remove(other) == Some(leg);
                must(was, || format!("{leg:?} was not joined with {other:?}"))
            }
            MediaCommand::Echo => {
                let status = self.calls.get(&call).and_then(|seen| seen.status);
                must(status == Some(CallStatus::InProgress), || {
                    format!("{call} hears itself but is not answered")
                })?;
                let free = !self.bridges.contains_key(&leg) && self.echoes.insert(leg);
                must(free, || format!("{leg:?} hears itself and another"))
            }
            MediaCommand::EndEcho => must(self.echoes.remove(&leg), || {
                format!("{leg:?} did not hear itself")
            }),
            MediaCommand::Play { .. } | MediaCommand::Stop(_) => self.lives(call, "sounds"),
        }
    }

    /// Whether two legs hear each other.
    pub fn is_bridged(&self, leg: LegId) -> bool {
        self.bridges.contains_key(&leg)
    }

    /// After everything that was due was done: nothing waits in the past.
    pub fn nothing_overdue(&self, switch: &Switch, now: Instant) -> Verdict {
        let overdue = switch.poll_timeout().filter(|(at, _)| *at < now);
        must(overdue.is_none(), || {
            format!("{overdue:?} lies in the past")
        })
    }

    /// At the end of the world: every call has ended and nothing is kept.
    pub fn all_over(&self, switch: &Switch) -> Verdict {
        must(switch.live_calls() == 0, || {
            format!("{} calls still live", switch.live_calls())
        })?;
        must(switch.kept() == 0, || {
            format!("{} things are still kept", switch.kept())
        })?;
        for (sid, seen) in &self.calls {
            must(seen.ended && seen.forgotten && !seen.moving, || {
                format!("{sid} never ended")
            })?;
        }
        must(self.bridges.is_empty(), || {
            "a bridge outlived its calls".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::call::{CallRecord, Direction};
    use model::method::Method;
    use model::now::Wall;
    use model::sid::AccountSid;
    use voice::input::FetchId;

    fn ringing(sid: CallSid) -> CallRecord {
        CallRecord {
            to: "+15005550006".to_owned(),
            from: "+15551230001".to_owned(),
            ..CallRecord::new(
                sid,
                AccountSid::from_bytes([3; 16]),
                Direction::Inbound,
                Wall(0),
            )
        }
    }

    fn will(call: CallSid, number: &str) -> Owed {
        Owed {
            account: AccountSid::from_bytes([3; 16]),
            call,
            stream: call,
            url: "https://app.test/status".to_owned(),
            method: Method::Post,
            parameters: vec![
                ("CallStatus".to_owned(), "failed".to_owned()),
                ("SequenceNumber".to_owned(), number.to_owned()),
            ],
            created: Wall(0),
        }
    }

    /// A law that cannot be broken proves nothing.
    #[test]
    fn broken_laws_are_noticed() {
        let call = CallSid::from_bytes([1; 16]);
        let mut laws = Laws::default();
        laws.begun(call, Some(LegId(1)), true);
        assert!(
            laws.observe(&Effect::Leg(LegId(1), LegCommand::Answer))
                .is_ok()
        );
        let bridge = Effect::Media(LegId(1), MediaCommand::Bridge(LegId(2)));
        assert!(laws.observe(&bridge).is_err(), "joined with nobody");
        assert!(
            laws.observe(&Effect::Forget(call)).is_err(),
            "forgotten before the end"
        );
        assert!(
            laws.observe(&Effect::Leg(
                LegId(1),
                LegCommand::HangUp(voice::effect::Reason::HungUp)
            ))
            .is_err(),
            "hung up before the end"
        );
        let mut save = Save {
            record: ringing(call),
            owed: Vec::new(),
            will: None,
            events: Vec::new(),
        };
        let saved = Effect::Save(Box::new(save.clone()));
        assert!(laws.observe(&saved).is_err(), "without a will");
        save.will = Some(will(call, "0"));
        let saved = Effect::Save(Box::new(save.clone()));
        assert_eq!(laws.observe(&saved), Ok(()));
        save.record.status = CallStatus::NoAnswer;
        save.will = None;
        save.owed = vec![will(call, "1")];
        save.owed[0].parameters[0].1 = "no-answer".to_owned();
        let saved = Effect::Save(Box::new(save));
        assert!(laws.observe(&saved).is_err(), "the will had another number");
        let fetch = voice::effect::Fetch {
            fetch: FetchId(1),
            call: CallSid::from_bytes([2; 16]),
            account: model::sid::AccountSid::from_bytes([3; 16]),
            url: String::new(),
            method: model::method::Method::Post,
            parameters: Vec::new(),
        };
        assert!(
            laws.observe(&Effect::Fetch(Box::new(fetch))).is_err(),
            "on behalf of nobody"
        );
    }
}
