//! What one call wants of another. Two calls meet only in `switch.rs`, which carries these.

use model::call::CallStatus;
use model::sid::CallSid;

use crate::call::{Child, Ending};
use crate::input::SipResponse;

/// A wish of one call that concerns another.
pub(crate) enum Intent {
    /// Place a call for this parent's `Dial`.
    Dial(Box<Child>),
    /// Let a parent and its child hear each other.
    Join { parent: CallSid, child: CallSid },
    /// The peer of a bridge is gone; it has been taken apart already.
    Parted { call: CallSid },
    /// End a child, in this way if it was not answered.
    End { call: CallSid, unanswered: Ending },
    /// Tell a parent about its child.
    Report {
        parent: CallSid,
        child: CallSid,
        news: News,
    },
}

/// What a parent learns of its child.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// It answered; a whisper may still run.
    Answered,
    /// It can be joined: answered, and its whisper is over.
    Ready,
    /// It was sent elsewhere by the API and is no child any more.
    Left(Outcome),
    /// It is over.
    Ended(Outcome),
}

/// How a child fared; becomes the parameters of the `Dial` action.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Its final status; completed for a child that left.
    pub status: CallStatus,
    /// Seconds from its answer.
    pub duration: u64,
    /// Final SIP status, where there was one.
    pub sip_status: Option<u16>,
    /// That final response.
    pub sip_response: Option<SipResponse>,
    /// Whether its destination was a SIP URI.
    pub sip: bool,
    /// Code of its failure.
    pub error: Option<u32>,
}
