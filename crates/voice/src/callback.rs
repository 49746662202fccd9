//! Every status callback: when, to which URL, with which parameters in which order (contract 5.5).

use model::call::{CallRecord, Direction};
use model::now::{Now, Wall};
use model::owed::Owed;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::call::Body;
use crate::group;
use crate::request::{Parameters, put, put_all, standard, with_status};

/// The steps of a call that can be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Initiated,
    Ringing,
    Answered,
    Completed,
}

/// Counts a step, and says what is owed because of it.
///
/// The count includes the steps that nobody asked for, so that a gap in it means a lost callback
/// only to who asked for all. Inbound calls report nothing but their end, which is therefore 0.
pub(crate) fn progress(body: &mut Body, step: Progress, now: Now) -> Option<Owed> {
    if body.record.direction == Direction::Inbound && step != Progress::Completed {
        return None;
    }
    let number = body.sequence;
    body.sequence += 1;
    if step == Progress::Completed {
        let (seconds, minutes) = durations(&body.record);
        let (seconds, minutes) = (seconds.to_string(), minutes.to_string());
        let status = body.record.status.as_str();
        let owed = end(body, status, &seconds, &minutes, &rfc2822(now.wall), number)?;
        return Some(Owed {
            created: now.wall,
            ..owed
        });
    }
    let events = body.instructions.status_callback_events;
    let wanted = match step {
        Progress::Initiated => events.initiated,
        Progress::Ringing => events.ringing,
        Progress::Answered => events.answered,
        Progress::Completed => events.completed,
    };
    let url = body
        .instructions
        .status_callback
        .clone()
        .filter(|_| wanted)?;
    let mut p = match step {
        Progress::Initiated => with_status(body, "initiated"),
        _ => standard(body),
    };
    put(&mut p, "Timestamp", rfc2822(now.wall));
    put(&mut p, "CallbackSource", "call-progress-events");
    put(&mut p, "SequenceNumber", number);
    let method = body.instructions.status_callback_method;
    Some(owed(body, url, method, p, now.wall))
}

/// The report of a call's end, if its owner wants it.
pub(crate) fn end(
    body: &Body,
    status: &str,
    seconds: &str,
    minutes: &str,
    timestamp: &str,
    number: u32,
) -> Option<Owed> {
    let instructions = &body.instructions;
    let wanted = instructions.status_callback_events.completed;
    let url = instructions.status_callback.clone().filter(|_| wanted)?;
    let mut p = with_status(body, status);
    put(&mut p, "CallDuration", seconds);
    put(&mut p, "Duration", minutes);
    put(&mut p, "Timestamp", timestamp);
    put(&mut p, "CallbackSource", "call-progress-events");
    put(&mut p, "SequenceNumber", number);
    if let Some(status) = body.sip_status {
        put(&mut p, "SipResponseCode", status);
    }
    if let Some((code, message)) = &body.error {
        put(&mut p, "ErrorCode", code);
        put(&mut p, "ErrorMessage", message);
    }
    if let Some(loss) = &body.loss {
        put_all(&mut p, group::parameters(&body.group, loss));
    }
    let method = instructions.status_callback_method;
    Some(owed(body, url, method, p, body.record.updated))
}

/// `CallDuration` in seconds and `Duration` in minutes begun.
pub(crate) fn durations(record: &CallRecord) -> (u64, u64) {
    let seconds = record.duration_secs().unwrap_or(0);
    (seconds, seconds.div_ceil(60))
}

/// Something owed on behalf of a call.
pub(crate) fn owed(
    body: &Body,
    url: String,
    method: model::method::Method,
    parameters: Parameters,
    created: Wall,
) -> Owed {
    Owed {
        account: body.record.account,
        call: body.record.sid,
        stream: body.stream,
        url,
        method,
        parameters,
        created,
    }
}

/// `Thu, 30 May 2013 15:00:00 +0000`.
pub(crate) fn rfc2822(wall: Wall) -> String {
    OffsetDateTime::from_unix_timestamp(wall.0.div_euclid(1_000_000))
        .ok()
        .and_then(|time| time.format(&Rfc2822).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_in_mails() {
        let text = rfc2822(Wall(1_369_926_000_000_000));
        assert_eq!(text, "Thu, 30 May 2013 15:00:00 +0000");
    }
}
