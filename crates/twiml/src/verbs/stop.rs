//! `Stop`: what `Start` began, ended.

use crate::nouns::{Recording, Siprec, Stream, Transcription};
use crate::print::Printer;
use crate::problem::Placed;
use crate::read::{Element, Node, Reader};

element! {
    /// Ends what `Start` began under the same name.
    ///
    /// `<Stop><Stream name="ear"/></Stop>`
    pub struct Stop in "Stop" {
    } holds {
        /// What is ended; at least one.
        nouns: Vec<Placed<StopNoun>>,
    }
}

choice! {
    /// What a Stop ends.
    pub enum StopNoun {
        /// Sound over a web socket.
        Stream(Stream),
        /// Sound to a recorder that speaks SIPREC.
        Siprec(Siprec),
        /// Speech written down as it is spoken.
        Transcription(Transcription),
        /// A recording of the call.
        Recording(Recording),
    }
}

impl Element for Stop {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        self.nouns = reader.choices(node, 12200);
        if self.nouns.is_empty() {
            reader.missing(node, 12200, "a noun such as Stream");
        }
        !self.nouns.is_empty()
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.choices(self.nouns.iter().map(|placed| &placed.value));
    }
}
