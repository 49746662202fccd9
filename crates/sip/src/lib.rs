//! SIP and SDP: pure machines, no sockets, no clock.
//!
//! [`Endpoint`] takes datagrams, stream bytes and the passing of time, and gives back messages to
//! send and [`Event`]s to act on. The driver owns sockets and the clock, the call engine owns the
//! decisions; everything RFC 3261 demands between the two happens here.
#![forbid(unsafe_code)]

mod chance;
pub mod config;
mod dialog;
pub mod digest;
pub mod endpoint;
pub mod event;
pub mod fault;
pub mod flow;
pub mod header;
pub mod invitation;
mod invite;
mod keepalive;
mod limiter;
pub mod message;
mod options;
pub mod registrar;
pub mod resolve;
pub mod response_context;
pub mod sdp;
mod timers;
mod transaction;

pub use config::{Advertised, Config, Limits};
pub use digest::{Credentials, Secret};
pub use endpoint::{Endpoint, Tables};
pub use event::{Admission, ChallengeId, DialogKey, EndReason, Event, RequestFacts};
pub use fault::Fault;
pub use flow::{ConnectionId, Flow, Transmit, Transport};
pub use header::{NameAddr, Params};
pub use invitation::{Destination, Invitation};
pub use message::{HeaderName, Headers, Message, Method, Request, Response, Uri};
pub use registrar::Binding;
pub use response_context::{BranchId, ResponseContext, Step, Target};
