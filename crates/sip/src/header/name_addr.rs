//! From, To, Contact, Route and their like: a display name, an address, parameters.

use super::Params;
use crate::fault::Fault;
use crate::message::Uri;
use std::fmt;

/// `"Display" <uri>;params`, or a bare URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, unquoted.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The parameters of the header, such as `tag`.
    pub params: Params,
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr {
            display: None,
            uri,
            params: Params::default(),
        }
    }

    /// The same with a display name.
    pub fn with_display(mut self, display: impl Into<String>) -> NameAddr {
        self.display = Some(display.into());
        self
    }

    /// Reads one value.
    pub fn parse(text: &str) -> Result<NameAddr, Fault> {
        let text = text.trim();
        let (display, rest) = if let Some(quoted) = text.strip_prefix('"') {
            let (display, rest) = unquote(quoted)?;
            (Some(display), rest.trim_start())
        } else if let Some(at) = text.find('<') {
            let display = text[..at].trim();
            // An unquoted name is tokens and spaces; others are let pass as long as they cannot be
            // taken for something else (RFC 4475 3.1.2.15 allows either).
            if display.contains([':', ';', ',', '@', '"']) {
                return Err(Fault::Malformed("a display name that needs quotes"));
            }
            (
                (!display.is_empty()).then(|| display.to_owned()),
                &text[at..],
            )
        } else {
            (None, text)
        };
        if let Some(inside) = rest.strip_prefix('<') {
            let (uri, params) = inside
                .split_once('>')
                .ok_or(Fault::Malformed("an address without its closing bracket"))?;
            let params = params.trim_start();
            let params = match params.strip_prefix(';') {
                Some(params) => Params::parse(params)?,
                None if params.is_empty() => Params::default(),
                None => return Err(Fault::Malformed("text after an address")),
            };
            // Space just inside the brackets is overlooked (RFC 4475 3.1.2.14 allows it).
            return Ok(NameAddr {
                display,
                uri: Uri::parse(uri.trim())?,
                params,
            });
        }
        if display.is_some() {
            return Err(Fault::Malformed("a display name without an address"));
        }
        // Without brackets every parameter is the header's, and neither ? nor , may occur
        // (RFC 3261 section 20).
        let (uri, params) = rest.split_once(';').unwrap_or((rest, ""));
        if uri.contains(['?', ',']) {
            return Err(Fault::Malformed("an address that needs brackets"));
        }
        Ok(NameAddr {
            display: None,
            uri: Uri::parse(uri.trim())?,
            params: Params::parse(params)?,
        })
    }

    /// The tag parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag").filter(|t| !t.is_empty())
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            f.write_str("\"")?;
            for c in display.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    // A line break would start a header of the caller's choosing.
                    '\r' | '\n' | '\0' => f.write_str(" ")?,
                    c => write!(f, "{c}")?,
                }
            }
            f.write_str("\" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// Reads to the closing quote; gives the text and what follows.
fn unquote(text: &str) -> Result<(String, &str), Fault> {
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            out.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '"' {
            return Ok((out, &text[at + 1..]));
        } else {
            out.push(c);
        }
    }
    Err(Fault::Malformed("a quoted string without its end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_forms() {
        let a = NameAddr::parse("\"A \\\"B\\\"\" <sip:a@h;lr>;tag=1").expect("valid");
        assert_eq!(a.display.as_deref(), Some("A \"B\""));
        assert_eq!(a.tag(), Some("1"));
        assert!(a.uri.params.has("lr"));
        let b = NameAddr::parse("sip:a@h;tag=2").expect("valid");
        assert_eq!((b.tag(), b.uri.params.has("tag")), (Some("2"), false));
        assert_eq!(
            NameAddr::parse("Bob Smith <sip:b@h>")
                .expect("valid")
                .display
                .as_deref(),
            Some("Bob Smith")
        );
    }

    #[test]
    fn refuses_what_is_open() {
        assert!(NameAddr::parse("\"Mr. J. User <sip:j.user@example.com>").is_err());
        assert!(NameAddr::parse("<sip:a@h").is_err());
        assert!(NameAddr::parse("sip:user@example.com?Route=%3Csip:x%3E").is_err());
    }

    #[test]
    fn a_name_cannot_break_out() {
        let a = NameAddr::new(Uri::sip(Some("a"), "h", None)).with_display("x\"\r\nEvil: 1");
        assert_eq!(a.to_string(), "\"x\\\"  Evil: 1\" <sip:a@h>");
    }
}
