//! Everything the engine can ask of the shell. Each variant has exactly one arm in
//! `server/src/effects.rs`.
//!
//! Rule 4 of the design: effects leave after the commit that justifies them. The shell commits
//! every [`Effect::Save`] before it acts on the effects behind it.

use model::call::CallRecord;
use model::event::Event;
use model::method::Method;
use model::owed::Owed;
use model::sid::{AccountSid, ApplicationSid, CallSid};
use twiml::ssml::Spoken;

use crate::input::{FetchId, LegId, PlaybackId, RequestId};

/// Something the shell must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write down a call and what is owed because of the change, in one transaction.
    Save(Box<Save>),
    /// Ask a customer's server for a document; answered by [`crate::Input::Fetched`].
    Fetch(Box<Fetch>),
    /// Act on a leg's signalling.
    Leg(LegId, LegCommand),
    /// Act on a leg's sound.
    Media(LegId, MediaCommand),
    /// Tell the customer's debugger.
    Alert(Box<Alert>),
    /// Answer a question of the API.
    Reply(RequestId, Reply),
    /// The call is over and forgotten: what the shell kept for it (cookies) can go.
    Forget(CallSid),
}

/// A change to be made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// The call as it is now.
    pub record: CallRecord,
    /// Callbacks owed because of this change, in order.
    pub owed: Vec<Owed>,
    /// The report of the call's end that is owed if the process dies before the next change; see
    /// [`crate::will`]. None when nobody wants one, or the call has ended.
    pub will: Option<Owed>,
    /// For the call's list of events: what no request told.
    pub events: Vec<Event>,
}

/// A request for a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Names the answer.
    pub fetch: FetchId,
    /// On whose behalf; keys the cookies.
    pub call: CallSid,
    /// Whose token signs it.
    pub account: AccountSid,
    /// Absolute.
    pub url: String,
    /// How the parameters travel.
    pub method: Method,
    /// Name and value, in order.
    pub parameters: Vec<(String, String)>,
}

/// What a leg's signalling is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegCommand {
    /// Place a call on this new leg; answered by `LegEvent`s.
    Invite(Box<Invite>),
    /// Tell the caller that it rings. Idempotent.
    Ring {
        /// Whether he is to hear already what is played before the answer (183 with a description
        /// instead of 180), if his end can.
        early_media: bool,
    },
    /// Take the call (200). Idempotent; answered by `LegEvent::Answered`.
    Answer,
    /// Refuse the call with this final SIP status.
    Reject(u16),
    /// End it, whatever its state: CANCEL, BYE or a final response. The leg is gone for the engine.
    HangUp(Reason),
}

/// Why a leg is ended; told to whom is at its other end (RFC 3326, `voice-client.md` 4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The other party hung up, or the program is over.
    HungUp,
    /// It rang too long.
    NoAnswer,
    /// Nobody wants the call any more: the caller gave up, or the API canceled it.
    Cancelled,
    /// Another of the group that rang was faster.
    AnsweredElsewhere {
        /// The winner, as it was called: a number, an address, `client:` and an identity.
        by: String,
    },
    /// Something went wrong.
    Failed {
        /// Documented code.
        code: u32,
        /// For people.
        message: String,
    },
}

impl Reason {
    /// One word, for reports and records.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::HungUp => "hung-up",
            Reason::NoAnswer => "no-answer",
            Reason::Cancelled => "canceled",
            Reason::AnsweredElsewhere { .. } => "answered-elsewhere",
            Reason::Failed { .. } => "failed",
        }
    }
}

/// A call to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The call it belongs to.
    pub call: CallSid,
    /// Its account: decides trunks and registrations.
    pub account: AccountSid,
    /// E.164 number, `sip:` URI (with its parameters and headers as written) or `client:` identity.
    pub to: String,
    /// What the called party sees.
    pub from: String,
    /// Digest credentials for a SIP destination.
    pub sip_auth: Option<(String, String)>,
    /// `Parameter`s of a `Client`, for its page.
    pub parameters: Vec<(String, String)>,
    /// What is known of the caller's right to the number that is shown, as in `StirVerstat`.
    pub verified: Option<String>,
    /// Everybody who rings together, this party included; told to those who lose.
    pub group: Vec<String>,
    /// The application in whose name it is called: its settings hold.
    pub application: Option<ApplicationSid>,
}

/// What a leg's sound is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    /// Play; the end is reported with the playback's id, unless it is stopped.
    Play {
        /// Names the report.
        playback: PlaybackId,
        /// What.
        sound: Sound,
        /// How often; 0 is until stopped.
        loops: u32,
    },
    /// Stop a playback; nothing is reported.
    Stop(PlaybackId),
    /// Let the two legs hear each other.
    Bridge(LegId),
    /// Undo a bridge.
    Unbridge(LegId),
    /// Let the leg hear itself.
    Echo,
    /// Undo an echo.
    EndEcho,
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// Speech.
    Say {
        /// Words and silence, other markup removed.
        text: Vec<Spoken>,
        /// Voice as written, e.g. `alice`, `Polly.Joanna`.
        voice: Option<String>,
        /// Language as written, e.g. `ja-JP`.
        language: Option<String>,
    },
    /// Audio behind an absolute URL.
    Url {
        /// Whose token signs the request.
        account: AccountSid,
        /// On whose behalf.
        call: CallSid,
        /// Where.
        url: String,
    },
    /// Keys, as RFC 4733 events or tones; `w` 0.5 s, `W` 1 s.
    Digits(String),
    /// Ringing tone by country, e.g. `us`, `uk`, `jp`.
    Ringback(String),
}

/// A line for the customer's debugger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Whose debugger.
    pub account: AccountSid,
    /// About which call.
    pub call: CallSid,
    /// Documented code.
    pub code: u32,
    /// Error or warning.
    pub error: bool,
    /// What happened and how to mend it.
    pub message: String,
    /// The request concerned.
    pub url: Option<String>,
    /// Its method.
    pub method: Option<Method>,
}

/// The answer to [`crate::Input::Modify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done; the call as it is now.
    Done(Box<CallRecord>),
    /// The call is over or not ours: 20404 or 21220 is for the API to say, from the stored record.
    Unknown,
    /// It is not in a state in which that can be done (21220).
    NotInProgress(Box<CallRecord>),
}
