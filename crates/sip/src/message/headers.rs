//! Header fields: names known by heart, values as they came, unfolded.

use std::fmt;

macro_rules! header_names {
    ($($variant:ident $canonical:literal $lower:literal $(| $compact:literal)?),* $(,)?) => {
        /// The name of a header field. Names compare without case; known ones are one word.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // each is the RFC's own word
        pub enum HeaderName {
            $($variant,)*
            /// A name not in the table, as it was written.
            Other(String),
        }

        impl HeaderName {
            /// Reads a name in its long or compact form (RFC 3261 section 7.3.3).
            pub fn parse(name: &str) -> HeaderName {
                let mut lower = [0u8; 24];
                if let Some(lower) = lower.get_mut(..name.len()) {
                    lower.copy_from_slice(name.as_bytes());
                    lower.make_ascii_lowercase();
                    match std::str::from_utf8(lower).unwrap_or("") {
                        $($lower $(| $compact)? => return HeaderName::$variant,)*
                        _ => {}
                    }
                }
                HeaderName::Other(name.to_owned())
            }

            /// The long form.
            pub fn word(&self) -> &str {
                match self {
                    $(HeaderName::$variant => $canonical,)*
                    HeaderName::Other(name) => name,
                }
            }
        }
    };
}

header_names! {
    Via "Via" "via" | "v",
    From "From" "from" | "f",
    To "To" "to" | "t",
    CallId "Call-ID" "call-id" | "i",
    CSeq "CSeq" "cseq",
    Contact "Contact" "contact" | "m",
    MaxForwards "Max-Forwards" "max-forwards",
    Route "Route" "route",
    RecordRoute "Record-Route" "record-route",
    ContentType "Content-Type" "content-type" | "c",
    ContentLength "Content-Length" "content-length" | "l",
    ContentEncoding "Content-Encoding" "content-encoding" | "e",
    ContentDisposition "Content-Disposition" "content-disposition",
    Allow "Allow" "allow",
    Supported "Supported" "supported" | "k",
    Require "Require" "require",
    ProxyRequire "Proxy-Require" "proxy-require",
    Unsupported "Unsupported" "unsupported",
    Accept "Accept" "accept",
    Expires "Expires" "expires",
    MinExpires "Min-Expires" "min-expires",
    SessionExpires "Session-Expires" "session-expires" | "x",
    MinSe "Min-SE" "min-se",
    RSeq "RSeq" "rseq",
    RAck "RAck" "rack",
    Authorization "Authorization" "authorization",
    ProxyAuthorization "Proxy-Authorization" "proxy-authorization",
    WwwAuthenticate "WWW-Authenticate" "www-authenticate",
    ProxyAuthenticate "Proxy-Authenticate" "proxy-authenticate",
    UserAgent "User-Agent" "user-agent",
    Server "Server" "server",
    Subject "Subject" "subject" | "s",
    Reason "Reason" "reason",
    RetryAfter "Retry-After" "retry-after",
    ReferTo "Refer-To" "refer-to" | "r",
    ReferredBy "Referred-By" "referred-by" | "b",
    Replaces "Replaces" "replaces",
    Event "Event" "event" | "o",
    SubscriptionState "Subscription-State" "subscription-state",
    Path "Path" "path",
    Date "Date" "date",
    Warning "Warning" "warning",
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The header fields of a message, in order; each line of the wire is one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(HeaderName, String)>,
}

impl Headers {
    /// No fields.
    pub fn new() -> Headers {
        Headers {
            fields: Vec::with_capacity(16),
        }
    }

    /// Appends a field.
    pub fn push(&mut self, name: HeaderName, value: impl Into<String>) {
        self.fields.push((name, value.into()));
    }

    /// Puts a field in front of all others.
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<String>) {
        self.fields.insert(0, (name, value.into()));
    }

    /// Replaces every field of this name by one.
    pub fn set(&mut self, name: HeaderName, value: impl Into<String>) {
        let value = value.into();
        if let Some(at) = self.fields.iter().position(|(n, _)| *n == name) {
            self.fields[at].1 = value;
            let mut index = 0;
            self.fields.retain(|(n, _)| {
                index += 1;
                index - 1 <= at || *n != name
            });
        } else {
            self.push(name, value);
        }
    }

    /// Takes out every field of this name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.fields.retain(|(n, _)| n != name);
    }

    /// The first value of a known name.
    pub fn value(&self, name: HeaderName) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The first value of a name given as text, compared without case: `"X-Account"`.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n.word().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Every line of this name, in order.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    /// How many lines have this name.
    pub fn count(&self, name: &HeaderName) -> usize {
        self.fields.iter().filter(|(n, _)| n == name).count()
    }

    /// The values of a comma-separated header over all its lines, in order.
    pub fn list(&self, name: HeaderName) -> Vec<&str> {
        self.values(name)
            .flat_map(|line| split_outside_quotes(line, ','))
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .collect()
    }

    /// Whether a comma-separated list of tokens has this one.
    pub fn has_token(&self, name: HeaderName, token: &str) -> bool {
        self.values(name)
            .flat_map(|line| line.split(','))
            .any(|v| v.trim().eq_ignore_ascii_case(token))
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.fields.iter().map(|(n, v)| (n, v.as_str()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut String> {
        self.fields.last_mut().map(|(_, v)| v)
    }

    pub(crate) fn first_mut(&mut self, name: &HeaderName) -> Option<&mut String> {
        self.fields
            .iter_mut()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v)
    }
}

/// Splits at a separator that is neither inside a quoted string nor inside angle brackets.
pub(crate) fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped, mut angle) = (0, false, false, false);
    for (at, c) in text.char_indices() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
        } else {
            match c {
                '"' => quoted = true,
                '<' => angle = true,
                '>' => angle = false,
                c if c == separator && !angle => {
                    parts.push(&text[start..at]);
                    start = at + c.len_utf8();
                }
                _ => {}
            }
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_compact_and_odd_case_are_the_same_name() {
        assert_eq!(HeaderName::parse("v"), HeaderName::Via);
        assert_eq!(HeaderName::parse("CALL-id"), HeaderName::CallId);
        assert_eq!(HeaderName::parse("X-Foo").word(), "X-Foo");
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Contact, "\"a, \\\"b\" <sip:x,y@h>, <sip:z@h>");
        headers.push(HeaderName::Contact, "sip:w@h");
        assert_eq!(headers.list(HeaderName::Contact).len(), 3);
    }

    #[test]
    fn set_leaves_one() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Via, "1");
        headers.push(HeaderName::To, "t");
        headers.push(HeaderName::Via, "2");
        headers.set(HeaderName::Via, "3");
        assert_eq!(headers.list(HeaderName::Via), ["3"]);
        assert_eq!(headers.len(), 2);
    }
}
