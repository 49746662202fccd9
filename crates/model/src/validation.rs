//! A number that an account says is its own, until its owner has keyed the code in (contract 3.7).

use crate::method::Method;
use crate::now::Wall;
use crate::owed::Owed;
use crate::phone_number::PhoneNumber;
use crate::sid::{AccountSid, CallSid, PhoneNumberSid};

/// Where the call that asks for a code sends its digits and its end. Nothing can be reached there
/// (RFC 6761 section 6.4): what is sent there never leaves.
pub const URL: &str = "http://caller-id.invalid/";

/// A validation request whose call is not over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ValidationRequest {
    /// Who wants to show the number.
    pub account: AccountSid,
    /// The call that asks for the code.
    pub call: CallSid,
    /// The number.
    pub phone_number: PhoneNumber,
    /// What it will be called.
    pub friendly_name: String,
    /// Six digits, told to who asked; whoever answers the number must key them in.
    pub code: String,
    /// Where the outcome is reported.
    pub status_callback: Option<String>,
    /// How.
    pub status_callback_method: Method,
    /// When it was made.
    pub created: Wall,
}

impl ValidationRequest {
    /// What the `StatusCallback` is told: that the number is verified, under which identifier, or
    /// that it is not.
    pub fn report(&self, verified: Option<PhoneNumberSid>, now: Wall) -> Option<Owed> {
        let status = if verified.is_some() {
            "success"
        } else {
            "failed"
        };
        let mut parameters = vec![
            ("AccountSid", self.account.to_string()),
            ("CallSid", self.call.to_string()),
            ("Called", self.phone_number.to_string()),
            ("To", self.phone_number.to_string()),
            ("VerificationStatus", status.to_owned()),
        ];
        parameters.extend(verified.map(|sid| ("OutgoingCallerIdSid", sid.to_string())));
        Some(Owed {
            account: self.account,
            call: self.call,
            stream: self.call,
            url: self.status_callback.clone()?,
            method: self.status_callback_method,
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            created: now,
        })
    }
}
