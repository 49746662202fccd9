//! The database; SQL appears nowhere else.
//!
//! ```text
//! handler ──► Store ──► readers ──────────────────────► SQLite (WAL)
//!               │                                          ▲
//!               └─ write ─► queue ─► thread of the writer ─┘
//!                  ◄─ answer, after the commit that holds it
//! ```
//!
//! One writer takes every waiting write into one commit, each in a savepoint of its own, so that
//! a thousand callers cost a few disk flushes and none of them suffers for another's fault. A
//! write that was answered survives the loss of the process and of power (`synchronous=FULL`).
//! Work is a closure that runs from its first statement to its last on one thread (decision 12).
//!
//! Each aggregate is one file and one handle: `store.calls()`, `store.phone_numbers()`, ...
#![forbid(unsafe_code)]

mod accounts;
mod aggregate;
mod alerts;
mod applications;
mod bindings;
mod caller_ids;
mod calls;
mod connection;
mod credential_lists;
mod error;
mod events;
mod ip_access_control_lists;
mod keys;
mod life;
mod migrations;
mod owed;
mod phone_numbers;
mod queued_calls;
mod requests;
mod rows;
mod sip_domains;
mod store;
mod telemetry;
mod trunks;
mod validations;
mod wills;
mod writer;

pub use crate::accounts::{AccountFilter, Accounts};
pub use crate::alerts::{AlertFilter, Alerts};
pub use crate::applications::{ApplicationFilter, Applications};
pub use crate::bindings::{BindingChange, Bindings};
pub use crate::caller_ids::{CallerIdFilter, CallerIds};
pub use crate::calls::{CallFilter, Calls, Change};
pub use crate::credential_lists::{CredentialLists, Credentials};
pub use crate::error::Error;
pub use crate::events::Events;
pub use crate::ip_access_control_lists::{IpAccessControlLists, IpAddresses};
pub use crate::keys::Keys;
pub use crate::owed::{IdempotencyToken, Outbox, Outstanding, Standing};
pub use crate::phone_numbers::{PhoneNumberFilter, PhoneNumbers};
pub use crate::queued_calls::{QueuedCall, QueuedCalls};
pub use crate::requests::KeyedRequest;
pub use crate::rows::Range;
pub use crate::sip_domains::{MappingKind, SipDomains};
pub use crate::store::{Location, Store};
pub use crate::telemetry::TelemetryOfCalls;
pub use crate::trunks::Trunks;
pub use crate::writer::Writer;
