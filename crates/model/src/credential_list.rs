//! Lists of SIP user names and passwords.

use crate::now::Wall;
use crate::pii::Pii;
use crate::sid::{AccountSid, CredentialListSid, CredentialSid};

/// A list of credentials.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CredentialList {
    /// Its identifier.
    pub sid: CredentialListSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// When it was made.
    pub created: Wall,
    /// When it or a member last changed.
    pub updated: Wall,
}

/// One user name and password.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credential {
    /// Its identifier.
    pub sid: CredentialSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The list it is in.
    pub list: CredentialListSid,
    /// User name, up to 32 characters; once in a list.
    pub username: String,
    /// Password. Kept, never shown by the API: digest authentication needs it for both of its
    /// algorithms (RFC 8760), whatever the realm.
    pub password: Pii<String>,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}
