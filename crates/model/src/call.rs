//! The call as it is stored and shown.

use std::{fmt, str::FromStr};

use crate::now::Wall;
use crate::sid::{AccountSid, ApplicationSid, CallSid, PhoneNumberSid, TrunkSid};

/// Where a call stands; the words of the REST `status` field.
///
/// ```text
/// queued ─► ringing ─► in-progress ─► completed
///    └──────────┴──► busy · failed · no-answer · canceled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// Accepted, waiting for its turn.
    Queued,
    /// The far end is being rung, or a caller waits for our answer.
    Ringing,
    /// Answered.
    InProgress,
    /// Ended after it was answered.
    Completed,
    /// The far end was busy, or we said so.
    Busy,
    /// Could not be connected.
    Failed,
    /// Rang, and nobody answered.
    NoAnswer,
    /// Given up by the calling side before it was answered.
    Canceled,
}

impl CallStatus {
    /// All of them, in the order of the life of a call.
    pub const ALL: [CallStatus; 8] = [
        CallStatus::Queued,
        CallStatus::Ringing,
        CallStatus::InProgress,
        CallStatus::Completed,
        CallStatus::Busy,
        CallStatus::Failed,
        CallStatus::NoAnswer,
        CallStatus::Canceled,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "in-progress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::Failed => "failed",
            CallStatus::NoAnswer => "no-answer",
            CallStatus::Canceled => "canceled",
        }
    }

    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        !matches!(
            self,
            CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress
        )
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CallStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(())
    }
}

/// Who began the call; the words of the REST `direction` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Somebody called one of our numbers, domains or applications.
    Inbound,
    /// Begun through the REST API.
    OutboundApi,
    /// Begun by a `Dial`.
    OutboundDial,
}

impl Direction {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::OutboundApi => "outbound-api",
            Direction::OutboundDial => "outbound-dial",
        }
    }
}

impl FromStr for Direction {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Direction::Inbound,
            Direction::OutboundApi,
            Direction::OutboundDial,
        ]
        .into_iter()
        .find(|direction| direction.as_str() == text)
        .ok_or(())
    }
}

/// What the database keeps of a call, and the API shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallRecord {
    /// Its identifier.
    pub sid: CallSid,
    /// Whose call it is.
    pub account: AccountSid,
    /// The call whose `Dial` made this one.
    pub parent: Option<CallSid>,
    /// Called party as dialled: E.164 number, `sip:` URI or `client:` identity.
    pub to: String,
    /// Calling party, in the same forms.
    pub from: String,
    /// The owned number involved, if any.
    pub phone_number: Option<PhoneNumberSid>,
    /// The TwiML application in charge, if any.
    pub application: Option<ApplicationSid>,
    /// The trunk it goes over, if any.
    pub trunk: Option<TrunkSid>,
    /// Where it stands.
    pub status: CallStatus,
    /// Who began it.
    pub direction: Direction,
    /// When the record was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
    /// When it was answered; before that, when it began to ring.
    pub started: Option<Wall>,
    /// When it was answered.
    pub answered: Option<Wall>,
    /// When it ended.
    pub ended: Option<Wall>,
    /// Milliseconds it waited for its turn.
    pub queue_time_ms: u64,
    /// What answered, when detection ran.
    pub answered_by: Option<String>,
    /// Number it was forwarded from.
    pub forwarded_from: Option<String>,
    /// Display name of the caller.
    pub caller_name: Option<String>,
}

impl CallRecord {
    /// A call that begins now: one that was asked for over REST waits for its turn, every other one
    /// rings. Who talks with whom is for the caller to fill in.
    pub fn new(sid: CallSid, account: AccountSid, direction: Direction, now: Wall) -> CallRecord {
        CallRecord {
            sid,
            account,
            parent: None,
            to: String::new(),
            from: String::new(),
            phone_number: None,
            application: None,
            trunk: None,
            status: match direction {
                Direction::OutboundApi => CallStatus::Queued,
                Direction::Inbound | Direction::OutboundDial => CallStatus::Ringing,
            },
            direction,
            created: now,
            updated: now,
            started: None,
            answered: None,
            ended: None,
            queue_time_ms: 0,
            answered_by: None,
            forwarded_from: None,
            caller_name: None,
        }
    }

    /// Seconds from answer to end, rounded up as upstream bills them; `None` while it lives, zero
    /// if it was never answered.
    pub fn duration_secs(&self) -> Option<u64> {
        let ended = self.ended?;
        Some(self.answered.map_or(0, |answered| {
            ((ended.0 - answered.0).max(0) as u64).div_ceil(1_000_000)
        }))
    }
}
