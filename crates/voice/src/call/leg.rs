//! How a call leaves its leg.

use model::call::CallStatus;

use crate::effect::Reason;
use crate::group::Winner;

/// Why a call ends: what becomes of its status, and of its leg.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// Its final status if it was never answered; an answered call is always completed.
    pub unanswered: CallStatus,
    /// Final SIP status of an outgoing call.
    pub sip_status: Option<u16>,
    /// Code and text of the failure.
    pub error: Option<(u32, String)>,
    /// With what an unanswered caller is refused; without it the leg is hung up.
    pub reject: Option<u16>,
    /// Whether anybody is told: a call canceled while it was queued is not reported (contract 6.1).
    pub silent: bool,
    /// Who was faster.
    pub winner: Option<Winner>,
}

impl Ending {
    pub fn new(unanswered: CallStatus) -> Self {
        Ending {
            unanswered,
            sip_status: None,
            error: None,
            reject: None,
            silent: false,
            winner: None,
        }
    }

    /// With the final SIP status.
    pub fn sip(self, status: u16) -> Self {
        Ending {
            sip_status: Some(status),
            ..self
        }
    }

    /// With code and text of the failure.
    pub fn error(self, code: u32, message: impl Into<String>) -> Self {
        Ending {
            error: Some((code, message.into())),
            ..self
        }
    }

    /// What is said to the far end of a leg that was answered, or not.
    pub fn reason(&self, answered: bool) -> Reason {
        if let Some(winner) = &self.winner {
            let by = winner.to.clone();
            return Reason::AnsweredElsewhere { by };
        }
        match (&self.error, self.unanswered) {
            (Some((code, message)), _) => Reason::Failed {
                code: *code,
                message: message.clone(),
            },
            _ if answered => Reason::HungUp,
            (None, CallStatus::NoAnswer) => Reason::NoAnswer,
            (None, CallStatus::Canceled) => Reason::Cancelled,
            (None, _) => Reason::HungUp,
        }
    }

    /// Refusing a caller who still waits.
    pub fn reject(self, status: u16) -> Self {
        Ending {
            reject: Some(status),
            ..self
        }
    }
}
