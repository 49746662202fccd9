//! `Hangup`: the call ended.

use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// Ends the call.
    ///
    /// `<Hangup/>`
    pub struct Hangup in "Hangup" {} holds {
        /// Words for the other side of the call.
        parameters: Vec<Parameter>,
    }
}

impl Element for Hangup {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Parameter"], 12200, |reader, child| {
            self.parameters.extend(Parameter::take(reader, child));
        });
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
