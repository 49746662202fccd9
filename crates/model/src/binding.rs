//! A registration as it is written down.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::now::Wall;

/// One contact of an address of record. Only those registered over UDP are written down: what was
/// registered over a connection ends with it (RFC 5626 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The address of record, `user@host`.
    pub aor: String,
    /// The contact, a SIP URI.
    pub contact: String,
    /// Where the telephone's requests came from, and calls to it go.
    pub remote: SocketAddr,
    /// When it ended as far as was known when this was written.
    pub expires: Wall,
    /// The Call-ID of the registration.
    pub call_id: String,
    /// The CSeq number of the registration.
    pub cseq: u32,
    /// Its User-Agent.
    pub user_agent: Option<String>,
}
