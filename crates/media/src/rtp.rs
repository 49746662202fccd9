//! The Real-time Transport Protocol (RFC 3550) and what rides on it.

pub mod packet;
pub mod sequence;
pub mod srtp;
