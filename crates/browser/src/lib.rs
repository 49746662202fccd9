//! Browser phones: the signalling as the vendor's SDKs speak it, versions 1.6 to 2.x, and the
//! media behind it.
#![forbid(unsafe_code)]

pub mod error;
pub mod frame;
pub mod peer;
pub mod peers;
pub mod sdk;

pub use error::Fault;
pub use frame::{FromBrowser, Message, ToBrowser};
pub use sdk::Sdk;
