//! `Refer`: the call handed to another SIP address.

use crate::attribute::{Maybe, MethodName, UrlReference};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use model::method::Method;

element! {
    /// Hands a SIP call to another SIP address with REFER (RFC 3515).
    ///
    /// `<Refer action="/after"><Sip>sip:alice@example.com</Sip></Refer>`
    pub struct Refer in "Refer" {
        /// Where the call goes on afterwards, as written; absent: the next verb.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 12200;
    } holds {
        /// The address of the `Sip` inside.
        target: String,
    }
}

impl Element for Refer {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Sip"], 12200, |reader, child| {
            for attribute in child.attributes() {
                reader.unknown_attribute(child, &attribute, &[]);
            }
            let target = reader.text(child);
            if self.target.is_empty() {
                self.target = target;
            } else {
                reader.warn(child, 12200, "Refer holds one Sip, this one is ignored");
            }
        });
        if self.target.is_empty() {
            reader.missing(node, 13243, "a Sip with an address");
        }
        !self.target.is_empty()
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.open("Sip");
        printer.text(&self.target);
        printer.close("Sip");
    }
}
