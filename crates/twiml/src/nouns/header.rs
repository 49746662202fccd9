//! `Header`: a header of the request to dial.

use crate::attribute::Text;
use crate::read::{Element, Node, Reader};

element! {
    /// A header of the SIP request, `X-` or `User-to-User`.
    ///
    /// `<Header name="X-Ticket" value="7"/>`
    pub struct Header in "Header" {
        /// Its name, never empty.
        name: String = String::new(), "name", Text, 13252;
        /// Its value.
        value: String = String::new(), "value", Text, 13252;
    } holds {}
}

impl Element for Header {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.nothing_inside(node);
        let lower = self.name.to_ascii_lowercase();
        // RFC 3261, 25.1: a header name is a token; only these may be set from outside.
        let token = self
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        if !token || !(lower == "user-to-user" || (lower.starts_with("x-") && lower.len() > 2)) {
            reader.missing(node, 13252, "a name such as X-Ticket, or User-to-User");
            return false;
        }
        if self.name.len() + self.value.len() > 1024 || self.value.chars().any(char::is_control) {
            reader.missing(
                node,
                13253,
                "a value without line feeds, at most 1024 bytes with its name",
            );
            return false;
        }
        true
    }
}
