//! Via (RFC 3261 section 20.42, RFC 3581 for rport).

use super::Params;
use crate::fault::Fault;
use crate::message::uri::host_port;
use std::fmt;
use std::net::SocketAddr;

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, ... as written.
    pub transport: String,
    /// sent-by host; IPv6 in brackets.
    pub host: String,
    /// sent-by port, when written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, ...
    pub params: Params,
}

impl Via {
    /// Reads one value; space is allowed almost everywhere.
    pub fn parse(text: &str) -> Result<Via, Fault> {
        let bad = Fault::Malformed("a bad Via");
        let mut parts = text.trim().splitn(3, '/');
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(bad);
        };
        if !name.trim().eq_ignore_ascii_case("SIP") || version.trim() != "2.0" {
            return Err(bad);
        }
        let rest = rest.trim_start();
        let (transport, rest) = rest.split_once([' ', '\t']).ok_or(bad.clone())?;
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        // "host : port" may have spaces around the colon.
        let sent_by: String = sent_by.split_ascii_whitespace().collect();
        let (host, port) = via_host_port(&sent_by)?;
        Ok(Via {
            transport: transport.to_owned(),
            host,
            port,
            params: Params::parse(params)?,
        })
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// Whether the branch is unique by RFC 3261 section 8.1.1.7; the bare cookie is not
    /// (RFC 4475 3.2.1).
    pub fn unique_branch(&self) -> Option<&str> {
        self.branch().filter(|b| {
            b.len() > 7 && b.is_char_boundary(7) && b[..7].eq_ignore_ascii_case("z9hG4bK")
        })
    }

    /// Notes where the request really came from (RFC 3261 section 18.2.1, RFC 3581 section 4).
    pub fn stamp(&mut self, source: SocketAddr) {
        let differs = self
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_or(true, |ip: std::net::IpAddr| ip != source.ip());
        if self.params.has("rport") {
            self.params.set("rport", Some(source.port().to_string()));
            self.params.set("received", Some(source.ip().to_string()));
        } else if differs {
            self.params.set("received", Some(source.ip().to_string()));
        } else {
            // A value the sender wrote itself must not redirect our answer.
            self.params.remove("received");
        }
    }
}

/// As [`host_port`], but an IPv6 address without brackets, though wrong, is understood when
/// it cannot be mistaken (RFC 5118 section 4.5 shows both).
fn via_host_port(text: &str) -> Result<(String, Option<u16>), Fault> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((format!("[{text}]"), None));
    }
    host_port(text)
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}
