//! `Say`: text spoken to the caller.

use crate::attribute::{Loop, Maybe, Repeat, Text};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::ssml::{self, Spoken, Ssml};

/// The longest text that is spoken, in characters (docs/compat/twiml-say.md, say-5).
pub const TEXT_LIMIT: usize = 4096;

element! {
    /// Text spoken to the caller, with optional SSML.
    ///
    /// `<Say voice="alice" language="en-GB" loop="2">Good <emphasis>evening</emphasis></Say>`
    pub struct Say in "Say" {
        /// The voice as written; absent: `man`. Any name is kept, whoever speaks chooses the
        /// nearest voice there is.
        voice: Option<String> = None, "voice", Maybe(Text), 13511;
        /// The language, such as `de-DE`; absent: that of the voice, else `en-US`.
        language: Option<String> = None, "language", Maybe(Text), 13512;
        /// How often it is said.
        repeat: Repeat = Repeat::Times(1), "loop", Loop, 13510;
    } holds {
        /// What is said, never empty; white space is collapsed.
        content: Vec<Ssml>,
    }
}

impl Say {
    /// The text without its SSML: for a voice that understands none, and for logs.
    pub fn plain_text(&self) -> String {
        ssml::plain_text(&self.content)
    }

    /// The same with its breaks.
    pub fn spoken(&self) -> Vec<Spoken> {
        ssml::spoken(&self.content)
    }
}

impl Element for Say {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        self.content = ssml::take(reader, node);
        let length = self.plain_text().chars().count();
        if length == 0 {
            reader.missing(node, 13520, "text to say");
        } else if length > TEXT_LIMIT {
            reader.error(
                node,
                13521,
                format!("Say is skipped: its text has {length} characters, the most is {TEXT_LIMIT}; use several Say"),
            );
        }
        (1..=TEXT_LIMIT).contains(&length)
    }

    fn give_content(&self, printer: &mut Printer) {
        ssml::give(&self.content, printer);
    }
}
