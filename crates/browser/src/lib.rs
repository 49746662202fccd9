//! The signalling of browser phones as the vendor's SDKs speak it, versions 1.6 to 2.x.
#![forbid(unsafe_code)]

pub mod error;
pub mod frame;
pub mod sdk;

pub use error::Fault;
pub use frame::{FromBrowser, Message, ToBrowser};
pub use sdk::Sdk;
