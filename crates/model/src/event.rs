//! An HTTP exchange about a call, shown under `Calls/{sid}/Events`.

use crate::method::Method;
use crate::now::Wall;
use crate::sid::{AccountSid, CallSid};

/// One request and what came of it: the REST call that began it all, every fetch of TwiML, every
/// callback.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// Whose call it is about.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// Where the request went.
    pub url: String,
    /// How.
    pub method: Method,
    /// Name and value, in the order in which they were sent.
    pub parameters: Vec<(String, String)>,
    /// HTTP status of the answer; nothing if none came.
    pub response_code: Option<u16>,
    /// Milliseconds from the request to the end of the answer.
    pub duration_ms: u64,
    /// Content type of the answer.
    pub content_type: Option<String>,
    /// The answer, cut to 64 kB.
    pub response_body: Option<String>,
    /// When the request was made.
    pub created: Wall,
}
