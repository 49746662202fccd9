//! `Start`: something begun beside the call.

use crate::attribute::{Maybe, MethodName, UrlReference};
use crate::nouns::{Recording, Siprec, Stream, Transcription};
use crate::print::Printer;
use crate::problem::Placed;
use crate::read::{Element, Node, Reader};
use model::method::Method;

element! {
    /// Begins something beside the call; the next verb runs at once.
    ///
    /// `<Start><Stream url="wss://example.com/audio" name="ear"/></Start>`
    pub struct Start in "Start" {
        /// Where the call goes on afterwards, as written; absent: the next verb.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 12200;
    } holds {
        /// What is begun; at least one.
        nouns: Vec<Placed<StartNoun>>,
    }
}

choice! {
    /// What a Start begins.
    pub enum StartNoun {
        /// Sound over a web socket, one way.
        Stream(Stream),
        /// Sound to a recorder that speaks SIPREC.
        Siprec(Siprec),
        /// Speech written down as it is spoken.
        Transcription(Transcription),
        /// A recording of the call.
        Recording(Recording),
    }
}

impl Element for Start {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        self.nouns = reader.choices(node, 12200);
        // Only Stop can name a stream without telling where it goes.
        self.nouns.retain(|noun| match &noun.value {
            StartNoun::Stream(stream) => stream.url.is_some() || stream.connector_name.is_some(),
            _ => true,
        });
        if self.nouns.is_empty() {
            reader.missing(node, 12200, "a noun such as Stream with its url");
        }
        !self.nouns.is_empty()
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.choices(self.nouns.iter().map(|placed| &placed.value));
    }
}
