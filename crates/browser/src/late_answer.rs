//! What a device is told when it is no longer called, and when it answers too late.
//!
//! The server cannot see whether a device rings, was ignored, or is asking for its microphone:
//! nothing is sent for these. `hangup` is heard only once the microphone is there, `cancel` closes
//! the media of an answering device only from 1.10.3. The two, in this order, end a call in every
//! version and every phase; that is the default.

use crate::error::{Fault, code};
use crate::frame::ToBrowser;
use crate::sdk::Sdk;
pub use model::late_answer::LateAnswer;
pub use model::notices::Notices;

/// The frames that end a call at a device whose phase is not known.
pub(crate) fn farewell(
    behaviour: LateAnswer,
    sdk: Sdk,
    call: &str,
    reason: &Reason,
) -> Vec<ToBrowser> {
    let fault = match behaviour {
        LateAnswer::Timeout => Some(Fault::new(code::TIMEOUT, reason.text())),
        LateAnswer::Cancelled => Some(Fault::new(code::CANCELLED, reason.text())),
        _ => reason.fault(),
    };
    let call = call.to_owned();
    let cancel = ToBrowser::Cancel { call: call.clone() };
    match behaviour {
        LateAnswer::Cancel | LateAnswer::Silence if sdk.cancel_closes_media() => vec![cancel],
        _ => vec![ToBrowser::Hangup { call, fault }, cancel],
    }
}

/// Why a call is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Somebody else was faster.
    AnsweredElsewhere {
        /// Who: an identity, a number, an address.
        by: String,
    },
    /// The other party gave up or hung up.
    HungUp,
    /// Nobody answered in time.
    NoAnswer,
    /// Another device of the identity declined.
    Declined,
    /// Something went wrong; the page is shown what.
    Fault(Fault),
}

impl Reason {
    /// One word, for messages and records.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::AnsweredElsewhere { .. } => "answered-elsewhere",
            Reason::HungUp => "hung-up",
            Reason::NoAnswer => "no-answer",
            Reason::Declined => "declined",
            Reason::Fault(_) => "failed",
        }
    }

    /// What the page is shown before the end.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Reason::Fault(fault) => Some(fault.clone()),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Reason::AnsweredElsewhere { by } => format!("The call was answered by {by}"),
            Reason::HungUp => "The caller has hung up".to_owned(),
            Reason::NoAnswer => "The call was not answered in time".to_owned(),
            Reason::Declined => "The call was declined on another device".to_owned(),
            Reason::Fault(fault) => fault.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(behaviour: LateAnswer, sdk: Sdk) -> String {
        farewell(behaviour, sdk, "CA", &Reason::HungUp)
            .iter()
            .map(|frame| match frame {
                ToBrowser::Hangup { fault: None, .. } => "hangup".to_owned(),
                ToBrowser::Hangup {
                    fault: Some(fault), ..
                } => format!("hangup {}", fault.code),
                ToBrowser::Cancel { .. } => "cancel".to_owned(),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn the_safe_order_wherever_a_cancel_alone_would_leave_a_microphone_open() {
        for old in [Sdk::new(1, 6, 0), Sdk::new(1, 10, 2), Sdk::UNKNOWN] {
            for (_, behaviour) in LateAnswer::ALL {
                let said = kinds(behaviour, old);
                assert!(
                    said.starts_with("hangup") && said.ends_with("cancel"),
                    "{said}"
                );
            }
        }
        let new = Sdk::new(2, 12, 4);
        assert_eq!(kinds(LateAnswer::HangupThenCancel, new), "hangup, cancel");
        assert_eq!(kinds(LateAnswer::Cancel, new), "cancel");
        assert_eq!(kinds(LateAnswer::Timeout, new), "hangup 31003, cancel");
        assert_eq!(kinds(LateAnswer::Cancelled, new), "hangup 31008, cancel");
    }
}
