//! `Uri` in Sip: one address of several.

use crate::attribute::{Count, Maybe, TextUpTo};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};

/// The longest address without its headers, in characters.
const URI_LIMIT: usize = 255;
/// The longest headers part of an address (after `?`), in characters.
const HEADERS_LIMIT: usize = 1024;

element! {
    /// One address of several; the least priority is tried first, weight shares equals.
    pub struct Uri in "Uri" {
        /// Order; less comes first.
        priority: Option<u32> = None, "priority", Maybe(Count(0, 65_535)), 12200;
        /// Share among addresses of equal priority.
        weight: Option<u32> = None, "weight", Maybe(Count(0, 65_535)), 12200;
        /// The name for digest authentication.
        username: Option<String> = None, "username", Maybe(TextUpTo(255)), 13249;
        /// The password for digest authentication.
        password: Option<String> = None, "password", Maybe(TextUpTo(255)), 13249;
    } holds {
        /// The address as written: `sip:user@host;transport=tls?X-Header=value`.
        uri: String,
    }
}

impl Uri {
    /// Checks the length and scheme of an address; its grammar is the SIP side's business.
    pub(crate) fn from_text(reader: &mut Reader<'_>, node: Node<'_>, text: &str) -> Option<Uri> {
        let (address, headers) = text.split_once('?').unwrap_or((text, ""));
        let lower = address.to_ascii_lowercase();
        let rest = lower
            .strip_prefix("sips:")
            .or_else(|| lower.strip_prefix("sip:"));
        let fits = address.chars().count() <= URI_LIMIT
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if !fits || rest.is_none_or(str::is_empty) {
            reader.missing(
                node,
                13243,
                "an address such as sip:alice@example.com, at most 255 characters without blanks",
            );
            return None;
        }
        if headers.chars().count() > HEADERS_LIMIT {
            reader.missing(node, 13253, "headers of at most 1024 characters");
            return None;
        }
        Some(Uri {
            uri: text.to_owned(),
            ..Uri::default()
        })
    }
}

impl Element for Uri {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let text = reader.text(node);
        match Uri::from_text(reader, node, &text) {
            Some(read) => self.uri = read.uri,
            None => return false,
        }
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.uri);
    }
}
