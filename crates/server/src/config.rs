//! Settings: read once, then immutable. Libraries get small structs of their own and do not know
//! that files exist.
//!
//! A setting has one name everywhere: `media-ports` in the file, `--media-ports` as a flag,
//! `SWITCHBOARD_MEDIA_PORTS` in the environment. The flag wins over the environment, the
//! environment over the file, the file over the default. What nobody knows is an error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use model::ip_access_control_list::IpNetwork;
use model::late_answer::LateAnswer;
use model::notices::Notices;
use model::pii::Pii;
use model::trunk::{Transport, TrunkMedia};
use serde::Deserialize;
use sip::digest::Algorithm;

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

/// A trunk of the configuration file: the way to and from a carrier.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkSetting {
    /// What people call it; a name appears once.
    pub name: String,
    /// Host name or address of the carrier.
    pub host: String,
    /// Its port; without one, that of the transport.
    pub port: Option<u16>,
    /// What SIP travels on.
    #[serde(default)]
    pub transport: Transport,
    /// User name for the carrier's challenge.
    pub username: Option<String>,
    /// Password for the carrier's challenge.
    pub password: Option<Pii<String>>,
    /// Addresses from which the carrier sends us calls.
    #[serde(default)]
    pub sources: Vec<IpNetwork>,
    /// The beginnings of numbers it takes, like `+49`.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Whether it takes the numbers that no prefix claims.
    #[serde(default)]
    pub default: bool,
    /// Where its sound is taken from.
    #[serde(default)]
    pub media: TrunkMedia,
}

/// The keys of a `[[trunk]]`, for messages about unknown ones.
const TRUNK_KEYS: [&str; 10] = [
    "name",
    "host",
    "port",
    "transport",
    "username",
    "password",
    "sources",
    "prefixes",
    "default",
    "media",
];

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

    /// Puts the layers on top of each other.
    pub fn resolve(mode: Mode, layers: &Layers) -> Result<Resolved, Invalid> {
        let mut config = match mode {
            Mode::Development => Self::development(PathBuf::from(".switchboard"), Ports::USUAL),
            Mode::Production => Self::production(),
        };
        let mut origins = BTreeMap::new();
        let (from_file, trunks) = match &layers.file {
            Some((path, text)) => {
                read_file(text).map_err(|invalid| invalid.within(&path.display().to_string()))?
            }
            None => Default::default(),
        };
        config.trunks = trunks;
        for setting in &SETTINGS {
            let twin = setting.env();
            let from_env = layers.env.get(&twin).filter(|text| !text.is_empty());
            let (text, origin) = match (
                layers.flags.get(setting.key),
                from_env,
                from_file.get(setting.key),
            ) {
                (Some(text), _, _) => (text, format!("--{}", setting.key)),
                (None, Some(text), _) => (text, twin),
                (None, None, Some(text)) => {
                    let file = layers
                        .file
                        .as_ref()
                        .map(|(path, _)| path.display().to_string());
                    (text, file.unwrap_or_default())
                }
                (None, None, None) => continue,
            };
            config.set(setting.key, text).map_err(|cure| {
                Invalid(format!(
                    "{} (from {origin}): `{text}` will not do; {cure}",
                    setting.key
                ))
            })?;
            origins.insert(setting.key, origin);
        }
        config.check()?;
        Ok(Resolved { config, origins })
    }

    /// Sets one setting from its text; the error says what to write instead.
    fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "data" => self.data = PathBuf::from(text),
            "http" => self.http = address(text)?,
            "https" => self.https = address_or_off(text)?,
            "sip" => self.sip = address(text)?,
            "sips" => self.sips = address_or_off(text)?,
            "sip-digest" => {
                let cure = "write md5, sha-256, or both, the one to be offered first at the front";
                let mut all = Vec::new();
                for word in text.split(',').map(str::trim) {
                    let algorithm = Algorithm::parse(Some(word)).ok_or(cure)?;
                    if all.contains(&algorithm) {
                        return Err(cure.to_owned());
                    }
                    all.push(algorithm);
                }
                self.sip_digest = all;
            }
            "sip-requests-per-second" => {
                self.sip_requests_per_second = whole(text, 1, 1_000_000)? as u32;
            }
            "sip-requests-at-once" => {
                self.sip_requests_at_once = whole(text, 1, 1_000_000)? as u32;
            }
            "sip-ca-file" => self.sip_ca_file = Some(PathBuf::from(text)),
            "tls-certificate" => self.tls_certificate = Some(PathBuf::from(text)),
            "tls-key" => self.tls_key = Some(PathBuf::from(text)),
            "webrtc" => self.webrtc = address(text)?,
            "late-answer" => {
                let words = LateAnswer::ALL.map(|(word, _)| word).join(", ");
                let word = text.parse();
                self.late_answer = word.map_err(|()| format!("write one of {words}"))?;
            }
            "notices" => {
                let words = Notices::ALL.map(|(word, _)| word).join(", ");
                let word = text.parse();
                self.notices = word.map_err(|()| format!("write one of {words}"))?;
            }
            "webrtc-announce" => {
                let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
                self.webrtc_announce = all.map(Announced::parse).collect::<Result<_, _>>()?;
                if self.webrtc_announce.len() > ANNOUNCED {
                    return Err(format!(
                        "write at most {ANNOUNCED}: each is tried by every call"
                    ));
                }
            }
            "ice-servers" => {
                let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
                self.ice_servers = all.map(str::to_owned).collect();
                let known = |one: &String| {
                    let place = ["stun:", "stuns:", "turn:", "turns:"];
                    let place = place.iter().find_map(|scheme| one.strip_prefix(scheme));
                    place.is_some_and(|place| !place.is_empty() && !place.starts_with('/'))
                };
                if !self.ice_servers.iter().all(known) {
                    return Err("write addresses like stun:stun.example.org:3478 or turn:turn.example.org?transport=tcp".to_owned());
                }
            }
            "turn-secret-file" => self.turn_secret_file = Some(PathBuf::from(text)),
            "suspended-calls" => {
                self.end_calls_of_suspended = match text {
                    "go-on" => false,
                    "end" => true,
                    _ => return Err("write go-on or end".to_owned()),
                }
            }
            "browser-home" => self.browser_home = Some(home(text)?),
            "browser-edge" => self.browser_edge = Some(home(text)?),
            "media-ports" => {
                let cure = "write the first and the last port, like 20000-32000; a call takes two";
                let (first, last) = text.split_once('-').ok_or(cure)?;
                let (first, last): (u16, u16) = (
                    first.trim().parse().map_err(|_| cure)?,
                    last.trim().parse().map_err(|_| cure)?,
                );
                if first < 1024 || last <= first {
                    return Err(cure.to_owned());
                }
                self.media_ports = (first, last);
            }
            "public-host" => {
                if text.is_empty() || text.contains(|c: char| c == '/' || c.is_whitespace()) {
                    return Err(
                        "write a host name or an address without a scheme, like voice.example.org"
                            .to_owned(),
                    );
                }
                self.public_host = Some(text.to_owned());
            }
            "public-url" => {
                let cure = "write scheme and host, like https://voice.example.org";
                let url = url::Url::parse(text).map_err(|_| cure)?;
                let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
                if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty()
                {
                    return Err(cure.to_owned());
                }
                self.public_url = Some(text.trim_end_matches('/').to_owned());
            }
            "egress-allow" => {
                let networks: Vec<String> = text
                    .split(',')
                    .map(|one| one.trim().to_owned())
                    .filter(|one| !one.is_empty())
                    .collect();
                if let Some(wrong) = networks
                    .iter()
                    .find(|one| one.parse::<IpNetwork>().is_err())
                {
                    return Err(format!(
                        "`{wrong}` is not a network; write something like 10.0.0.0/8"
                    ));
                }
                self.egress_allow = networks;
            }
            "calls-per-second" => {
                let cure = "write a number above 0 and not above 1000, like 1.0";
                let rate: f64 = text.parse().map_err(|_| cure)?;
                if !(rate > 0.0 && rate <= 1000.0) {
                    return Err(cure.to_owned());
                }
                self.calls_per_second = rate;
            }
            "max-calls" => self.max_calls = whole(text, 1, 1_000_000)? as usize,
            "max-call-secs" => self.max_call_secs = whole(text, 1, 86_400)?,
            "verify-caller-ids" => {
                self.verify_caller_ids = match text {
                    "call" => true,
                    "at-once" => false,
                    _ => return Err("write call or at-once".to_owned()),
                }
            }
            "keep-days" => {
                let cure = "write a number of days above 0 and not above 36500, or off";
                self.keep_days = match text {
                    "off" => None,
                    text => {
                        let days: f64 = text.parse().map_err(|_| cure)?;
                        if !(days > 0.0 && days <= 36_500.0) {
                            return Err(cure.to_owned());
                        }
                        Some(days)
                    }
                }
            }
            "log" => self.log = Some(text.to_owned()),
            "log-format" => {
                self.log_format = match text {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    _ => return Err("write text or json".to_owned()),
                }
            }
            other => unreachable!("{other} is in the table of settings and has no parser"),
        }
        Ok(())
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
        let mut names: Vec<&str> = Vec::new();
        for trunk in &self.trunks {
            let name = &trunk.name;
            let wrong = |cure: &str| Err(Invalid(format!("trunk `{name}`: {cure}")));
            if name.is_empty() || names.contains(&name.as_str()) {
                return wrong("give every trunk a name of its own");
            }
            if trunk.host.is_empty() || trunk.host.contains(|c: char| c == '/' || c.is_whitespace())
            {
                return wrong("host is a host name or an address, like sip.carrier.example");
            }
            if trunk.password.is_some() && trunk.username.is_none() {
                return wrong("a password needs a username");
            }
            let plain = |prefix: &String| {
                prefix.strip_prefix('+').is_some_and(|rest| {
                    rest.len() <= 15 && rest.bytes().all(|b| b.is_ascii_digit())
                })
            };
            if let Some(prefix) = trunk.prefixes.iter().find(|prefix| !plain(prefix)) {
                return wrong(&format!(
                    "`{prefix}` is not the beginning of a number; write something like +49"
                ));
            }
            names.push(name);
        }
        if self.trunks.iter().filter(|trunk| trunk.default).count() > 1 {
            return Err(Invalid("two trunks say `default = true`; only one can take the numbers that no prefix claims".to_owned()));
        }
        Ok(())
    }

    /// A setting's value as it is written in TOML; nothing if it is not set.
    fn shown(&self, key: &str) -> Option<String> {
        let quoted = |text: String| toml::Value::String(text).to_string();
        let or_off = |address: Option<SocketAddr>| {
            address.map_or("off".to_owned(), |address| address.to_string())
        };
        Some(match key {
            "data" => quoted(self.data.display().to_string()),
            "http" => quoted(self.http.to_string()),
            "https" => quoted(or_off(self.https)),
            "sip" => quoted(self.sip.to_string()),
            "sips" => quoted(or_off(self.sips)),
            "sip-digest" => {
                let words: Vec<String> = self
                    .sip_digest
                    .iter()
                    .map(|algorithm| algorithm.word().to_ascii_lowercase())
                    .collect();
                toml::Value::from(words).to_string()
            }
            "sip-requests-per-second" => self.sip_requests_per_second.to_string(),
            "sip-requests-at-once" => self.sip_requests_at_once.to_string(),
            "sip-ca-file" => quoted(self.sip_ca_file.as_ref()?.display().to_string()),
            "tls-certificate" => quoted(self.tls_certificate.as_ref()?.display().to_string()),
            "tls-key" => quoted(self.tls_key.as_ref()?.display().to_string()),
            "webrtc" => quoted(self.webrtc.to_string()),
            "late-answer" => quoted(self.late_answer.as_str().to_owned()),
            "notices" => quoted(self.notices.as_str().to_owned()),
            "webrtc-announce" => {
                let all: Vec<String> = self.webrtc_announce.iter().map(Announced::text).collect();
                toml::Value::from(all).to_string()
            }
            "ice-servers" => toml::Value::from(self.ice_servers.clone()).to_string(),
            "turn-secret-file" => quoted(self.turn_secret_file.as_ref()?.display().to_string()),
            "suspended-calls" => quoted(
                if self.end_calls_of_suspended {
                    "end"
                } else {
                    "go-on"
                }
                .to_owned(),
            ),
            "browser-home" => quoted(self.browser_home.clone()?),
            "browser-edge" => quoted(self.browser_edge.clone()?),
            "media-ports" => quoted(format!("{}-{}", self.media_ports.0, self.media_ports.1)),
            "public-host" => quoted(self.public_host.clone()?),
            "public-url" => quoted(self.public_url.clone()?),
            "egress-allow" => toml::Value::from(self.egress_allow.clone()).to_string(),
            "calls-per-second" => format!("{:?}", self.calls_per_second),
            "max-calls" => self.max_calls.to_string(),
            "max-call-secs" => self.max_call_secs.to_string(),
            "verify-caller-ids" => quoted(
                if self.verify_caller_ids {
                    "call"
                } else {
                    "at-once"
                }
                .to_owned(),
            ),
            "keep-days" => match self.keep_days {
                Some(days) => days.to_string(),
                None => quoted("off".to_owned()),
            },
            "log" => quoted(self.log.clone().unwrap_or_else(|| "info".to_owned())),
            "log-format" => quoted(
                if self.log_format == LogFormat::Json {
                    "json"
                } else {
                    "text"
                }
                .to_owned(),
            ),
            _ => return None,
        })
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an address and a port, like 127.0.0.1:8460 or [::1]:8460".to_owned())
}

fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    let address = text
        .parse()
        .map_err(|_| "write an address and a port, like 127.0.0.1:8461, or off".to_owned())?;
    Ok(Some(address))
}

/// What stands between `eventgw.` or `voice-js.` and `.twilio.com` in an address.
fn home(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>#@".contains(&byte);
    if text.is_empty() || !text.bytes().all(legal) || !text.contains('?') {
        return Err(
            "write a host, a path and a `?` that hides what follows, like voice.example.org/insights?h="
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// Most addresses that browsers are told.
const ANNOUNCED: usize = 8;

/// Where browsers are told that their sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// A name or an address.
    pub host: String,
    /// Its port, where it is another than ours.
    pub port: Option<u16>,
}

impl Announced {
    fn parse(text: &str) -> Result<Self, String> {
        let cure =
            "write addresses or names, like 203.0.113.4, [2001:db8::4]:8462 or voice.example.org";
        let plain = |host: &str, port| Announced {
            host: host.to_owned(),
            port,
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(plain(&address.ip().to_string(), Some(address.port())));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(plain(&address.to_string(), None));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| cure)?)),
            None => (text, None),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if host.is_empty() || !host.chars().all(legal) {
            return Err(cure.to_owned());
        }
        Ok(plain(host, port))
    }

    fn text(&self) -> String {
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => format!("[{}]:{port}", self.host),
            (Some(port), false) => format!("{}:{port}", self.host),
            (None, _) => self.host.clone(),
        }
    }
}

fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("write a whole number from {least} to {most}"))
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

/// Where values come from, before they are put on top of each other.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Flags of the command line, by setting.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The configuration file: its path, and what is in it.
    pub file: Option<(PathBuf, String)>,
}

impl Layers {
    /// Variables of the environment that look like a misspelt setting, and what was meant. Not an
    /// error as in the file: container platforms put variables of their own beside ours.
    pub fn misspelt(&self) -> Vec<(String, String)> {
        let known: Vec<String> = SETTINGS.iter().map(Setting::env).collect();
        let near = |name: &String| {
            known
                .iter()
                .find(|known| (1..=2).contains(&distance(name, known)))
                .cloned()
        };
        let of_commands = [
            "SWITCHBOARD_CONFIG",
            "SWITCHBOARD_API",
            "SWITCHBOARD_ACCOUNT",
            "SWITCHBOARD_TOKEN",
        ];
        let ours = self.env.keys().filter(|name| {
            name.starts_with("SWITCHBOARD_")
                && !known.contains(name)
                && !of_commands.contains(&name.as_str())
        });
        ours.filter_map(|name| Some((name.clone(), near(name)?)))
            .collect()
    }
}

/// The settings that are in force.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Their values.
    pub config: Config,
    /// Flag, variable or file of each that is not the default.
    pub origins: BTreeMap<&'static str, String>,
}

impl Resolved {
    /// As a configuration file, each with where it comes from. Passwords are not shown.
    pub fn toml(&self) -> String {
        let mut out = String::new();
        for setting in &SETTINGS {
            let origin = self
                .origins
                .get(setting.key)
                .map_or("default", String::as_str);
            let _ = match self.config.shown(setting.key) {
                Some(value) => writeln!(out, "{} = {value}  # {origin}", setting.key),
                None => writeln!(out, "# {} is not set", setting.key),
            };
        }
        for trunk in &self.config.trunks {
            let quoted = |text: &str| toml::Value::from(text).to_string();
            let sources: Vec<String> = trunk.sources.iter().map(ToString::to_string).collect();
            let port = trunk.port.unwrap_or(trunk.transport.default_port());
            let _ = writeln!(
                out,
                "\n[[trunk]]\nname = {}\nhost = {}\nport = {port}",
                quoted(&trunk.name),
                quoted(&trunk.host)
            );
            let _ = writeln!(out, "transport = \"{}\"", trunk.transport);
            if let Some(username) = &trunk.username {
                let _ = writeln!(out, "username = {}", quoted(username));
            }
            if trunk.password.is_some() {
                let _ = writeln!(out, "# password is set and not shown");
            }
            let _ = writeln!(out, "sources = {}", toml::Value::from(sources));
            let _ = writeln!(
                out,
                "prefixes = {}",
                toml::Value::from(trunk.prefixes.clone())
            );
            let _ = writeln!(out, "default = {}", trunk.default);
            let _ = writeln!(out, "media = \"{}\"", trunk.media);
        }
        out
    }
}

/// Reads the file: settings as text by key, and the trunks.
fn read_file(text: &str) -> Result<(BTreeMap<String, String>, Vec<TrunkSetting>), Invalid> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Invalid(error.to_string().trim_end().to_owned()))?;
    let (mut settings, mut trunks) = (BTreeMap::new(), Vec::new());
    for (key, value) in table {
        if key == "trunk" {
            let toml::Value::Array(all) = value else {
                return Err(Invalid(
                    "write each trunk under a heading of its own, [[trunk]]".to_owned(),
                ));
            };
            for (at, trunk) in all.into_iter().enumerate() {
                let unknown = trunk.as_table().and_then(|table| {
                    table
                        .keys()
                        .find(|key| !TRUNK_KEYS.contains(&key.as_str()))
                        .cloned()
                });
                if let Some(unknown) = unknown {
                    return Err(Invalid(format!(
                        "[[trunk]] number {}: {}",
                        at + 1,
                        unknown_key(&unknown, TRUNK_KEYS)
                    )));
                }
                let trunk = trunk.try_into().map_err(|error| {
                    Invalid(format!(
                        "[[trunk]] number {}: {}; `switchboard config --example` shows one",
                        at + 1,
                        error.to_string().trim_end()
                    ))
                })?;
                trunks.push(trunk);
            }
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let known = SETTINGS.iter().map(|setting| setting.key).chain(["trunk"]);
            return Err(Invalid(unknown_key(&key, known)));
        };
        let text = match value {
            toml::Value::String(text) => Some(text),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Float(number) => Some(number.to_string()),
            toml::Value::Array(all) => {
                let texts: Option<Vec<&str>> = all.iter().map(toml::Value::as_str).collect();
                texts.map(|texts| texts.join(","))
            }
            _ => None,
        };
        let text = text.ok_or_else(|| {
            Invalid(format!(
                "{key}: this kind of value will not do; write it like {}",
                setting.sample
            ))
        })?;
        settings.insert(key, text);
    }
    Ok((settings, trunks))
}

fn unknown_key<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = known
        .into_iter()
        .min_by_key(|known| distance(unknown, known));
    let nearest =
        nearest.filter(|known| distance(unknown, known) <= known.len().max(unknown.len()) / 2);
    match nearest {
        Some(known) => format!("there is no setting `{unknown}`; did you mean `{known}`?"),
        None => format!(
            "there is no setting `{unknown}`; `switchboard config --example` shows all of them"
        ),
    }
}

/// How many letters must be added, removed or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (at, &theirs) in other.iter().enumerate() {
            let replaced = corner + usize::from(letter != theirs);
            corner = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

/// A setting as people see it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the file; with two dashes before it, its flag.
    pub key: &'static str,
    /// What to write, in TOML. Where there is a default, it is this.
    pub sample: &'static str,
    /// What it does, its default, and what follows from changing it. The first line stands alone.
    pub doc: &'static [&'static str],
}

impl Setting {
    /// Its name in the environment.
    pub fn env(&self) -> String {
        format!(
            "SWITCHBOARD_{}",
            self.key.to_ascii_uppercase().replace('-', "_")
        )
    }
}

/// Makes the table of settings from doc comments, so that a setting is described in one place.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:literal = $sample:literal;)*) => {
        /// All settings except trunks, in the order in which they are shown.
        pub const SETTINGS: [Setting; [$($key),*].len()] =
            [$(Setting { key: $key, sample: $sample, doc: &[$($doc),+] }),*];
    };
}

settings! {
    /// The folder where everything is kept.
    /// Default: `/var/lib/switchboard`, and `.switchboard` for `switchboard dev`. One process at a
    /// time can use a folder. Deleting it loses every account, number and call record.
    "data" = "\"/var/lib/switchboard\"";
    /// Address and port of the API over plain HTTP.
    /// Default: `127.0.0.1:8460`, this computer only. Credentials cross this port unencrypted: open
    /// it to a network only behind something that adds TLS, or use `https`.
    "http" = "\"127.0.0.1:8460\"";
    /// Address and port of the API over HTTPS, or `off`.
    /// Default: `127.0.0.1:8461`. The certificate is made on the first start and kept in `data`;
    /// clients must be told to trust it.
    "https" = "\"127.0.0.1:8461\"";
    /// Address and port of SIP over UDP and TCP.
    /// Default: `127.0.0.1:5070`. For carriers and telephones of other computers, bind an address
    /// that they can reach, usually with port 5060.
    "sip" = "\"127.0.0.1:5070\"";
    /// Address and port of SIP over TLS, or `off`.
    /// Default: `127.0.0.1:5071`.
    "sips" = "\"127.0.0.1:5071\"";
    /// The algorithms that digest challenges of SIP offer, in this order: `md5`, `sha-256`.
    /// Default: `["md5"]`, which every telephone knows. With both, telephones that take the first
    /// challenge or stop at one they do not know still get in if `md5` is first; `["sha-256"]` alone
    /// refuses the rest.
    "sip-digest" = "[\"md5\"]";
    /// SIP requests that one address may send in a second on average, to begin something.
    /// Default: `100`, and `5000` for `switchboard dev`. Trunks may send as many as they like.
    "sip-requests-per-second" = "100";
    /// How many of them one address may send at once.
    /// Default: `300`, and `10000` for `switchboard dev`. Further ones are refused, then ignored.
    "sip-requests-at-once" = "300";
    /// A file of authorities (PEM) that vouch for carriers and servers reached over TLS.
    /// Default: none; the authorities of the system are trusted, and stay so beside these. For
    /// carriers whose certificates come from an authority of their own.
    "sip-ca-file" = "\"/etc/switchboard/carriers.pem\"";
    /// The certificate chain (PEM) of HTTPS and of SIP over TLS, the server's own certificate first.
    /// Default: none; one of our own making, kept in `data` as `tls.crt`. Read at start.
    "tls-certificate" = "\"/etc/switchboard/tls.crt\"";
    /// The key (PEM) of `tls-certificate`.
    /// Default: none; `tls.key` in `data`. Only its owner should be able to read it.
    "tls-key" = "\"/etc/switchboard/tls.key\"";
    /// Address and port of the sound of all browsers, UDP and TCP.
    /// Default: `127.0.0.1:8462`. Browsers of other computers need an address that they can reach:
    /// see `webrtc-announce`.
    "webrtc" = "\"127.0.0.1:8462\"";
    /// Where browsers are told that their sound goes: addresses or names, with a port where it is not
    /// that of `webrtc`; for example `["203.0.113.4", "192.168.1.5:8462"]`, so that those in the same
    /// network take the short way.
    /// Default: `[]`; the address of `public-host`, else that of `webrtc`. Names are looked up at
    /// start.
    "webrtc-announce" = "[]";
    /// STUN and TURN servers that `Tokens` lists, for pages that ask there.
    /// Default: `[]`; a page needs none, since the sound is on an address of its own, for UDP and TCP,
    /// and a server of others would learn of its calls.
    "ice-servers" = "[]";
    /// A file with the secret that the TURN servers of `ice-servers` share with us (`use-auth-secret`
    /// of coturn); each token then carries credentials for as long as it is good.
    /// Default: none.
    "turn-secret-file" = "\"/etc/switchboard/turn\"";
    /// What becomes of the live calls of an account that is suspended or closed: `go-on` or `end`.
    /// Default: `go-on`; nothing new begins, and what has begun ends by itself. With `end` each is
    /// hung up, and reported as completed.
    "suspended-calls" = "\"go-on\"";
    /// What a browser is told that answers a call a moment after another did.
    /// Default: `hangup-then-cancel`, which ends the call in every version of the SDK: it reads
    /// `accept`, then `disconnect`. `cancel`: `accept`, then `cancel`. `error-31003`, `error-31008`:
    /// an error with that code before the end. `silence`: nothing, to see what a page does with a
    /// call without sound. An application can have its own:
    /// `POST /_switchboard/v1/applications/AP…` with `{"late_answer": "cancel"}`.
    "late-answer" = "\"hangup-then-cancel\"";
    /// How pages learn what the original does not tell: who answered in their place and which
    /// device that was, and when two parties hear each other.
    /// Default: `stream`, a frame of a type of its own (`answered-elsewhere`, `bridged`) for who
    /// listens on the SDK's `device.stream` (`device._stream` before 2.0). `message`: a call
    /// message, event `messageReceived` of the call, from 2.2. `both`, or `none`. An application can
    /// have its own: `POST /_switchboard/v1/applications/AP…` with `{"notices": "message"}`.
    "notices" = "\"stream\"";
    /// Where SDKs from 2.1 on are sent with their telemetry: `eventgw.`, this, and `.twilio.com`.
    /// Default: none; each page is sent where it came from: one with `chunderw: 'HOST:PORT'` to
    /// `https://eventgw.HOST:PORT/insights`, so that `eventgw.HOST` must be a name of this server,
    /// also in its certificate. One that came by an address sends it nowhere. Telemetry carries the
    /// page's token: it never goes to the vendor.
    "browser-home" = "\"voice.example.org/insights?h=\"";
    /// Where SDKs 2.1.0 to 2.12.1 come back to when their connection drops in mid-call, if they were
    /// told to try (`maxCallSignalingTimeoutMs`): `voice-js.`, this, and `.twilio.com`.
    /// Default: none; each page comes back where it came from, so that `voice-js.HOST` must be a
    /// name of this server. The same holds for every SDK from 2.1 on that was given an `edge`.
    "browser-edge" = "\"voice.example.org/signal?\"";
    /// First and last UDP port for sound.
    /// Default: `20000-32000`. A call leg takes two ports, so that this is also a limit on calls.
    /// The firewall must let these ports through.
    "media-ports" = "\"20000-32000\"";
    /// The host name or address that others reach us by.
    /// Default: none; the address of `sip` is announced. Behind address translation set the public
    /// one, or others answer to an address that leads nowhere.
    "public-host" = "\"voice.example.org\"";
    /// Scheme and host under which customers reach the API; the beginning of addresses in answers.
    /// Default: none; the host that a request names, with `https` where it came over TLS or
    /// `X-Forwarded-Proto` says so.
    "public-url" = "\"https://voice.example.org\"";
    /// Networks that webhooks may reach although they are not public.
    /// Default: none, and loopback for `switchboard dev`. Whoever controls a number's URL can then
    /// reach these networks from this computer.
    "egress-allow" = "[]";
    /// Calls that the REST API starts in a second, for each account.
    /// Default: `1.0`, like upstream. What comes faster waits in a queue; nothing is refused.
    "calls-per-second" = "1.0";
    /// Most calls at once, all accounts together.
    /// Default: `10000`. Further calls are refused, so that those in progress keep their quality.
    "max-calls" = "10000";
    /// How long one call may last, in seconds.
    /// Default: `14400`, four hours. A call that is still up then is ended.
    "max-call-secs" = "14400";
    /// How an account proves that a caller id is its own: `call`, or `at-once` without any proof.
    /// Default: `call`, and `at-once` for `switchboard dev`. The call goes to the number and asks for
    /// a code; it shows a number that the account owns. With `at-once` accounts can show any number
    /// to the telephone network.
    "verify-caller-ids" = "\"call\"";
    /// For how many days a call is kept after its end, with its events and notifications, or `off`.
    /// Default: `400`, some thirteen months. Older ones are deleted every day. With `off` the
    /// database grows without end.
    "keep-days" = "400";
    /// Which log lines are written: a level, or levels for parts, like `info,sip=debug`.
    /// Default: `RUST_LOG` if it is set, else `info`. Levels: error, warn, info, debug, trace.
    "log" = "\"info\"";
    /// How log lines look: `text` for people, `json` for programs, one object a line.
    /// Default: `text`. Logs go to the standard error output in both cases.
    "log-format" = "\"text\"";
}

/// How a trunk is written; in the example file as a comment.
const TRUNK_EXAMPLE: &str = "\
A trunk is the way to and from a carrier. There may be several; each has a heading of its own.
`prefixes` are the beginnings of numbers that it takes, the longest of all trunks wins; one trunk
may be the `default` for all other numbers. `sources` are the addresses from which the carrier
sends calls: calls from elsewhere are challenged. `transport` is udp, tcp or tls. Without `port`,
it is 5060, and 5061 for tls. `media` says where its sound is taken from: `symmetric`, from where
it comes, as behind address translation it must be, or `described`, only from the address that the
carrier's description names. Default: no trunk; calls to telephone numbers then fail.

[[trunk]]
name = \"carrier\"
host = \"sip.carrier.example\"
port = 5060
transport = \"udp\"
username = \"customer\"
password = \"secret\"
sources = [\"192.0.2.0/24\"]
prefixes = [\"+49\"]
default = true
media = \"symmetric\"
";

/// The commented example, which is also the reference: every setting with its doc comment.
pub fn example() -> String {
    let mut out = String::from(
        "# Settings of Switchboard. This file is written by `switchboard config --example`.\n\
         #\n\
         # Every line is a comment: as it stands, the file changes nothing. Each setting is also a flag\n\
         # (`--media-ports`) and a variable of the environment (`SWITCHBOARD_MEDIA_PORTS`; lists with\n\
         # commas). The flag wins over the environment, the environment over this file.\n",
    );
    for setting in &SETTINGS {
        out.push('\n');
        for line in setting.doc {
            let _ = writeln!(out, "#{line}");
        }
        let _ = writeln!(out, "# {} = {}", setting.key, setting.sample);
    }
    out.push('\n');
    for line in TRUNK_EXAMPLE.lines() {
        let _ = writeln!(out, "{}", format!("# {line}").trim_end());
    }
    out
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

    fn file(text: &str) -> Layers {
        Layers {
            file: Some((PathBuf::from("s.toml"), text.to_owned())),
            ..Layers::default()
        }
    }

    fn refused(mode: Mode, layers: &Layers) -> String {
        Config::resolve(mode, layers)
            .expect_err("must be refused")
            .0
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let mut layers = Layers::default();
        let calls = |layers: &Layers| {
            let resolved = Config::resolve(Mode::Production, layers).unwrap();
            (
                resolved.config.max_calls,
                resolved.origins.get("max-calls").cloned(),
            )
        };
        assert_eq!(calls(&layers), (10_000, None));
        layers.file = file("max-calls = 1").file;
        assert_eq!(calls(&layers), (1, Some("s.toml".into())));
        layers
            .env
            .insert("SWITCHBOARD_MAX_CALLS".into(), "2".into());
        assert_eq!(calls(&layers), (2, Some("SWITCHBOARD_MAX_CALLS".into())));
        layers.flags.insert("max-calls", "3".into());
        assert_eq!(calls(&layers), (3, Some("--max-calls".into())));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let mut layers = Layers::default();
        layers.env.insert("SWITCHBOARD_HTTP".into(), String::new());
        assert_eq!(
            Config::resolve(Mode::Development, &layers)
                .unwrap()
                .config
                .http
                .port(),
            8460
        );
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let message = refused(Mode::Production, &file("media_ports = \"1-2\""));
        assert_eq!(
            message,
            "s.toml: there is no setting `media_ports`; did you mean `media-ports`?"
        );
        let message = refused(Mode::Production, &file("zzzzzzzzzzzzzzz = 1"));
        assert!(
            message.contains("switchboard config --example"),
            "{message}"
        );
        let message = refused(
            Mode::Production,
            &file("[[trunk]]\nname = \"a\"\nhots = \"b\""),
        );
        assert!(message.contains("did you mean `host`?"), "{message}");
    }

    #[test]
    fn misspelt_variables_are_noticed_and_strange_ones_left_alone() {
        let mut layers = Layers::default();
        for name in [
            "SWITCHBOARD_HTPP",
            "SWITCHBOARD_SERVICE_HOST",
            "SWITCHBOARD_SIP",
            "HTTP",
        ] {
            layers.env.insert(name.into(), "x".into());
        }
        assert_eq!(
            layers.misspelt(),
            [("SWITCHBOARD_HTPP".to_owned(), "SWITCHBOARD_HTTP".to_owned())]
        );
    }

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

    #[test]
    fn every_wrong_value_is_refused_with_place_and_cure() {
        let wrong = [
            ("http", "8460"),
            ("http", "off"),
            ("https", "on"),
            ("media-ports", "20000"),
            ("sip-digest", "sha-1"),
            ("sip-digest", "md5,md5"),
            ("media-ports", "32000-20000"),
            ("public-host", "https://example.org"),
            ("egress-allow", "10.0.0.0/99"),
            ("calls-per-second", "0"),
            ("calls-per-second", "NaN"),
            ("max-calls", "-1"),
            ("max-call-secs", "86401"),
            ("log-format", "xml"),
            ("notices", "loudly"),
            ("webrtc-announce", "https://voice.example.org"),
            ("webrtc-announce", "voice.example.org:x"),
            ("webrtc-announce", "1.1.1.1,2,3,4,5,6,7,8,9"),
            ("suspended-calls", "stop"),
            ("ice-servers", "stun.example.org"),
            ("ice-servers", "stun://example.org"),
            ("browser-home", "voice.example.org"),
            ("browser-edge", "a b?"),
        ];
        for (key, text) in wrong {
            let mut layers = Layers::default();
            layers.flags.insert(key, text.into());
            let message = refused(Mode::Production, &layers);
            assert!(
                message.starts_with(&format!("{key} (from --{key}): `{text}` will not do; ")),
                "{message}"
            );
        }
        let message = refused(Mode::Production, &file("http = true"));
        assert!(
            message.contains("write it like \"127.0.0.1:8460\""),
            "{message}"
        );
        let message = refused(Mode::Production, &file("http = "));
        assert!(
            message.starts_with("s.toml: TOML parse error at line 1"),
            "{message}"
        );
    }

    #[test]
    fn trunks_are_read_checked_and_their_passwords_hidden() {
        let text = "[[trunk]]\nname = \"a\"\nhost = \"sip.a.example\"\ntransport = \"tls\"\nusername = \"u\"\npassword = \"opensesame\"\nsources = [\"192.0.2.0/24\"]\nprefixes = [\"+49\"]\ndefault = true\n";
        let resolved = Config::resolve(Mode::Production, &file(text)).unwrap();
        assert_eq!(resolved.config.trunks[0].transport, Transport::Tls);
        assert!(!format!("{resolved:?}{}", resolved.toml()).contains("opensesame"));
        let twice = |name: &str| {
            format!(
                "{text}\n{}",
                text.replace("name = \"a\"", &format!("name = \"{name}\""))
            )
        };
        assert!(refused(Mode::Production, &file(&twice("a"))).contains("a name of its own"));
        assert!(refused(Mode::Production, &file(&twice("b"))).contains("two trunks"));
        assert!(refused(Mode::Production, &file(&text.replace("+49", "49"))).contains("like +49"));
        assert!(
            refused(
                Mode::Production,
                &file(&text.replace("username = \"u\"\n", ""))
            )
            .contains("needs a username")
        );
        assert!(
            refused(Mode::Production, &file(&text.replace("\"tls\"", "\"tsl\"")))
                .contains("udp, tcp, tls")
        );
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let resolved = Config::resolve(
            Mode::Production,
            &file("log = \"debug\"\n[[trunk]]\nname = \"a\"\nhost = \"h\"\n"),
        )
        .unwrap();
        let again = Config::resolve(Mode::Production, &file(&resolved.toml())).unwrap();
        assert_eq!(again.config.log.as_deref(), Some("debug"));
        assert_eq!(again.config.trunks[0].port, Some(5060));
    }

    #[test]
    fn samples_are_the_defaults() {
        let config = Config::production();
        let unset = [
            "browser-edge",
            "browser-home",
            "public-host",
            "public-url",
            "sip-ca-file",
            "tls-certificate",
            "tls-key",
            "turn-secret-file",
        ];
        for setting in SETTINGS
            .iter()
            .filter(|setting| !unset.contains(&setting.key))
        {
            assert_eq!(
                config.shown(setting.key).as_deref(),
                Some(setting.sample),
                "{}",
                setting.key
            );
            assert!(
                setting.doc.iter().any(|line| line.contains("Default: ")),
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn the_example_file_is_current_and_valid() {
        let kept = include_str!("../../../config.example.toml");
        assert_eq!(
            kept,
            example(),
            "write it anew: switchboard config --example > config.example.toml"
        );
        // With the comment signs before settings taken away, it is a file that works.
        let live: String = kept
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains(" = ") && !line.contains('`') || *line == "[[trunk]]")
            .map(|line| format!("{line}\n"))
            .collect();
        let config = Config::resolve(Mode::Production, &file(&live))
            .unwrap()
            .config;
        assert_eq!(config.public_host.as_deref(), Some("voice.example.org"));
        assert_eq!(config.trunks.len(), 1);
    }
}
