//! Those who are called together by one `Dial`, and what the losers are told of the winner. The
//! original tells them nothing (`voice-client.md` 4.5); our parameters begin with `Switchboard`, so
//! that they never meet one of its own.
//!
//! ```text
//! several ring ── the first is ready ──► it is the winner ──► each other: its report, its events
//! ```

use model::call::CallRecord;
use model::event::Event;
use model::method::Method;
use model::now::Wall;
use model::sid::CallSid;

use crate::effect::Reason;
use crate::request::{Parameters, put};

/// Most that is said of a group, in characters: addresses of SIP can be long.
const LONGEST: usize = 4_000;

/// Who of a group was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Winner {
    pub call: CallSid,
    /// As it was called.
    pub to: String,
}

/// How one of a group fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    pub reason: Reason,
    pub winner: Option<Winner>,
}

/// What a report says of the group beside what the original says; nothing of somebody who rang
/// alone.
pub(crate) fn parameters(group: &[String], loss: &Loss) -> Parameters {
    let mut p = Parameters::new();
    if group.len() > 1 {
        members(&mut p, group);
        put(&mut p, "SwitchboardReason", loss.reason.word());
        if let Some(winner) = &loss.winner {
            won(&mut p, winner);
        }
    }
    p
}

/// For the caller's list of events: who was called together, and who was connected.
pub(crate) fn decided(parent: &CallRecord, group: &[String], winner: &Winner, now: Wall) -> Event {
    let mut p = Parameters::new();
    members(&mut p, group);
    won(&mut p, winner);
    event(parent, "answered", p, now)
}

/// For a loser's list of events.
pub(crate) fn lost(record: &CallRecord, group: &[String], loss: &Loss, now: Wall) -> Event {
    event(record, loss.reason.word(), parameters(group, loss), now)
}

fn members(p: &mut Parameters, group: &[String]) {
    let mut text = group.join(",");
    if text.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
    }
    put(p, "SwitchboardGroupMembers", text);
}

fn won(p: &mut Parameters, winner: &Winner) {
    put(p, "SwitchboardAnsweredBy", &winner.to);
    put(p, "SwitchboardAnsweredByCallSid", winner.call);
}

/// No request was made, so the address is none that could be asked.
fn event(record: &CallRecord, what: &str, parameters: Parameters, now: Wall) -> Event {
    Event {
        account: record.account,
        call: record.sid,
        url: format!("switchboard:group/{what}"),
        method: Method::Post,
        parameters,
        response_code: None,
        duration_ms: 0,
        content_type: None,
        response_body: None,
        created: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_somebody_who_rang_alone_is_as_the_original_s() {
        let loss = Loss {
            reason: Reason::NoAnswer,
            winner: None,
        };
        assert_eq!(parameters(&["client:joey".to_owned()], &loss), []);
        let group = ["client:joey".to_owned(), "+15550000001".to_owned()];
        let names: Vec<String> = parameters(&group, &loss).into_iter().map(|p| p.0).collect();
        assert_eq!(names, ["SwitchboardGroupMembers", "SwitchboardReason"]);
    }

    #[test]
    fn long_groups_are_cut() {
        let group = vec!["sip:ü@example.com".repeat(100); 10];
        let mut p = Parameters::new();
        members(&mut p, &group);
        assert!(p[0].1.len() <= LONGEST);
    }
}
