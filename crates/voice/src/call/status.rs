//! The status machine of a call.
//!
//! ```text
//!            turn granted          180/183              200
//!  queued ─────────────────► (initiated) ──► ringing ─────────► in-progress
//!    │                            │             │                    │
//!    ▼                            ▼             ▼                    ▼
//!  canceled · failed      busy · no-answer · canceled · failed    completed
//! ```
//!
//! `initiated` is a word of callbacks only: the record stays queued. An inbound call and the child of
//! a `Dial` begin as ringing.

use model::call::CallStatus::{self, Canceled, Completed, Failed, InProgress, Queued, Ringing};

/// Whether a call may go from one status to another. Nothing follows a final status.
pub(crate) fn may_become(from: CallStatus, to: CallStatus) -> bool {
    match from {
        Queued => to != Queued && to != Completed,
        Ringing => !matches!(to, Queued | Ringing | Completed),
        InProgress => to == Completed,
        _ => false,
    }
}

/// How an outgoing call ended that was refused with this final SIP status (contract 6.1).
pub(crate) fn refused(sip_status: u16) -> CallStatus {
    match sip_status {
        486 | 600 => CallStatus::Busy,
        408 | 480 | 487 => CallStatus::NoAnswer,
        _ => Failed,
    }
}

/// The code for the debugger when the shell had none of its own.
pub(crate) fn code_of(sip_status: u16) -> u32 {
    match sip_status {
        404 | 484 | 604 => 13224,
        _ => 32011,
    }
}

/// How a call ends that nobody wants any more.
pub(crate) fn given_up(status: CallStatus) -> CallStatus {
    if status == InProgress {
        Completed
    } else {
        Canceled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_an_end_and_completed_needs_an_answer() {
        for from in CallStatus::ALL {
            for to in CallStatus::ALL {
                let allowed = may_become(from, to);
                assert!(!(from.is_final() && allowed), "{from} {to}");
                assert_eq!(
                    to == Completed && allowed,
                    from == InProgress && to == Completed
                );
                assert!(!(to == Queued && allowed), "{from} {to}");
            }
        }
    }

    #[test]
    fn sip_statuses_become_the_documented_words() {
        let words = [486, 600, 480, 487, 408, 404, 503].map(|s| refused(s).as_str());
        let expected = [
            "busy",
            "busy",
            "no-answer",
            "no-answer",
            "no-answer",
            "failed",
            "failed",
        ];
        assert_eq!(words, expected);
    }
}
