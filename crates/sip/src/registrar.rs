//! Who is reachable where (RFC 3261 section 10).

use crate::flow::Flow;
use crate::message::Uri;
use std::time::Instant;

/// One contact of an address of record.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The contact as the phone wrote it; the Request-URI of calls to it.
    pub contact: Uri,
    /// The path it registered over; the destination of calls to it.
    pub flow: Flow,
    /// When it ends.
    pub expires_at: Instant,
    /// The Call-ID of the registration.
    pub call_id: String,
    /// The CSeq number of the registration.
    pub cseq: u32,
    /// Its User-Agent.
    pub user_agent: Option<String>,
}
