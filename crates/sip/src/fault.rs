//! What can be wrong with a message; always its sender's to mend.

use thiserror::Error;

/// Why a message was not taken. Each is the sender's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes are not a SIP message at all; nothing can be answered.
    #[error("the sender sent something that is not SIP: {0}")]
    NotSip(&'static str),
    /// A message with an error that RFC 3261 does not let us overlook; 400 is answered.
    #[error("the sender sent a malformed message: {0}")]
    Malformed(&'static str),
    /// SIP, but not version 2.0; 505 is answered.
    #[error("the sender speaks another version of SIP")]
    Version,
    /// Longer than [`crate::Limits::message`]; 513 is answered.
    #[error("the sender sent a message longer than the limit")]
    TooLarge,
}
