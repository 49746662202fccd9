//! `webrtc-announce`: where browsers are told that their sound goes.

use std::net::{IpAddr, SocketAddr};

/// Most addresses that browsers are told.
const MOST: usize = 8;

/// Where browsers are told that their sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// A name or an address.
    pub host: String,
    /// Its port, where it is another than ours.
    pub port: Option<u16>,
}

impl Announced {
    /// A list with commas.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        let all: Vec<Self> = all.map(Self::parse).collect::<Result<_, _>>()?;
        if all.len() > MOST {
            return Err(format!("write at most {MOST}: each is tried by every call"));
        }
        Ok(all)
    }

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

    pub(super) fn text(&self) -> String {
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => format!("[{}]:{port}", self.host),
            (Some(port), false) => format!("{}:{port}", self.host),
            (None, _) => self.host.clone(),
        }
    }
}
