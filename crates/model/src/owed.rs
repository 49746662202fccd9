//! A callback that is owed to a customer: written down with the change it reports (D10).

use crate::method::Method;
use crate::now::Wall;
use crate::sid::{AccountSid, CallSid};

/// A report that must reach a customer's URL, in order with the others of its `stream`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owed {
    /// Whose token signs it.
    pub account: AccountSid,
    /// The call it reports on.
    pub call: CallSid,
    /// Callbacks of one stream are delivered strictly one after another: the first call of a
    /// family, so that a parent and its children share one order.
    pub stream: CallSid,
    /// Where it goes.
    pub url: String,
    /// How its parameters travel.
    pub method: Method,
    /// Name and value, in the order in which they are sent.
    pub parameters: Vec<(String, String)>,
    /// When the reported change happened.
    pub created: Wall,
}
