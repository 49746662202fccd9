//! `Reject`: the call refused.

use crate::attribute::OneWord;
use crate::nouns::Parameter;
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::RejectReason;

element! {
    /// Refuses the call, which is then never answered. Nothing but Pause may come before.
    ///
    /// `<Reject reason="busy"/>`
    pub struct Reject in "Reject" {
        /// What the caller hears.
        reason: RejectReason = RejectReason::Rejected, "reason", OneWord, 13810;
    } holds {
        /// Words for the other side of the call.
        parameters: Vec<Parameter>,
    }
}

impl Element for Reject {
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
