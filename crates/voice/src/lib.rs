//! The call engine: a pure machine from [`Input`]s to [`Effect`]s.
//!
//! Nothing here reads a clock, draws a random number, opens a socket or sees SQL, SDP, RTP or HTTP.
//! A leg is an id and a handful of words. Read `input.rs` and `effect.rs` first: they are the whole
//! surface.
#![forbid(unsafe_code)]

pub mod effect;
pub mod input;

pub use effect::Effect;
pub use input::Input;
