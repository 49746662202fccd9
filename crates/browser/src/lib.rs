//! Browser phones: the signalling as the vendor's SDKs speak it, versions 1.6 to 2.x, and the
//! media behind it.
//!
//! [`Signalling`] takes sockets opened and closed, text frames, verdicts about tokens, commands
//! about calls and the passing of time, and gives back frames to send and [`Event`]s to act on. It
//! never looks at a token and never reads more of a session description than who made it: the
//! driver owns sockets and the clock, the call engine the decisions, [`peers`] the sound.
#![forbid(unsafe_code)]

mod call;
mod chance;
pub mod config;
mod connection;
pub mod error;
pub mod event;
pub mod frame;
pub mod framing;
mod heartbeat;
mod hello;
mod home;
pub mod impairment;
pub mod late_answer;
mod pass;
pub mod peer;
pub mod peers;
pub mod quality;
mod reconnect;
mod registry;
pub mod sdk;
mod sdp;
pub mod signalling;
mod timers;

pub use config::{Config, Limits};
pub use connection::{Credential, Outgoing, Pass};
pub use error::Fault;
pub use event::{CheckId, DeviceId, Event, Identity, Invited, Oddity, Owner, SocketId, Transmit};
pub use frame::{FromBrowser, Message, ToBrowser};
pub use late_answer::{LateAnswer, Notices, Reason};
pub use sdk::Sdk;
pub use signalling::{Invitation, Registered, Signalling, Tables};
