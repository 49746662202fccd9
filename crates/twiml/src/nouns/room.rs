//! `Room`: a video room to connect to.

use crate::attribute::{Maybe, Text};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// A video room to connect to.
    ///
    /// `<Room participantIdentity="alice">Daily</Room>`
    pub struct Room in "Room" {
        /// Under which name the call takes part.
        participant_identity: Option<String> = None, "participantIdentity", Maybe(Text), 12200;
    } holds {
        /// Its name.
        name: String,
    }
}

impl Element for Room {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let Some(text) = reader.required_text(node, 12200, "the name of a room") else {
            return false;
        };
        self.name = text;
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.name);
    }
}
