//! As much of a SIP message as the load needs, without copying it.

/// A message that was received.
pub struct Message<'a> {
    first: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    /// The description.
    pub body: &'a str,
}

impl<'a> Message<'a> {
    /// Of the bytes of one datagram. Servers do not fold lines nowadays (RFC 3261 section 7.3.1).
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        Some(Self {
            first,
            headers,
            body,
        })
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&'a str> {
        let (method, rest) = self.first.split_once(' ')?;
        rest.ends_with("SIP/2.0").then_some(method)
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        let rest = self.first.strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// All headers of that name, or of its short form (RFC 3261 section 20).
    pub fn headers(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        let short = match name {
            "Call-ID" => "i",
            "Contact" => "m",
            "From" => "f",
            "To" => "t",
            "Via" => "v",
            _ => name,
        };
        self.headers
            .iter()
            .filter(move |(other, _)| {
                other.eq_ignore_ascii_case(name) || other.eq_ignore_ascii_case(short)
            })
            .map(|(_, value)| *value)
    }

    /// The URI of the Contact.
    pub fn contact(&self) -> Option<&'a str> {
        let value = self.header("Contact")?;
        match value.split_once('<') {
            Some((_, rest)) => rest.split('>').next(),
            None => value.split(';').next(),
        }
    }

    /// 200 to a request within a dialog.
    pub fn ok(&self, headers: &str, body: Option<&str>) -> String {
        self.reply(200, "OK", "", headers, body)
    }

    /// A response to this request; a `tag` is put on a To that has none.
    pub fn reply(
        &self,
        status: u16,
        phrase: &str,
        tag: &str,
        headers: &str,
        body: Option<&str>,
    ) -> String {
        let mut text = format!("SIP/2.0 {status} {phrase}\r\n");
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                text.push_str(part);
            }
        };
        for name in ["Via", "Record-Route", "From", "Call-ID", "CSeq"] {
            for value in self.headers(name) {
                line(name, value);
            }
        }
        let to = self.header("To").unwrap_or_default();
        match to.contains(";tag=") || tag.is_empty() {
            true => line("To", to),
            false => line("To", &format!("{to};tag={tag}")),
        }
        text.push_str(headers);
        if body.is_some() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        let body = body.unwrap_or_default();
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_told_apart() {
        let text = b"BYE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=1\r\nVia: SIP/2.0/UDP g\r\n\
            t: <sip:x@y>\r\nContact: <sip:c@d:1>;expires=3\r\nCSeq: 2 BYE\r\n\r\n";
        let bye = Message::read(text).expect("it is whole");
        assert_eq!((bye.method(), bye.status()), (Some("BYE"), None));
        assert_eq!(bye.contact(), Some("sip:c@d:1"));
        let reply = bye.reply(200, "OK", "q", "", None);
        assert_eq!(
            reply,
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=1\r\nVia: SIP/2.0/UDP g\r\nCSeq: 2 BYE\r\n\
             To: <sip:x@y>;tag=q\r\nContent-Length: 0\r\n\r\n"
        );
        let ok = Message::read(reply.as_bytes()).expect("it is whole");
        assert_eq!((ok.method(), ok.status()), (None, Some(200)));
    }
}
