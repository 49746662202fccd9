//! The last will of a call: the report of its end that is owed if the process dies now (D10).
//!
//! ```text
//! every change of a live call ──► its will, written down with it
//! the end                     ──► no will: the report itself is owed
//! a death                     ──► the next start ends the call, and executes the will
//! ```
//!
//! All but the time of the end is known beforehand: [`execute`] fills that in.

use model::call::{CallRecord, CallStatus};
use model::owed::Owed;

use crate::call::Body;
use crate::callback;

/// Where the time of the end is missing in a will.
const OPEN: &str = "";

/// Code of the report of a call's end whose process died.
pub const CODE: u32 = 12400;
/// What happened, for the report and the debugger.
pub const REASON: &str =
    "The call was cut short because the platform stopped: its operator must find out why";

/// The status with which a call ends whose process died: nobody knows how far an unanswered one
/// would have come.
pub fn status(record: &CallRecord) -> CallStatus {
    match record.answered {
        Some(_) => CallStatus::Completed,
        None => CallStatus::Failed,
    }
}

/// The will of a call as it stands, if its owner wants to be told of its end.
pub(crate) fn write(body: &Body) -> Option<Owed> {
    if body.record.status.is_final() {
        return None;
    }
    let status = status(&body.record);
    callback::end(body, status.as_str(), OPEN, OPEN, OPEN, body.sequence)
}

/// What a will has become now that its call is ended: the report with the times of `ended`, and with
/// the reason.
pub fn execute(mut will: Owed, ended: &CallRecord) -> Owed {
    let at = ended.ended.unwrap_or(ended.updated);
    let (seconds, minutes) = callback::durations(ended);
    for (name, value) in &mut will.parameters {
        match name.as_str() {
            "CallDuration" => *value = seconds.to_string(),
            "Duration" => *value = minutes.to_string(),
            "Timestamp" => *value = callback::rfc2822(at),
            _ => {}
        }
    }
    for (name, value) in [
        ("ErrorCode", CODE.to_string()),
        ("ErrorMessage", REASON.to_owned()),
    ] {
        will.parameters.push((name.to_owned(), value));
    }
    will.created = at;
    will
}

#[cfg(test)]
mod tests {
    use model::now::{Now, Wall};
    use model::sid::{AccountSid, CallSid};
    use std::time::Instant;

    use super::*;
    use crate::input::{CallEvents, Incoming, Input, Instructions, LegEvent, LegId};
    use crate::{Effect, Policy, Switch};

    /// The report of the end, and the will before it, differ in nothing but the reason.
    #[test]
    fn a_will_says_what_the_end_itself_would_have_said() {
        let mut now = Now {
            instant: Instant::now(),
            wall: Wall(1_767_225_600_000_000),
        };
        let mut switch = Switch::new(Policy::default(), [1; 32]);
        switch.handle_input(
            now,
            Input::Incoming(Box::new(Incoming {
                from: "+15551230001".to_owned(),
                to: "+15005550006".to_owned(),
                instructions: Instructions {
                    twiml: Some("<Response><Echo/></Response>".to_owned()),
                    status_callback: Some("https://app.test/status".to_owned()),
                    status_callback_events: CallEvents {
                        completed: true,
                        ..CallEvents::default()
                    },
                    ..Instructions::default()
                },
                ..Incoming::new(
                    CallSid::from_bytes([1; 16]),
                    LegId(1),
                    AccountSid::from_bytes([9; 16]),
                )
            })),
        );
        let mut wills = Vec::new();
        let mut ends = Vec::new();
        let mut ended = None;
        let mut collect = |switch: &mut Switch| {
            while let Some(effect) = switch.poll_effect() {
                if let Effect::Save(save) = effect {
                    wills.push(save.will);
                    ends.extend(save.owed);
                    ended = save.record.status.is_final().then_some(save.record);
                }
            }
        };
        collect(&mut switch);
        now = now.after(std::time::Duration::from_secs(61));
        switch.handle_input(now, Input::Leg(LegId(1), LegEvent::HungUp));
        collect(&mut switch);
        let [Some(ringing), Some(answered), None] = wills.as_slice() else {
            panic!("{wills:?}");
        };
        let failed = ("CallStatus".to_owned(), "failed".to_owned());
        assert!(ringing.parameters.contains(&failed), "{ringing:?}");
        let ended = ended.expect("the call has ended");
        let mut executed = execute(answered.clone(), &ended);
        let reason = executed.parameters.split_off(executed.parameters.len() - 2);
        assert_eq!(reason[0], ("ErrorCode".to_owned(), "12400".to_owned()));
        assert_eq!(ends, [executed]);
        let two_minutes = ("Duration".to_owned(), "2".to_owned());
        assert!(ends[0].parameters.contains(&two_minutes), "{ends:?}");
    }
}
