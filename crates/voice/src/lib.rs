//! The call engine: a pure machine from [`Input`]s to [`Effect`]s.
//!
//! Nothing here reads a clock, draws a random number, opens a socket or sees SQL, SDP, RTP or HTTP.
//! A leg is an id and a handful of words. Read `input.rs` and `effect.rs` first: they are the whole
//! surface. Then `switch.rs`, `call.rs` and the verbs.
#![forbid(unsafe_code)]

mod bridge;
mod call;
mod callback;
mod chance;
mod cx;
mod deadline;
pub mod effect;
mod group;
pub mod input;
mod intent;
mod outbound;
mod policy;
mod program;
mod request;
mod switch;
mod verbs;
pub mod will;

pub use deadline::Deadline;
pub use effect::Effect;
pub use input::Input;
pub use policy::Policy;
pub use switch::{Switch, View};
