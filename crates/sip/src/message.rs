//! SIP messages as values (RFC 3261 section 7).

pub mod headers;
pub mod method;
pub mod parse;
mod print;
pub mod status;
pub mod uri;

pub use headers::{HeaderName, Headers};
pub use method::Method;
pub use uri::Uri;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of whom.
    pub uri: Uri,
    /// The headers, in order.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// The phrase, possibly empty.
    pub reason: String,
    /// The headers, in order.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// Either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Request {
    /// The body as text, when it is a session description.
    pub fn sdp(&self) -> Option<String> {
        sdp_of(&self.headers, &self.body)
    }
}

impl Response {
    /// The body as text, when it is a session description.
    pub fn sdp(&self) -> Option<String> {
        sdp_of(&self.headers, &self.body)
    }
}

/// `application/sdp` bodies, also as the first SDP part of a multipart (RFC 5621).
fn sdp_of(headers: &Headers, body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let content_type = headers.value(HeaderName::ContentType)?;
    let kind = content_type.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/sdp") {
        return Some(String::from_utf8_lossy(body).into_owned());
    }
    if kind.len() > 10 && kind.is_char_boundary(10) && kind[..10].eq_ignore_ascii_case("multipart/")
    {
        let boundary = content_type.split(';').skip(1).find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("boundary")
                .then(|| value.trim().trim_matches('"').to_owned())
        })?;
        let text = String::from_utf8_lossy(body);
        let delimiter = format!("--{boundary}");
        for part in text.split(delimiter.as_str()).skip(1) {
            let part = part.trim_start_matches(['\r', '\n']);
            let (head, rest) = part
                .split_once("\r\n\r\n")
                .or_else(|| part.split_once("\n\n"))?;
            let is_sdp = head.lines().any(|line| {
                line.split_once(':').is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("content-type")
                        && value
                            .trim()
                            .to_ascii_lowercase()
                            .starts_with("application/sdp")
                })
            });
            if is_sdp {
                return Some(rest.to_owned());
            }
        }
    }
    None
}
