//! Canonical text: attributes in the order of their declaration, defaults left out.
//!
//! Reading what was printed gives the document that was printed.

use crate::attribute::Kind;
use crate::document::Document;
use crate::read::Choice;

/// Writes elements.
#[derive(Default)]
pub(crate) struct Printer {
    text: String,
    /// The start tag last written still lacks its `>`.
    open: bool,
}

impl Printer {
    /// Begins an element.
    pub fn open(&mut self, tag: &str) {
        self.end_start_tag();
        self.text.push('<');
        self.text.push_str(tag);
        self.open = true;
    }

    /// Ends an element.
    pub fn close(&mut self, tag: &str) {
        if self.open {
            self.text.push_str("/>");
            self.open = false;
        } else {
            self.text.push_str("</");
            self.text.push_str(tag);
            self.text.push('>');
        }
    }

    /// Adds an attribute to the start tag just begun.
    pub fn attribute<T, K: Kind<T>>(&mut self, name: &str, kind: &K, value: &T) {
        if let Some(value) = kind.give(value) {
            self.plain_attribute(name, &value);
        }
    }

    /// Adds an attribute whose text is known.
    pub fn plain_attribute(&mut self, name: &str, value: &str) {
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        self.escape(value, true);
        self.text.push('"');
    }

    /// Adds text inside the element.
    pub fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.end_start_tag();
            self.escape(text, false);
        }
    }

    /// Adds elements inside the element.
    pub fn choices<'a, C: Choice + 'a>(&mut self, choices: impl Iterator<Item = &'a C>) {
        for choice in choices {
            choice.give(self);
        }
    }

    fn end_start_tag(&mut self) {
        if self.open {
            self.text.push('>');
            self.open = false;
        }
    }

    fn escape(&mut self, text: &str, attribute: bool) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' if attribute => self.text.push_str("&quot;"),
                // Written plainly these would come back as spaces or line feeds (XML 1.0,
                // 2.11 and 3.3.3).
                '\r' => self.text.push_str("&#13;"),
                '\n' if attribute => self.text.push_str("&#10;"),
                '\t' if attribute => self.text.push_str("&#9;"),
                '\n' | '\t' => self.text.push(c),
                // Not characters of XML 1.0 (2.2): they cannot be written at all.
                c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
                c => self.text.push(c),
            }
        }
    }
}

impl Document {
    /// The document as canonical text.
    pub fn print(&self) -> String {
        let mut printer = Printer {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            open: false,
        };
        printer.open("Response");
        for verb in &self.verbs {
            printer.end_start_tag();
            printer.text.push_str("\n  ");
            verb.value.give(&mut printer);
        }
        if !self.verbs.is_empty() {
            printer.text.push('\n');
        }
        printer.close("Response");
        printer.text
    }
}
