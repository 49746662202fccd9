//! Everything that can happen to the engine.

use std::time::Duration;

use model::call::CallRecord;
use model::method::Method;
use model::sid::{AccountSid, ApplicationSid, CallSid, PhoneNumberSid, TrunkSid};

/// A leg: one attachment to the outside (a SIP dialog with its media port). Numbered by the engine
/// for legs that it dials, by the shell for legs that come in; the two count in different halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

impl LegId {
    /// Set in the ids that the engine hands out.
    pub const DIALLED: u64 = 1 << 63;
}

/// One playback on one leg; answers to playbacks that were given up are dropped by their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybackId(pub u64);

/// One request for a document; answers to abandoned requests are dropped by their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(pub u64);

/// One question of the API that waits for an answer ([`crate::Effect::Reply`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Something that happened, in the order in which the engine learned of it.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody calls one of our numbers, domains or applications.
    Incoming(Box<Incoming>),
    /// The API accepted a call; its record (status queued) is already stored.
    Originate(Box<Originate>),
    /// The API wants to change a live call; answered by [`crate::Effect::Reply`].
    Modify {
        /// Which call.
        call: CallSid,
        /// The question to answer.
        request: RequestId,
        /// What is wanted.
        change: Modify,
    },
    /// An account may call no more: what waits for its turn is not placed, nor what comes later
    /// (B10). Calls that have begun go on.
    Suspended(AccountSid),
    /// It may call again.
    Activated(AccountSid),
    /// Something happened on a leg.
    Leg(LegId, LegEvent),
    /// A document arrived, or will not.
    Fetched {
        /// The request it answers.
        fetch: FetchId,
        /// The document, or why there is none.
        result: Result<Fetched, FetchFailure>,
    },
}

/// Where a program comes from, and where its reports go.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Instructions {
    /// The document itself (REST `Twiml`); used only without a `url`.
    pub twiml: Option<String>,
    /// Where the document is asked for.
    pub url: Option<String>,
    /// How.
    pub method: Method,
    /// Asked when `url` fails.
    pub fallback_url: Option<String>,
    /// How.
    pub fallback_method: Method,
    /// Where status callbacks go.
    pub status_callback: Option<String>,
    /// How.
    pub status_callback_method: Method,
    /// Which are wanted; number- and application-level callbacks want `completed` only.
    pub status_callback_events: CallEvents,
}

/// The progress events that a customer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs, reason = "the fields are the words of the parameter")]
pub struct CallEvents {
    pub initiated: bool,
    pub ringing: bool,
    pub answered: bool,
    pub completed: bool,
}

/// A call that comes in. The shell has already found whose it is.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Identifier for the new call, drawn by the shell.
    pub call: CallSid,
    /// Its leg.
    pub leg: LegId,
    /// The account that owns the called number, domain or application.
    pub account: AccountSid,
    /// Calling party as it is to be shown.
    pub from: String,
    /// Called party as it is to be shown.
    pub to: String,
    /// Display name of the caller.
    pub caller_name: Option<String>,
    /// Number it was forwarded from (Diversion).
    pub forwarded_from: Option<String>,
    /// The owned number that was called.
    pub phone_number: Option<PhoneNumberSid>,
    /// The application in charge.
    pub application: Option<ApplicationSid>,
    /// The trunk it came over.
    pub trunk: Option<TrunkSid>,
    /// What to do.
    pub instructions: Instructions,
    /// Further parameters for every request about this call, such as `SipDomain`, `SipCallId` and
    /// `SipHeader_X-…`.
    pub parameters: Vec<(String, String)>,
}

impl Incoming {
    /// A call of which nothing else is known yet, and with which nothing is to be done.
    pub fn new(call: CallSid, leg: LegId, account: AccountSid) -> Incoming {
        Incoming {
            call,
            leg,
            account,
            from: String::new(),
            to: String::new(),
            caller_name: None,
            forwarded_from: None,
            phone_number: None,
            application: None,
            trunk: None,
            instructions: Instructions::default(),
            parameters: Vec::new(),
        }
    }
}

/// A call that the API accepted.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Originate {
    /// The stored record, status queued.
    pub record: CallRecord,
    /// What to do once it is answered, and where to report.
    pub instructions: Instructions,
    /// How long it may ring.
    pub timeout: Duration,
    /// How long it may last from its answer.
    pub time_limit: Duration,
    /// Digits to send after the answer (`w` 0.5 s, `W` 1 s), before the program runs.
    pub send_digits: Option<String>,
    /// Caller id to show instead of `from`.
    pub caller_id: Option<String>,
    /// Digest credentials for a SIP destination.
    pub sip_auth: Option<(String, String)>,
    /// Words for the page of a client.
    #[serde(default)]
    pub parameters: Vec<(String, String)>,
}

/// A change of a live call.
#[derive(Debug, Clone)]
pub enum Modify {
    /// `Status=canceled`: ends it only while queued or ringing.
    Cancel,
    /// `Status=completed`: ends it whatever it does.
    Complete,
    /// Anything else; every part is optional.
    Change(Box<Change>),
}

/// The parts of a call that can be replaced while it lives.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// A new program (`url` or `twiml`): the running verb is abandoned without its action.
    pub redirect: Option<Redirect>,
    /// New fallback; `Some(None)` clears it.
    pub fallback_url: Option<Option<String>>,
    /// How it is asked.
    pub fallback_method: Option<Method>,
    /// New status callback; `Some(None)` clears it.
    pub status_callback: Option<Option<String>>,
    /// How it is told.
    pub status_callback_method: Option<Method>,
    /// New limit, counted from the answer.
    pub time_limit: Option<Duration>,
}

/// A program to replace the running one.
#[derive(Debug, Clone)]
pub enum Redirect {
    /// To be asked for.
    Url(String, Method),
    /// Given in full.
    Twiml(String),
}

/// What the shell reports of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegEvent {
    /// The far end rings (180, 183).
    Ringing {
        /// It already sends sound of its own.
        early_media: bool,
    },
    /// A SIP server gave its final response, which is told next: what the `Dial` action shows of it
    /// (contract 5.4).
    Response(SipResponse),
    /// The far end answered, or our answer reached it.
    Answered,
    /// The far end refused, or could not be reached: the leg is gone.
    Failed {
        /// Final SIP status, e.g. 486; 408 for silence.
        sip_status: u16,
        /// Our code for the debugger, e.g. 32009 not registered, 32011 unreachable.
        code: Option<u32>,
    },
    /// The far end hung up (BYE), or gave up before the answer (CANCEL): the leg is gone.
    HungUp,
    /// The leg died of its own: session timer, media time-out, transport. The leg is gone.
    Lost {
        /// What happened, for the log.
        reason: &'static str,
    },
    /// No sound has come for a while from a far end that should send some; told once.
    Silent,
    /// A key was pressed: `0-9`, `*`, `#`, `A-D`.
    Digit(char),
    /// A playback came to its end by itself.
    PlaybackEnded(PlaybackId),
    /// A playback could not be made: audio not to be had, or of a wrong kind.
    PlaybackFailed {
        /// Which.
        playback: PlaybackId,
        /// Documented code, e.g. 11200, 13420.
        code: u32,
        /// For the debugger.
        message: String,
    },
}

/// What a customer is shown of a final SIP response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SipResponse {
    /// Its Call-ID.
    pub call_id: String,
    /// Its custom headers, `X-…`; whoever tells them bounds their number.
    pub headers: Vec<(String, String)>,
}

/// A document as it arrived.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it came from in the end, after redirects: the base of its relative URLs.
    pub url: String,
    /// What it says it is.
    pub kind: DocumentKind,
    /// Its text; empty for audio.
    pub body: String,
}

/// The media types that a document may have (contract 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// `text/xml`, `application/xml`, `text/html`.
    Twiml,
    /// `audio/*`: played, then the call ends.
    Audio,
    /// `text/plain`: TwiML if it parses, else spoken.
    Text,
    /// Anything else: error 12300.
    Unknown,
}

/// Why no document arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchFailure {
    /// Documented code of the 11xxx family.
    pub code: u32,
    /// What happened and who must act.
    pub message: String,
}
