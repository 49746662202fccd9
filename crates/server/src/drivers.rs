//! I/O in: one loop for each kind of socket or source.

pub mod callbacks;
pub mod datagrams;
pub mod http;
pub mod ice_tcp;
pub mod port_pool;
pub mod rtp;
pub mod sip;
pub mod switch;
pub mod webrtc;
pub mod websocket;
