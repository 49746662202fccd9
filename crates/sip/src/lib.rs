//! SIP and SDP: pure machines, no sockets, no clock.
