//! Talking to customers' servers: signatures, forms, retries, egress, the HTTP client.
//!
//! [`client::Client`] is the only thing here that opens a socket. Everything it decides with
//! (signature, form, overrides, retry, egress, cookie, cache, digest) is plain data beside it.
#![forbid(unsafe_code)]

pub mod cache;
pub mod client;
pub mod cookie;
pub mod digest;
pub mod dispatch;
pub mod document;
pub mod egress;
pub mod exchange;
pub mod failure;
pub mod form;
pub mod http_date;
pub mod overrides;
pub mod retry;
pub mod signature;
