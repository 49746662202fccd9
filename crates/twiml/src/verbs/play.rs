//! `Play`: a sound file or keys played to the caller.

use crate::attribute::{Dtmf, Loop, Maybe, Repeat, is_url_reference};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// A sound file, or keys, played to the caller.
    ///
    /// `<Play loop="0">/hold.mp3</Play>`, `<Play digits="ww12#"/>`
    pub struct Play in "Play" {
        /// How often it is heard.
        repeat: Repeat = Repeat::Times(1), "loop", Loop, 13410;
        /// Keys sounded instead of a file; `w` waits 0.5 s, `W` 1 s.
        digits: Option<String> = None, "digits", Maybe(Dtmf), 13430;
    } holds {
        /// The file, as written. Exactly one of this and `digits` is there.
        url: Option<String>,
    }
}

impl Element for Play {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let url = reader.text(node);
        if self.digits.is_some() {
            if !url.is_empty() {
                reader.warn(
                    node,
                    12200,
                    "Play plays its digits and ignores the URL; use two Play",
                );
            }
            return true;
        }
        if url.is_empty() {
            reader.missing(node, 12200, "the URL of a sound file, or digits");
            return false;
        }
        if !is_url_reference(&url) {
            reader.missing(node, 11100, "a URL such as https://example.com/hello.mp3");
            return false;
        }
        self.url = Some(url);
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        if let Some(url) = &self.url {
            printer.text(url);
        }
    }
}
