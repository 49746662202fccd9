//! `Prompt`: what `Pay` says at one of its steps.

use crate::attribute::{Flag, Maybe, Text};
use crate::print::Printer;
use crate::problem::Placed;
use crate::read::{Element, Node, Reader};
use crate::verb::Sound;

element! {
    /// What `Pay` says at one of its steps.
    ///
    /// `<Prompt for="security-code"><Say>The three digits, please.</Say></Prompt>`
    pub struct Prompt in "Prompt" {
        /// The step; absent: every one.
        step: Option<String> = None, "for", Maybe(Text), 64001;
        /// The attempts it is for, separated by spaces; absent: every one.
        attempt: Option<String> = None, "attempt", Maybe(Text), 64001;
        /// The cards it is for, separated by spaces.
        card_type: Option<String> = None, "cardType", Maybe(Text), 64001;
        /// The errors it is for, separated by spaces.
        error_type: Option<String> = None, "errorType", Maybe(Text), 64001;
        /// Whether it is for input that must be entered twice.
        require_matching_inputs: Option<bool> = None, "requireMatchingInputs", Maybe(Flag), 64001;
    } holds {
        /// What is heard, in order.
        sounds: Vec<Placed<Sound>>,
    }
}

impl Element for Prompt {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        self.sounds = reader.choices(node, 12200);
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.choices(self.sounds.iter().map(|placed| &placed.value));
    }
}
