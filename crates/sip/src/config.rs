//! What the operator may set.

use crate::digest::Algorithm;
use crate::flow::Transport;
use std::net::SocketAddr;
use std::time::Duration;

/// Settings of an [`crate::Endpoint`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Text of the `User-Agent` and `Server` headers.
    pub user_agent: String,
    /// Host names and addresses that mean us in a Request-URI; empty: every name does.
    pub domains: Vec<String>,
    /// The realm of our digest challenges.
    pub realm: String,
    /// The digest algorithms that a challenge of ours offers, one header each, in this order. RFC
    /// 8760 section 2.4 wants the strongest first; but phones in the field take the first header
    /// (sipp) or give up at one that they do not know (baresip 1.0), so MD5 comes first.
    pub algorithms: Vec<Algorithm>,
    /// The names others reach us by, one for each transport.
    pub advertised: Advertised,
    /// Bounds on every table.
    pub limits: Limits,
    /// Wanted session interval (RFC 4028); zero: no session timers.
    pub session_expires: Duration,
    /// Shortest session interval accepted (RFC 4028: at least 90 s).
    pub min_se: Duration,
    /// Whether 1xx answers with a description are sent reliably to peers that merely support it;
    /// to peers that require it they always are (RFC 3262).
    pub reliable_provisional: bool,
    /// Shortest registration accepted, below which 423 is answered.
    pub min_expires: Duration,
    /// Registration time when the phone names none.
    pub default_expires: Duration,
    /// Longest registration granted.
    pub max_expires: Duration,
    /// How long a nonce of ours may be used.
    pub nonce_lifetime: Duration,
    /// RFC 3261 T1: the estimated round trip.
    pub t1: Duration,
    /// RFC 3261 T2: the longest retransmission interval.
    pub t2: Duration,
    /// RFC 3261 T4: how long a message may linger in the network.
    pub t4: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            user_agent: "Switchboard".to_owned(),
            domains: Vec::new(),
            realm: "switchboard".to_owned(),
            algorithms: vec![Algorithm::Md5, Algorithm::Sha256],
            advertised: Advertised::default(),
            limits: Limits::default(),
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            reliable_provisional: false,
            min_expires: Duration::from_secs(60),
            default_expires: Duration::from_secs(600),
            max_expires: Duration::from_secs(3600),
            nonce_lifetime: Duration::from_secs(300),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// The `host` or `host:port` put into Via and Contact; `None`: the local address of the flow.
#[derive(Clone, Debug, Default)]
pub struct Advertised {
    /// For UDP.
    pub udp: Option<String>,
    /// For TCP.
    pub tcp: Option<String>,
    /// For TLS.
    pub tls: Option<String>,
}

impl Advertised {
    /// What to write for a message that leaves from `local` over `transport`.
    pub fn name(&self, transport: Transport, local: SocketAddr) -> String {
        let named = match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
        };
        named.clone().unwrap_or_else(|| local.to_string())
    }
}

/// Bounds on what strangers can make us keep.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls, ringing or up, in either direction; beyond: 503 with Retry-After.
    pub calls: usize,
    /// Transactions, server and client each, not counting requests of others that were answered for
    /// good; beyond: stateless 503 with Retry-After.
    pub transactions: usize,
    /// What requests of others that were answered for good may take up, about, in bytes: each is kept
    /// for 32 s over UDP (RFC 3261 timers H and J, RFC 6026 timer L), a call of one INVITE and one BYE
    /// with some 2 kB. Beyond: stateless 503 with Retry-After.
    pub finished_bytes: usize,
    /// Addresses of record with a binding; beyond: 503.
    pub registrations: usize,
    /// Contacts of one address of record; beyond: 403.
    pub contacts: usize,
    /// Stream connections; beyond, their bytes are ignored.
    pub connections: usize,
    /// Largest message taken, in bytes; beyond: 513 on datagrams, end of the connection on streams.
    pub message: usize,
    /// Requests outside a dialog that one address may send in a second, on average.
    pub requests_per_second: u32,
    /// How many it may send at once.
    pub burst: u32,
    /// Source addresses remembered for the two above.
    pub sources: usize,
    /// Nonces remembered for their counters.
    pub nonces: usize,
    /// The Retry-After of a 503, in seconds.
    pub retry_after: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            calls: 10_000,
            transactions: 100_000,
            // For about 4,000 calls a second.
            finished_bytes: 256 << 20,
            registrations: 100_000,
            contacts: 10,
            connections: 20_000,
            message: 65_535,
            requests_per_second: 100,
            burst: 300,
            sources: 50_000,
            nonces: 100_000,
            retry_after: 5,
        }
    }
}
