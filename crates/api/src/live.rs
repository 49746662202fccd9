//! The port through which the API begins and changes calls that run now.
//!
//! The words mirror those of the engine; the wiring translates between the two, so that neither
//! crate depends on the other.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use model::application::ToBrowsers;
use model::call::CallRecord;
use model::method::Method;
use model::sid::{AccountSid, ApplicationSid, CallSid};
use serde::{Deserialize, Serialize};

/// A future behind a port.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Begins and changes live calls.
pub trait LiveCalls: Send + Sync {
    /// A call was accepted: its record and its queue entry are stored already. Returns when the
    /// word was taken, not when anything rings; whoever implements it must not fail, since the
    /// stored entry is found again after a restart.
    fn originate(&self, originate: Originate) -> Answering<'_, ()>;

    /// An account may call no more, or again: what waits for its turn is not placed while it may
    /// not.
    fn activate(&self, account: AccountSid, active: bool) -> Answering<'_, ()>;

    /// What the browsers of an application are told otherwise than the installation says.
    fn to_browsers(&self, application: ApplicationSid, told: ToBrowsers) -> Answering<'_, ()>;

    /// A trunk was made, changed or removed.
    fn trunks_changed(&self) -> Answering<'_, ()>;

    /// Changes a live call. Answers with the record after the change took effect.
    fn modify(
        &self,
        call: CallSid,
        change: Modify,
    ) -> Answering<'_, Result<CallRecord, NotModified>>;
}

/// Why a change had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotModified {
    /// The call is not in the state that the change needs (21220).
    #[error("the call is not in progress")]
    NotInProgress,
    /// Nothing here runs that call: it ended, or was never begun.
    #[error("no such call is live")]
    Unknown,
}

/// Where a program comes from, and where its reports go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Instructions {
    /// The document itself (`Twiml`); used only without a `url`.
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
    /// Which are wanted.
    pub status_callback_events: CallEvents,
}

/// The progress events that a customer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the words of the parameter")]
pub struct CallEvents {
    pub initiated: bool,
    pub ringing: bool,
    pub answered: bool,
    pub completed: bool,
}

/// A call that the API accepted; as JSON, the queue entry that is stored with its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Words for the page of a client, from its address.
    #[serde(default)]
    pub words: Vec<(String, String)>,
    /// How long it waits before it takes its turn.
    #[serde(default)]
    pub delay: Duration,
    /// Every parameter of the request but the password, as it came: for what is not in a field.
    pub parameters: Vec<(String, String)>,
}

/// A change of a live call.
#[derive(Debug, Clone, PartialEq)]
pub enum Modify {
    /// `Status=canceled`: ends it only while queued or ringing.
    Cancel,
    /// `Status=completed`: ends it whatever it does.
    Complete,
    /// Anything else; every part is optional.
    Change(Box<Change>),
}

/// The parts of a call that can be replaced while it lives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// A new program.
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
#[derive(Debug, Clone, PartialEq)]
pub enum Redirect {
    /// To be asked for.
    Url(String, Method),
    /// Given in full.
    Twiml(String),
}
