//! One setting's text to its value, and back. The errors say what to write instead.

use std::net::SocketAddr;
use std::path::PathBuf;

use model::ip_access_control_list::IpNetwork;
use model::late_answer::LateAnswer;
use model::notices::Notices;
use sip::digest::Algorithm;

use super::announced::Announced;
use super::{Config, LogFormat};

impl Config {
    /// Sets one setting from its text.
    pub(super) fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "data" => self.data = PathBuf::from(text),
            "http" => self.http = address(text)?,
            "https" => self.https = address_or_off(text)?,
            "sip" => self.sip = address(text)?,
            "sips" => self.sips = address_or_off(text)?,
            "sip-digest" => self.sip_digest = algorithms(text)?,
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
            "late-answer" => self.late_answer = one_of(text, LateAnswer::ALL)?,
            "notices" => self.notices = one_of(text, Notices::ALL)?,
            "webrtc-announce" => self.webrtc_announce = Announced::parse_all(text)?,
            "ice-servers" => self.ice_servers = ice_servers(text)?,
            "turn-secret-file" => self.turn_secret_file = Some(PathBuf::from(text)),
            "suspended-calls" => {
                self.end_calls_of_suspended = either(text, ("go-on", false), ("end", true))?;
            }
            "browser-home" => self.browser_home = Some(home(text)?),
            "browser-edge" => self.browser_edge = Some(home(text)?),
            "media-ports" => self.media_ports = ports(text)?,
            "public-host" => self.public_host = Some(host(text)?),
            "public-url" => self.public_url = Some(origin(text)?),
            "egress-allow" => self.egress_allow = networks(text)?,
            "calls-per-second" => {
                let cure = "write a number above 0 and not above 1000, like 1.0";
                self.calls_per_second = positive(text, 1000.0).ok_or(cure)?;
            }
            "max-calls" => self.max_calls = whole(text, 1, 1_000_000)? as usize,
            "max-call-secs" => self.max_call_secs = whole(text, 1, 86_400)?,
            "verify-caller-ids" => {
                self.verify_caller_ids = either(text, ("call", true), ("at-once", false))?;
            }
            "keep-days" => {
                let cure = "write a number of days above 0 and not above 36500, or off";
                self.keep_days = match text {
                    "off" => None,
                    text => Some(positive(text, 36_500.0).ok_or(cure)?),
                }
            }
            "log" => self.log = Some(text.to_owned()),
            "log-format" => {
                let json = ("json", LogFormat::Json);
                self.log_format = either(text, ("text", LogFormat::Text), json)?;
            }
            other => unreachable!("{other} is in the table of settings and has no parser"),
        }
        Ok(())
    }

    /// A setting's value as it is written in TOML; nothing if it is not set.
    pub(super) fn shown(&self, key: &str) -> Option<String> {
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

/// Scheme and host, nothing more.
fn origin(text: &str) -> Result<String, String> {
    let cure = "write scheme and host, like https://voice.example.org";
    let url = url::Url::parse(text).map_err(|_| cure)?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty() {
        return Err(cure.to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c == '/' || c.is_whitespace()) {
        return Err(
            "write a host name or an address without a scheme, like voice.example.org".to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn algorithms(text: &str) -> Result<Vec<Algorithm>, String> {
    let cure = "write md5, sha-256, or both, the one to be offered first at the front";
    let mut all = Vec::new();
    for word in text.split(',').map(str::trim) {
        let algorithm = Algorithm::parse(Some(word)).ok_or(cure)?;
        if all.contains(&algorithm) {
            return Err(cure.to_owned());
        }
        all.push(algorithm);
    }
    Ok(all)
}

/// The URIs of RFC 7064 and RFC 7065.
fn ice_servers(text: &str) -> Result<Vec<String>, String> {
    let known = |one: &String| {
        let place = ["stun:", "stuns:", "turn:", "turns:"];
        let place = place.iter().find_map(|scheme| one.strip_prefix(scheme));
        place.is_some_and(|place| !place.is_empty() && !place.starts_with('/'))
    };
    let all = list(text);
    if !all.iter().all(known) {
        return Err("write addresses like stun:stun.example.org:3478 or turn:turn.example.org?transport=tcp".to_owned());
    }
    Ok(all)
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let cure = "write the first and the last port, like 20000-32000; a call takes two";
    let (first, last) = text.split_once('-').ok_or(cure)?;
    let first: u16 = first.trim().parse().map_err(|_| cure)?;
    let last: u16 = last.trim().parse().map_err(|_| cure)?;
    if first < 1024 || last <= first {
        return Err(cure.to_owned());
    }
    Ok((first, last))
}

fn networks(text: &str) -> Result<Vec<String>, String> {
    let networks = list(text);
    let wrong = |one: &&String| one.parse::<IpNetwork>().is_err();
    match networks.iter().find(wrong) {
        Some(wrong) => Err(format!(
            "`{wrong}` is not a network; write something like 10.0.0.0/8"
        )),
        None => Ok(networks),
    }
}

fn list(text: &str) -> Vec<String> {
    let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
    all.map(str::to_owned).collect()
}

fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("write a whole number from {least} to {most}"))
}

fn positive(text: &str, most: f64) -> Option<f64> {
    let number = text.parse().ok();
    number.filter(|number| *number > 0.0 && *number <= most)
}

/// A value that has a word, among `all` of its kind.
fn one_of<T, const N: usize>(text: &str, all: [(&str, T); N]) -> Result<T, String> {
    let words = all.each_ref().map(|(word, _)| *word).join(", ");
    let found = all.into_iter().find(|(word, _)| *word == text);
    let (_, value) = found.ok_or_else(|| format!("write one of {words}"))?;
    Ok(value)
}

fn either<T>(text: &str, one: (&str, T), other: (&str, T)) -> Result<T, String> {
    match text {
        text if text == one.0 => Ok(one.1),
        text if text == other.0 => Ok(other.1),
        _ => Err(format!("write {} or {}", one.0, other.0)),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Mode;
    use crate::config::layers::Layers;
    use crate::config::layers::tests::{file, refused};

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
}
