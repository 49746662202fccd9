//! `Autopilot`: an Autopilot assistant to connect to.

use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// An Autopilot assistant to connect to.
    ///
    /// `<Autopilot>UA123</Autopilot>`
    pub struct Autopilot in "Autopilot" {
    } holds {
        /// Its identifier or name.
        assistant: String,
    }
}

impl Element for Autopilot {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let Some(text) = reader.required_text(node, 12200, "the name of an assistant") else {
            return false;
        };
        self.assistant = text;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.assistant);
    }
}
