//! The Real-time Transport Protocol (RFC 3550) and what rides on it.

pub mod jitter;
pub mod packet;
pub mod rtcp;
pub mod sequence;
pub mod srtp;
pub mod telephone_event;
