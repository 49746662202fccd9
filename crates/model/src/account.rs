//! Accounts, and the keys that speak for them.

use crate::now::Wall;
use crate::pii::Pii;
use crate::sid::{AccountSid, KeySid};

/// Whether an account may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AccountStatus {
    /// It may.
    #[default]
    Active,
    /// Not for now: requests are refused, calls rejected (20005, 10001).
    Suspended,
    /// Never again.
    Closed,
}

crate::words!(AccountStatus {
    Active = "active",
    Suspended = "suspended",
    Closed = "closed",
});

/// An account or a subaccount.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// Its identifier.
    pub sid: AccountSid,
    /// The account that made it; a main account owns itself.
    pub owner: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// Whether it may do anything.
    pub status: AccountStatus,
    /// The primary token: password of the API, and key of webhook signatures.
    pub auth_token: Pii<String>,
    /// The token that is valid besides, while the primary is being replaced.
    pub secondary_auth_token: Option<Pii<String>>,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

impl Account {
    /// Whether another account made it.
    pub fn is_subaccount(&self) -> bool {
        self.owner != self.sid
    }
}

/// What a key may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyClass {
    /// Everything.
    Main,
    /// Everything but accounts and keys (20003).
    #[default]
    Standard,
}

crate::words!(KeyClass {
    Main = "main",
    Standard = "standard",
});

/// An API key, also seen as a signing key: two views of one object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApiKey {
    /// Its identifier, and the user name of the API.
    pub sid: KeySid,
    /// Whose key it is.
    pub account: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// What it may touch.
    pub class: KeyClass,
    /// The secret. The API shows it once, when the key is made; it is kept, not hashed, because
    /// access tokens are signed with it (HS256) and could not be verified otherwise.
    pub secret: Pii<String>,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}
