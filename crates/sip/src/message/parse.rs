//! Bytes to messages. Strict where RFC 4475 asks for a refusal, lenient where it allows either.

use super::{HeaderName, Headers, Message, Method, Request, Response, Uri};
use crate::fault::Fault;
use crate::header::{CSeq, NameAddr, Via};

/// Header lines beyond this are a fault.
const MOST_HEADERS: usize = 256;

/// Why a message was not taken, with what could be read of it, to be able to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The reason.
    pub fault: Fault,
    /// For requests: the method and the headers that were read.
    pub request: Option<(Method, Headers)>,
}

impl From<Fault> for Rejected {
    fn from(fault: Fault) -> Rejected {
        Rejected {
            fault,
            request: None,
        }
    }
}

/// Reads one message that fills `bytes`. Bytes after the Content-Length are ignored, as datagrams
/// require (RFC 3261 section 18.3).
pub fn parse(bytes: &[u8]) -> Result<Message, Rejected> {
    let mut at = 0;
    while bytes[at..].starts_with(b"\r\n") {
        at += 2;
    }
    let bytes = &bytes[at..];
    let mut lines = Lines { rest: bytes };
    let start = lines.next().ok_or(Fault::NotSip("empty")).map(text_of)?;
    let start = start.as_ref();
    if let Some(rest) = start.strip_prefix("SIP/") {
        let (version, rest) = rest.split_once(' ').ok_or(Fault::NotSip("status line"))?;
        if version != "2.0" {
            return Err(Fault::Version.into());
        }
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = status
            .parse()
            .ok()
            .filter(|s| (100..700).contains(s))
            .ok_or(Fault::Malformed("a bad status code"))?;
        let (headers, fault) = headers(&mut lines);
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        let body = body(&headers, lines.rest)?;
        return Ok(Message::Response(Response {
            status,
            reason: reason.to_owned(),
            headers,
            body,
        }));
    }
    let (method, rest) = start
        .split_once(' ')
        .ok_or(Fault::NotSip("no request line"))?;
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(Fault::NotSip("no method").into());
    }
    let method = Method::parse(method);
    let (uri, version) = rest
        .trim_end()
        .rsplit_once(' ')
        .ok_or(Fault::NotSip("no version"))?;
    if !version
        .get(..4)
        .is_some_and(|v| v.eq_ignore_ascii_case("SIP/"))
    {
        return Err(Fault::NotSip("no version").into());
    }
    let (headers, fault) = headers(&mut lines);
    let reject = |fault, headers| Rejected {
        fault,
        request: Some((method.clone(), headers)),
    };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(reject(Fault::Version, headers));
    }
    if let Some(fault) = fault {
        return Err(reject(fault, headers));
    }
    let uri = match Uri::parse(uri) {
        // Headers have no place in a Request-URI (RFC 4475 3.1.2.11).
        Ok(uri) if uri.headers.is_some() => {
            return Err(reject(
                Fault::Malformed("headers in the Request-URI"),
                headers,
            ));
        }
        Ok(uri) => uri,
        Err(fault) => return Err(reject(fault, headers)),
    };
    match body(&headers, lines.rest) {
        Ok(body) => Ok(Message::Request(Request {
            method,
            uri,
            headers,
            body,
        })),
        Err(fault) => Err(reject(fault, headers)),
    }
}

/// The parts of a request that routing and dialogs need, read once.
#[derive(Clone, Debug)]
pub struct Essentials {
    /// The topmost Via.
    pub via: Via,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// CSeq.
    pub cseq: CSeq,
    /// Max-Forwards, when written.
    pub max_forwards: Option<u8>,
}

/// Checks the headers that every request must have (RFC 3261 section 8.1.1), and that those that
/// may stand once do.
pub fn essentials(request: &Request) -> Result<Essentials, Fault> {
    let headers = &request.headers;
    let once = |name: HeaderName| -> Result<&str, Fault> {
        match headers.count(&name) {
            1 => Ok(headers.value(name).unwrap_or("")),
            0 => Err(Fault::Malformed("a required header is missing")),
            _ => Err(Fault::Malformed("a header stands twice")),
        }
    };
    let mut vias = headers.list(HeaderName::Via).into_iter().map(Via::parse);
    let via = vias
        .next()
        .ok_or(Fault::Malformed("a required header is missing"))??;
    for other in vias {
        other?;
    }
    let from = NameAddr::parse(once(HeaderName::From)?)?;
    let to = NameAddr::parse(once(HeaderName::To)?)?;
    let call_id = once(HeaderName::CallId)?;
    if call_id.is_empty() || call_id.contains([' ', '\t']) {
        return Err(Fault::Malformed("a bad Call-ID"));
    }
    let cseq = CSeq::parse(once(HeaderName::CSeq)?)?;
    if cseq.method != request.method {
        return Err(Fault::Malformed("CSeq names another method"));
    }
    for name in [
        HeaderName::MaxForwards,
        HeaderName::ContentLength,
        HeaderName::ContentType,
        HeaderName::Expires,
        HeaderName::Date,
    ] {
        if headers.count(&name) > 1 {
            return Err(Fault::Malformed("a header stands twice"));
        }
    }
    let max_forwards = match headers.value(HeaderName::MaxForwards) {
        None => None,
        Some(value) => Some(
            value
                .parse()
                .map_err(|_| Fault::Malformed("a bad Max-Forwards"))?,
        ),
    };
    if let Some(expires) = headers.value(HeaderName::Expires)
        && expires.parse::<u32>().is_err()
    {
        return Err(Fault::Malformed("a bad Expires"));
    }
    if headers
        .value(HeaderName::Date)
        .is_some_and(|date| !date.ends_with("GMT"))
    {
        return Err(Fault::Malformed("a Date that is not in GMT"));
    }
    for contact in headers.list(HeaderName::Contact) {
        if contact != "*" {
            let contact = NameAddr::parse(contact)?;
            if let Some(expires) = contact.params.value("expires")
                && expires.parse::<u32>().is_err()
            {
                return Err(Fault::Malformed("a bad expires parameter"));
            }
        }
    }
    Ok(Essentials {
        via,
        call_id: call_id.to_owned(),
        from,
        to,
        cseq,
        max_forwards,
    })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    /// Ends by CRLF; a bare LF is taken for one.
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match self.rest.iter().position(|b| *b == b'\n') {
            Some(at) => (&self.rest[..at], &self.rest[at + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// UTF-8; anything else is read as Latin-1, so that no byte is lost and no line with it.
fn text_of(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|b| *b as char).collect::<String>().into(),
    }
}

/// Reads header lines to the empty line. A fault does not stop the reading: the rest is needed
/// to answer.
fn headers(lines: &mut Lines<'_>) -> (Headers, Option<Fault>) {
    let mut headers = Headers::new();
    let mut fault = None;
    for line in lines {
        if line.is_empty() {
            return (headers, fault);
        }
        let line = text_of(line);
        if line.starts_with([' ', '\t']) {
            let more = line.trim();
            match headers.last_mut() {
                Some(value) => {
                    if !value.is_empty() && !more.is_empty() {
                        value.push(' ');
                    }
                    value.push_str(more);
                }
                None => fault = Some(Fault::Malformed("a continuation of nothing")),
            }
            continue;
        }
        match line.split_once(':') {
            Some((name, value))
                if !name.trim_end().is_empty() && name.trim_end().bytes().all(is_token) =>
            {
                if headers.len() == MOST_HEADERS {
                    return (headers, Some(Fault::Malformed("too many headers")));
                }
                headers.push(HeaderName::parse(name.trim_end()), value.trim());
            }
            _ => fault = Some(Fault::Malformed("a line that is not a header")),
        }
    }
    // The empty line itself is missing: whatever was cut off cannot be known.
    (
        headers,
        fault.or(Some(Fault::Malformed("no empty line after the headers"))),
    )
}

fn body(headers: &Headers, rest: &[u8]) -> Result<Vec<u8>, Fault> {
    if headers.count(&HeaderName::ContentLength) > 1 {
        return Err(Fault::Malformed("Content-Length stands twice"));
    }
    match headers.value(HeaderName::ContentLength) {
        None => Ok(rest.to_vec()),
        Some(length) => {
            let length = content_length(length)?;
            rest.get(..length)
                .map(<[u8]>::to_vec)
                .ok_or(Fault::Malformed("a body shorter than its Content-Length"))
        }
    }
}

/// Reads the number.
pub(crate) fn content_length(value: &str) -> Result<usize, Fault> {
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Malformed("a bad Content-Length"));
    }
    value
        .parse()
        .map_err(|_| Fault::Malformed("a bad Content-Length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_continuation_adds_nothing() {
        // Found by fuzzing: a line of spaces only left a space at the end of the value.
        let read = parse(b"SIP/2.0 200 OK\r\nSubject: a\r\n \t\r\n b\r\n  \r\n\r\n");
        let Ok(Message::Response(response)) = read else {
            panic!("a response: {read:?}");
        };
        assert_eq!(response.headers.value(HeaderName::Subject), Some("a b"));
    }
}
