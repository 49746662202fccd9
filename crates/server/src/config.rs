//! Settings: read once, then immutable. Libraries get small structs of their own and do not know
//! that files exist.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Whether this is a developer's own computer or a public server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Loopback only, known secrets, demo numbers and virtual phones.
    #[default]
    Development,
    /// Deny by default; nothing is seeded.
    Production,
}

/// Everything the operator may set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development or production.
    pub mode: Mode,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The API over plain HTTP.
    pub http: SocketAddr,
    /// The API over HTTPS; the certificate is made on first start unless one is given.
    pub https: Option<SocketAddr>,
    /// SIP over UDP and TCP.
    pub sip: SocketAddr,
    /// SIP over TLS.
    pub sips: Option<SocketAddr>,
    /// First and last port number for sound.
    pub media_ports: (u16, u16),
    /// Where the simulated public telephone network listens; development only.
    pub phones: Option<SocketAddr>,
    /// The host name or address that others reach us by.
    pub public_host: Option<String>,
    /// Networks that webhooks may reach although they are not public.
    pub egress_allow: Vec<String>,
    /// Calls that the REST API starts in a second, for each account.
    pub calls_per_second: f64,
    /// Most calls at once, all accounts together.
    pub max_calls: usize,
    /// How long one call may last.
    pub max_call_secs: u64,
}

impl Config {
    /// Development on this computer, on the given ports or on whichever are free (`0`).
    pub fn development(data: PathBuf, ports: Ports) -> Self {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            mode: Mode::Development,
            data,
            http: local(ports.http),
            https: Some(local(ports.https)),
            sip: local(ports.sip),
            sips: Some(local(ports.sips)),
            media_ports: (20_000, 32_000),
            phones: Some(local(0)),
            public_host: None,
            egress_allow: Vec::new(),
            calls_per_second: 1.0,
            max_calls: 10_000,
            max_call_secs: 14_400,
        }
    }
}

/// The port numbers of the development mode.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// API.
    pub http: u16,
    /// API with TLS.
    pub https: u16,
    /// SIP.
    pub sip: u16,
    /// SIP with TLS.
    pub sips: u16,
}

impl Ports {
    /// What the documentation and the banner use.
    pub const USUAL: Ports = Ports { http: 8460, https: 8461, sip: 5070, sips: 5071 };
    /// Whichever are free.
    pub const AUTO: Ports = Ports { http: 0, https: 0, sip: 0, sips: 0 };
}
