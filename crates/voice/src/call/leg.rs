//! How a call leaves its leg.

use model::call::CallStatus;

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
}

impl Ending {
    pub fn new(unanswered: CallStatus) -> Self {
        Ending {
            unanswered,
            sip_status: None,
            error: None,
            reject: None,
            silent: false,
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

    /// Refusing a caller who still waits.
    pub fn reject(self, status: u16) -> Self {
        Ending {
            reject: Some(status),
            ..self
        }
    }
}
