//! `Sim`: a SIM card to dial.

use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// A SIM card to dial.
    ///
    /// `<Sim>DE123</Sim>`
    pub struct Sim in "Sim" {
    } holds {
        /// Its identifier.
        sid: String,
    }
}

impl Element for Sim {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let Some(text) = reader.required_text(node, 12200, "the identifier of a SIM card") else {
            return false;
        };
        self.sid = text;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.sid);
    }
}
