//! SIP, SIPS and tel addresses (RFC 3261 section 19, RFC 3966).

use crate::fault::Fault;
use crate::header::Params;
use std::fmt;
use std::net::IpAddr;

/// An address. Escapes stay as they were written, so that printing gives back what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Lower case: `sip`, `sips`, `tel`, or any other.
    pub scheme: String,
    /// The part before `@`, with a password if there is one; for `tel` the number; for schemes
    /// we do not know everything after the colon.
    pub user: Option<String>,
    /// Host name or address; IPv6 in brackets; empty for `tel`.
    pub host: String,
    /// The port, when written.
    pub port: Option<u16>,
    /// The parameters after `;`.
    pub params: Params,
    /// The headers after `?`, raw.
    pub headers: Option<String>,
}

impl Uri {
    /// `sip:user@host:port`.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Uri {
        Uri {
            scheme: "sip".to_owned(),
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            params: Params::default(),
            headers: None,
        }
    }

    /// Reads an address without angle brackets.
    pub fn parse(text: &str) -> Result<Uri, Fault> {
        let bad = |why| Err(Fault::Malformed(why));
        if text
            .bytes()
            .any(|b| b <= b' ' || b == b'<' || b == b'>' || b == b'"' || b == 0x7f)
        {
            return bad("white space or brackets in a URI");
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return bad("a URI without a scheme");
        };
        if scheme.is_empty()
            || !scheme.as_bytes()[0].is_ascii_alphabetic()
            || !scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        {
            return bad("a URI with a bad scheme");
        }
        let scheme = scheme.to_ascii_lowercase();
        let mut uri = Uri {
            scheme,
            user: None,
            host: String::new(),
            port: None,
            params: Params::default(),
            headers: None,
        };
        match uri.scheme.as_str() {
            "sip" | "sips" => {}
            "tel" => {
                let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
                if number.is_empty() {
                    return bad("a tel URI without a number");
                }
                uri.user = Some(number.to_owned());
                uri.params = Params::parse(params)?;
                return Ok(uri);
            }
            _ => {
                uri.user = Some(rest.to_owned());
                return Ok(uri);
            }
        }
        // The user part may hold ; and ? of its own (RFC 4475 3.1.1.9), so look for @ first; none
        // may stand unescaped after it.
        let rest = match rest.split_once('@') {
            Some((user, rest)) => {
                if user.is_empty() {
                    return bad("a URI with an empty user");
                }
                uri.user = Some(user.to_owned());
                rest
            }
            None => rest,
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        uri.headers = headers;
        let (hostport, params) = rest.split_once(';').unwrap_or((rest, ""));
        uri.params = Params::parse(params)?;
        let (host, port) = host_port(hostport)?;
        uri.host = host;
        uri.port = port;
        Ok(uri)
    }

    /// The user part with escapes resolved and a password cut off.
    pub fn user_name(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        let user = user.split(':').next().unwrap_or(user);
        Some(unescape(user))
    }

    /// The host as an address, when it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }

    /// `user@host` in lower-case host, without port and parameters: the key of a registration
    /// (RFC 3261 section 10.3, step 5).
    pub fn aor(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        match self.user_name() {
            Some(user) if host.is_empty() => user,
            Some(user) => format!("{user}@{host}"),
            None => host,
        }
    }

    /// Whether this names the same resource (RFC 3261 section 19.1.4), as far as contacts need:
    /// scheme, user, host, port, transport.
    pub fn same(&self, other: &Uri) -> bool {
        self.scheme == other.scheme
            && self.user_name() == other.user_name()
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && match (
                self.params.value("transport"),
                other.params.value("transport"),
            ) {
                (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
                (None, None) => true,
                _ => false,
            }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        f.write_str(":")?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if !self.host.is_empty() {
                f.write_str("@")?;
            }
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)?;
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}

/// Splits `host:port`, IPv6 in brackets.
pub(crate) fn host_port(text: &str) -> Result<(String, Option<u16>), Fault> {
    let bad = Fault::Malformed("a bad host or port");
    // The grammar of RFC 3261 allows three colons before an IPv4 part, and some write them (RFC 5118
    // section 4.10): read as the two that are meant.
    let mended = text
        .starts_with('[')
        .then(|| text.replacen(":::", "::", 1))
        .filter(|mended| mended.len() != text.len());
    let text = mended.as_deref().unwrap_or(text);
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']').ok_or(bad.clone())?;
        if inside.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(bad);
        }
        (
            &text[..inside.len() + 2],
            rest.strip_prefix(':')
                .or(rest.is_empty().then_some(""))
                .ok_or(bad.clone())?,
        )
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        if host.is_empty()
            || !host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        {
            return Err(bad);
        }
        (host, port)
    };
    let port = if port.is_empty() {
        None
    } else {
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad);
        }
        Some(port.parse().map_err(|_| bad)?)
    };
    Ok((host.to_owned(), port))
}

/// Resolves `%41`; what is not an escape stays.
pub(crate) fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |i: usize| bytes.get(i).and_then(|b| (*b as char).to_digit(16));
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2))
        {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_read() {
        for text in [
            "sip:alice@example.com",
            "sips:1212@[2001:db8::1]:5061;transport=tcp;lr",
            "tel:+12025550123;phone-context=example.com",
            "sip:user;par=u%40example.net@example.com",
            "sip:example.com;maddr=239.255.255.1?subject=x",
        ] {
            assert_eq!(Uri::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn refuses_broken_ones() {
        for text in [
            "alice",
            "sip:",
            "sip:@h",
            "sip:a b@h",
            "<sip:a@h>",
            "sip:a@h:99999",
            "sip:a@[::1",
            "sip:a@[zz]",
            "1x:y",
            "sip:a@h:5x",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn aor_ignores_case_of_host_and_escapes() {
        let uri = Uri::parse("sip:%61lice:secret@EXAMPLE.com:5070;x=y").expect("valid");
        assert_eq!(uri.aor(), "alice@example.com");
    }
}
