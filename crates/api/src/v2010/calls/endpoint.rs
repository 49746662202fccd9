//! Who is called, and who calls: what `To` and `From` may be.

use model::error_code::ErrorCode;
use model::phone_number::PhoneNumber;

use crate::error::Refusal;
use crate::form::{party, shorten};

/// Most bytes of the headers in a SIP address (21228 beyond).
const MAX_SIP_HEADERS: usize = 1024;
/// Longest client identity, as in TwiML (contract 4.3).
const MAX_IDENTITY: usize = 256;

/// A party of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// On the telephone network.
    Number(PhoneNumber),
    /// `sip:user@host[;params][?X-Header=value]`.
    Sip(String),
    /// `client:identity[?parameter=value]`.
    Client {
        /// With `client:` before it.
        identity: String,
        /// For its page, decoded.
        words: Vec<(String, String)>,
    },
    /// `sim:…`, kept as it is.
    Sim(String),
}

impl Endpoint {
    /// Reads `To`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = party(text);
        let invalid = || {
            Refusal::new(
                ErrorCode::INVALID_TO,
                format!(
                    "The phone number you are attempting to call, {}, is not valid",
                    shorten(&text)
                ),
            )
        };
        let Some((scheme, rest)) = text.split_once(':') else {
            let number = PhoneNumber::lenient(&text).map_err(|_| invalid())?;
            // North American numbers have ten digits: fewer or more reach nobody.
            if number.as_str().starts_with("+1") && number.as_str().len() != 12 {
                return Err(Refusal::new(
                    ErrorCode::NOT_A_VALID_NUMBER,
                    format!("{number} cannot be a phone number: +1 is followed by ten digits"),
                ));
            }
            return Ok(Endpoint::Number(number));
        };
        if rest.is_empty() || text.len() > 4096 || rest.chars().any(|c| c.is_control() || c == ' ')
        {
            return Err(invalid());
        }
        match scheme.to_ascii_lowercase().as_str() {
            "sip" | "sips" => sip(&text, rest, invalid),
            "client" => {
                let (identity, query) = rest.split_once('?').unwrap_or((rest, ""));
                if identity.is_empty() || identity.chars().count() > MAX_IDENTITY {
                    return Err(invalid());
                }
                Ok(Endpoint::Client {
                    identity: format!("client:{identity}"),
                    words: url::form_urlencoded::parse(query.as_bytes())
                        .into_owned()
                        .collect(),
                })
            }
            "sim" => Ok(Endpoint::Sim(text)),
            _ => Err(invalid()),
        }
    }

    /// As it is stored and shown.
    pub fn text(&self) -> &str {
        match self {
            Endpoint::Number(number) => number.as_str(),
            Endpoint::Client { identity, .. } => identity,
            Endpoint::Sip(text) | Endpoint::Sim(text) => text,
        }
    }

    /// What the page of a client is told beside the call's own parameters.
    pub fn words(&self) -> &[(String, String)] {
        match self {
            Endpoint::Client { words, .. } => words,
            _ => &[],
        }
    }
}

fn sip(text: &str, rest: &str, invalid: impl Fn() -> Refusal) -> Result<Endpoint, Refusal> {
    let (address, headers) = rest.split_once('?').unwrap_or((rest, ""));
    let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
    let host = host.split(';').next().unwrap_or_default();
    let plain = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    if !plain || address.matches('@').count() > 1 {
        return Err(invalid());
    }
    if headers.len() > MAX_SIP_HEADERS {
        return Err(Refusal::new(
            ErrorCode::SIP_HEADER_TOO_LONG,
            format!("SIP headers must not exceed {MAX_SIP_HEADERS} characters"),
        ));
    }
    for header in headers.split('&').filter(|header| !header.is_empty()) {
        let Some((name, value)) = header.split_once('=') else {
            return Err(Refusal::new(
                ErrorCode::SIP_HEADER_INVALID,
                format!("SIP header '{}' has no value", shorten(header)),
            ));
        };
        // A line break would begin a header of the caller's choosing.
        let bytes: Vec<u8> = percent_encoding::percent_decode_str(value).collect();
        if bytes.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(Refusal::new(
                ErrorCode::SIP_HEADER_INVALID,
                format!("SIP header '{}' contains a line break", shorten(name)),
            ));
        }
        let known = [
            "user-to-user",
            "remote-party-id",
            "p-asserted-identity",
            "p-preferred-identity",
            "p-called-party-id",
            "privacy",
        ];
        let lower = name.to_ascii_lowercase();
        let token = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !token || !(lower.starts_with("x-") || known.contains(&lower.as_str())) {
            return Err(Refusal::new(
                ErrorCode::SIP_HEADER_NAME,
                format!("SIP header '{}' must begin with X-", shorten(name)),
            ));
        }
    }
    Ok(Endpoint::Sip(text.to_owned()))
}

/// A party in a filter, as it would be stored.
pub fn filter(text: &str) -> String {
    Endpoint::parse(text).map_or_else(|_| party(text), |endpoint| endpoint.text().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> u32 {
        Endpoint::parse(text).expect_err("refused").code.code
    }

    #[test]
    fn parties_are_read() {
        for (text, shown) in [
            ("+14158675310", "+14158675310"),
            ("(415) 867-5310", "+14158675310"),
            (" 4930123456", "+4930123456"),
            (
                "sip:a@b.example;transport=tcp?X-A=1",
                "sip:a@b.example;transport=tcp?X-A=1",
            ),
            ("client:joey?room=7", "client:joey"),
        ] {
            assert_eq!(Endpoint::parse(text).expect(text).text(), shown);
        }
        assert_eq!(code("12"), 21211);
        assert_eq!(code("tel:+1"), 21211);
        assert_eq!(code("client:"), 21211);
        let long = format!("client:{}", "a".repeat(256));
        assert_eq!(
            Endpoint::parse(&long).expect("as long as in TwiML").text(),
            long
        );
        assert_eq!(code(&format!("{long}a")), 21211);
        assert_eq!(code("sip:a@b@c"), 21211);
        assert_eq!(code("sip:a@b?Via=1"), 21229);
        assert_eq!(code("sip:a@b?X-A"), 21227);
        assert_eq!(code("sip:a@b?X-A=%0d%0aVia:1"), 21227);
        assert_eq!(code(&format!("sip:a@b?X-A={}", "a".repeat(1024))), 21228);
    }
}
