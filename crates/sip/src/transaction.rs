//! The transactions of RFC 3261 section 17, with the Accepted states of RFC 6026.

pub(crate) mod client;
pub(crate) mod server;

pub(crate) use client::{ClientTransaction, Purpose};
pub(crate) use server::{FinishedTransaction, ServerTransaction};
