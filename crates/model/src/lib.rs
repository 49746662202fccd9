//! The nouns everybody shares: identifiers, records, times, error codes. No I/O, no async.
#![forbid(unsafe_code)]

pub mod call;
pub mod method;
pub mod now;
pub mod owed;
pub mod sid;
