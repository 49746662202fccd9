//! `Redirect`: the call goes on with another document.

use crate::attribute::{MethodName, is_url_reference};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use model::method::Method;

element! {
    /// Goes on with another document; verbs after it are never reached.
    ///
    /// `<Redirect method="GET">/next</Redirect>`
    pub struct Redirect in "Redirect" {
        /// How the document is asked for.
        method: Method = Method::Post, "method", MethodName, 13710;
    } holds {
        /// The document, as written; empty: the current one.
        url: String,
    }
}

impl Element for Redirect {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let url = reader.text(node);
        if !is_url_reference(&url) {
            reader.missing(node, 11100, "a URL such as https://example.com/next");
            return false;
        }
        self.url = url;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.url);
    }
}
