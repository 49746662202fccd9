//! Settings: read once, then immutable. Libraries get small structs of their own and do not know
//! that files exist.
//!
//! A setting has one name everywhere: `media-ports` in the file, `--media-ports` as a flag,
//! `SWITCHBOARD_MEDIA_PORTS` in the environment. The flag wins over the environment, the
//! environment over the file, the file over the default. What nobody knows is an error.

mod announced;
mod layers;
mod settings;
mod trunk;
mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use model::late_answer::LateAnswer;
use model::notices::Notices;
use sip::digest::Algorithm;

pub use announced::Announced;
pub use layers::{Layers, Resolved};
pub use settings::{SETTINGS, Setting, example};
pub use trunk::TrunkSetting;

/// Whether this is a developer's own computer or a public server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Loopback only, known secrets, demo numbers and virtual phones.
    #[default]
    Development,
    /// Deny by default; nothing is seeded.
    Production,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
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
    /// SIP requests that one address may send in a second on average, trunks apart.
    pub sip_requests_per_second: u32,
    /// How many of them at once.
    pub sip_requests_at_once: u32,
    /// The algorithms that digest challenges of SIP offer, in this order.
    pub sip_digest: Vec<Algorithm>,
    /// Authorities beside those of the system that may vouch for servers we reach over TLS.
    pub sip_ca_file: Option<PathBuf>,
    /// The certificate chain of HTTPS and SIP over TLS, and its key; without them, those in `data`.
    pub tls_certificate: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// The one port, UDP and TCP, behind which all browsers' sound is.
    pub webrtc: SocketAddr,
    /// What a browser is told that answers too late, where its application does not say it.
    pub late_answer: LateAnswer,
    /// How pages learn what the original does not tell, where their application does not say it.
    pub notices: Notices,
    /// Where browsers are told that their sound goes: hosts, each with a port or that of `webrtc`.
    pub webrtc_announce: Vec<Announced>,
    /// What `Tokens` lists.
    pub ice_servers: Vec<String>,
    /// Where the secret is that the TURN servers among them share with us.
    pub turn_secret_file: Option<PathBuf>,
    /// Whether the live calls of an account end when it is suspended or closed.
    pub end_calls_of_suspended: bool,
    /// `connected.home`, where the SDKs take their telemetry; else found for each page.
    pub browser_home: Option<String>,
    /// `connected.edge`, where they come back to in mid-call; else found for each page.
    pub browser_edge: Option<String>,
    /// First and last port number for sound.
    pub media_ports: (u16, u16),
    /// Where the simulated public telephone network listens; development only.
    pub phones: Option<SocketAddr>,
    /// The host name or address that others reach us by.
    pub public_host: Option<String>,
    /// Scheme and host under which customers reach the API.
    pub public_url: Option<String>,
    /// Networks that webhooks may reach although they are not public.
    pub egress_allow: Vec<String>,
    /// Calls that the REST API starts in a second, for each account.
    pub calls_per_second: f64,
    /// Most calls at once, all accounts together.
    pub max_calls: usize,
    /// How long one call may last.
    pub max_call_secs: u64,
    /// Whether a number counts as its account's only once a call to it has asked for a code.
    pub verify_caller_ids: bool,
    /// For how many days calls are kept after their end, with all that belongs to them.
    pub keep_days: Option<f64>,
    /// Which log lines are written; `None` leaves it to `RUST_LOG`, else `info`.
    pub log: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The ways to and from carriers.
    pub trunks: Vec<TrunkSetting>,
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
            // Every test on this computer comes from one address.
            sip_requests_per_second: 5_000,
            sip_requests_at_once: 10_000,
            sip_digest: vec![Algorithm::Md5],
            sip_ca_file: None,
            tls_certificate: None,
            tls_key: None,
            webrtc: local(ports.webrtc),
            late_answer: LateAnswer::default(),
            notices: Notices::default(),
            webrtc_announce: Vec::new(),
            ice_servers: Vec::new(),
            turn_secret_file: None,
            end_calls_of_suspended: false,
            browser_home: None,
            browser_edge: None,
            media_ports: (20_000, 32_000),
            phones: Some(local(0)),
            public_host: None,
            public_url: None,
            egress_allow: Vec::new(),
            calls_per_second: 1.0,
            max_calls: 10_000,
            max_call_secs: 14_400,
            verify_caller_ids: false,
            keep_days: Some(400.0),
            log: None,
            log_format: LogFormat::Text,
            trunks: Vec::new(),
        }
    }

    /// A server, before anything is set.
    pub fn production() -> Self {
        let data = PathBuf::from("/var/lib/switchboard");
        Self {
            mode: Mode::Production,
            phones: None,
            verify_caller_ids: true,
            sip_requests_per_second: 100,
            sip_requests_at_once: 300,
            ..Self::development(data, Ports::USUAL)
        }
    }

    /// What no single setting can see.
    fn check(&self) -> Result<(), Invalid> {
        if self.mode == Mode::Development {
            let bound = [
                ("http", Some(self.http)),
                ("https", self.https),
                ("sip", Some(self.sip)),
                ("sips", self.sips),
                ("webrtc", Some(self.webrtc)),
            ];
            for (key, address) in bound {
                if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
                    return Err(Invalid(format!(
                        "{key} = {address} would let other computers in, and the development mode has secrets that everybody \
                         knows. Bind 127.0.0.1, or run `switchboard serve --config FILE`, which starts without them"
                    )));
                }
            }
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(Invalid(
                "tls-certificate and tls-key belong together: set both, or neither for a certificate of our own making"
                    .to_owned(),
            ));
        }
        trunk::check(&self.trunks)
    }
}

/// A setting that cannot be used. The text says where it is and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    fn within(self, place: &str) -> Self {
        Invalid(format!("{place}: {}", self.0))
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
    /// The sound of browsers.
    pub webrtc: u16,
}

impl Ports {
    /// What the documentation and the banner use.
    pub const USUAL: Ports = Ports {
        http: 8460,
        https: 8461,
        sip: 5070,
        sips: 5071,
        webrtc: 8462,
    };
    /// Whichever are free.
    pub const AUTO: Ports = Ports {
        http: 0,
        https: 0,
        sip: 0,
        sips: 0,
        webrtc: 0,
    };

    /// The settings that these ports stand for, as if each were a flag.
    pub fn flags(self) -> [(&'static str, String); 5] {
        let local = |port: u16| format!("127.0.0.1:{port}");
        [
            ("http", local(self.http)),
            ("https", local(self.https)),
            ("sip", local(self.sip)),
            ("sips", local(self.sips)),
            ("webrtc", local(self.webrtc)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::tests::refused;

    #[test]
    fn development_stays_on_this_computer() {
        for key in ["http", "https", "sip", "sips", "webrtc"] {
            let mut layers = Layers::default();
            layers.flags.insert(key, "0.0.0.0:9000".into());
            let message = refused(Mode::Development, &layers);
            assert!(
                message.contains("switchboard serve") && message.starts_with(key),
                "{message}"
            );
            assert!(Config::resolve(Mode::Production, &layers).is_ok());
        }
    }

    #[test]
    fn a_server_has_no_virtual_phones() {
        let config = Config::resolve(Mode::Production, &Layers::default())
            .unwrap()
            .config;
        assert_eq!((config.mode, config.phones), (Mode::Production, None));
    }
}
