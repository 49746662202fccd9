//! Streams: where one message ends and the next begins, and the pings between (RFC 5626).

use crate::fault::Fault;
use crate::message::HeaderName;
use crate::message::parse::content_length;

/// What the front of a stream's buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Wait for more.
    Partial,
    /// A double CRLF, to be answered by a single one.
    Ping,
    /// A message of this many bytes.
    Message(usize),
    /// Framing is lost for good.
    Lost(Fault),
}

/// Looks at the front. `skip` single line ends are to be dropped first.
pub(crate) fn frame(buffer: &[u8], most: usize) -> (usize, Frame) {
    if buffer.starts_with(b"\r\n\r\n") {
        return (4, Frame::Ping);
    }
    if buffer == b"\r\n" || buffer == b"\r\n\r" || buffer == b"\r" || buffer.is_empty() {
        return (0, Frame::Partial);
    }
    let mut skip = 0;
    while buffer[skip..].starts_with(b"\r\n") {
        skip += 2;
    }
    let bytes = &buffer[skip..];
    let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if bytes.len() > most {
            (skip, Frame::Lost(Fault::TooLarge))
        } else {
            (skip, Frame::Partial)
        };
    };
    let mut length = None;
    for line in bytes[..head].split(|b| *b == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (Ok(name), Ok(value)) = (
            std::str::from_utf8(&line[..colon]),
            std::str::from_utf8(&line[colon + 1..]),
        ) else {
            continue;
        };
        if HeaderName::parse(name.trim_end()) == HeaderName::ContentLength {
            match content_length(value) {
                // Two different lengths would let one side hide a message from the other.
                Ok(n) if length.is_none_or(|l| l == n) => length = Some(n),
                Ok(_) => {
                    return (
                        skip,
                        Frame::Lost(Fault::Malformed("two Content-Length headers")),
                    );
                }
                Err(fault) => return (skip, Frame::Lost(fault)),
            }
        }
    }
    let total = (head + 4).saturating_add(length.unwrap_or(0));
    if total > most {
        (skip, Frame::Lost(Fault::TooLarge))
    } else if total > bytes.len() {
        (skip, Frame::Partial)
    } else {
        (skip, Frame::Message(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let message = b"OPTIONS sip:x SIP/2.0\r\nl : 3\r\n\r\nabc";
        assert_eq!(frame(message, 999), (0, Frame::Message(message.len())));
        assert_eq!(frame(&message[..20], 999), (0, Frame::Partial));
        assert_eq!(
            frame(&message[..message.len() - 1], 999),
            (0, Frame::Partial)
        );
        assert_eq!(frame(b"\r\n\r\nO", 999), (4, Frame::Ping));
        assert_eq!(frame(b"\r\n", 999), (0, Frame::Partial));
        assert!(matches!(frame(message, 10), (0, Frame::Lost(_))));
        let bad = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -3\r\n\r\n";
        assert!(matches!(frame(bad, 999), (0, Frame::Lost(_))));
    }
}
