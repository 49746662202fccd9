//! The port through which the API reaches browser phones: their call messages, what they were let
//! in with, and their network.

use model::method::Method;
use model::now::Wall;
use model::sid::{
    AccountSid, CallSid, KeySid, UserDefinedMessageSid, UserDefinedMessageSubscriptionSid,
};
use serde_json::Value;

use crate::live::Answering;

/// Browser phones.
pub trait Browsers: Send + Sync {
    /// Pages that were let in with this are sent offline. Returns when they are.
    fn revoke(&self, revoked: Revoked) -> Answering<'_, ()>;

    /// Sends a call message to the page that has the call, or rings for it.
    fn send(&self, message: UserDefinedMessage) -> Answering<'_, Result<Receipt, NotReached>>;

    /// Has the call messages of a page told to a customer's server for as long as the call lives.
    fn subscribe(
        &self,
        subscription: Subscription,
    ) -> Answering<'_, Result<Subscribed, NotReached>>;

    /// Ends a subscription; whether there was one.
    fn unsubscribe(
        &self,
        call: CallSid,
        sid: UserDefinedMessageSubscriptionSid,
    ) -> Answering<'_, bool>;

    /// The devices of an account that can be called.
    fn clients(&self, account: AccountSid) -> Answering<'_, Vec<Client>>;

    /// Makes the network of the page that has a call bad, or good again.
    fn impair(
        &self,
        call: CallSid,
        impairment: Impairment,
    ) -> Answering<'_, Result<(), NotReached>>;
}

/// A device that can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// By this name.
    pub identity: String,
    /// The version of its SDK.
    pub sdk: String,
    /// Its browser, as that calls itself.
    pub user_agent: String,
    /// Since when it is connected.
    pub since: Wall,
    /// Calls that it takes part in or that ring there.
    pub calls: usize,
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReached {
    /// The call is over, or not here.
    #[error("the call is not in progress")]
    NotLive,
    /// The call has no page, or one whose SDK knows no call messages (they came with 2.2).
    #[error("no page that understands this has the call")]
    NoPage,
    /// The call has as many subscriptions as it may have.
    #[error("the call has too many subscriptions already")]
    Full,
}

/// What pages may no longer come in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// A key was deleted.
    Key(KeySid),
    /// An account was suspended or closed.
    Account(AccountSid),
}

/// A message of the customer to a page.
#[derive(Debug, Clone, PartialEq)]
pub struct UserDefinedMessage {
    /// What it is called, unless it was sent before.
    pub sid: UserDefinedMessageSid,
    /// The call.
    pub call: CallSid,
    /// What is said.
    pub content: Value,
    /// By which a repetition is known.
    pub idempotency_key: Option<String>,
    /// When it was made.
    pub created: Wall,
}

/// A message that was sent, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// What it is called.
    pub sid: UserDefinedMessageSid,
    /// When it was made.
    pub created: Wall,
}

/// Where the messages of a page are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// What it is called, unless it was made before.
    pub sid: UserDefinedMessageSubscriptionSid,
    /// Whose token signs what is told.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// Where to.
    pub url: String,
    /// How.
    pub method: Method,
    /// By which a repetition is known.
    pub idempotency_key: Option<String>,
    /// When it was made.
    pub created: Wall,
}

/// A subscription that was made, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed {
    /// What it is called.
    pub sid: UserDefinedMessageSubscriptionSid,
    /// When it was made.
    pub created: Wall,
}

/// A bad network; all nought is a good one.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Percent of the sound packets that get lost.
    pub loss: f64,
    /// How much the delays of two sound packets differ in the mean, in milliseconds.
    pub jitter_ms: u64,
    /// How late everything comes, in milliseconds; both ways make a round trip.
    pub delay_ms: u64,
    /// No sound packet comes through.
    pub silence: bool,
    /// Sound packets come through with silence in them.
    pub constant: bool,
    /// Which way; the other way is good.
    pub direction: Way,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// What the page hears.
    ToBrowser,
    /// What the page says.
    FromBrowser,
    /// Both.
    #[default]
    Both,
}
