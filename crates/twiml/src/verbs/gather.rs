//! `Gather`: keys or speech taken from the caller.

use std::time::Duration;

use crate::attribute::{
    Count, Flag, Kind, Maybe, MethodName, OneKey, Seconds, Taken, Text, UrlReference, WordList,
};
use crate::print::Printer;
use crate::problem::Placed;
use crate::read::{Element, Node, Reader};
use crate::verb::Sound;
use crate::words::InputKind;
use model::method::Method;

element! {
    /// Takes keys or speech from the caller while its prompts are heard.
    ///
    /// `<Gather numDigits="1" action="/menu"><Say>Press one.</Say></Gather>`
    pub struct Gather in "Gather" {
        /// Where the result goes, as written; absent: the current document.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 13312;
        /// What is listened for; never empty.
        input: Vec<InputKind> = vec![InputKind::Dtmf], "input", SomeWords, 13326;
        /// How long to wait, after the prompts or the last key.
        timeout: Duration = Duration::from_secs(5), "timeout", Seconds(1, 3_600), 13313;
        /// The key that ends the input and is not part of it; `None`: no key does.
        finish_on_key: Option<char> = Some('#'), "finishOnKey", OneKey, 13310;
        /// After so many keys the input ends; absent: any number.
        num_digits: Option<u32> = None, "numDigits", Maybe(Count(1, 1_000)), 13314;
        /// Whether `action` is asked even if nothing came.
        action_on_empty_result: bool = false, "actionOnEmptyResult", Flag, 13338;
        /// Silence that ends speech; absent: the same as `timeout`.
        speech_timeout: Option<SpeechTimeout> = None, "speechTimeout", Maybe(SilenceAfterSpeech), 13327;
        /// The longest speech.
        max_speech_time: Duration = Duration::from_secs(60), "maxSpeechTime", Seconds(1, 600), 13328;
        /// The language spoken.
        language: String = "en-US".to_owned(), "language", Text, 13331;
        /// Words to expect, separated by commas.
        hints: Option<String> = None, "hints", Maybe(Text), 13330;
        /// The model of recognition, as written.
        speech_model: String = "default".to_owned(), "speechModel", Text, 13334;
        /// Whether the better (and dearer) model is used.
        enhanced: bool = false, "enhanced", Flag, 12200;
        /// Whether strong words come back as stars.
        profanity_filter: bool = true, "profanityFilter", Flag, 13333;
        /// Where unfinished speech is sent, as written.
        partial_result_callback: Option<String> = None, "partialResultCallback", Maybe(UrlReference), 11100;
        /// How `partial_result_callback` is asked.
        partial_result_callback_method: Method = Method::Post, "partialResultCallbackMethod", MethodName, 13329;
        /// Whether input stops the prompts.
        barge_in: bool = true, "bargeIn", Flag, 13332;
        /// Whether speech recognition reports its details.
        debug: bool = false, "debug", Flag, 12200;
    } holds {
        /// What is heard meanwhile, in order.
        prompts: Vec<Placed<Sound>>,
    }
}

/// What silence ends speech in a Gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpeechTimeout {
    /// The recogniser decides.
    Auto,
    /// This much.
    After(Duration),
}

/// Reads `speechTimeout`.
struct SilenceAfterSpeech;

impl Kind<SpeechTimeout> for SilenceAfterSpeech {
    fn take(&self, text: &str) -> Taken<SpeechTimeout> {
        if text.trim().eq_ignore_ascii_case("auto") {
            return Taken::Good(SpeechTimeout::Auto);
        }
        match Seconds(1, 600).take(text) {
            Taken::Good(length) => Taken::Good(SpeechTimeout::After(length)),
            Taken::Mended(length, how) => Taken::Mended(SpeechTimeout::After(length), how),
            Taken::Bad(expected) => Taken::Bad(format!("auto or {expected}")),
        }
    }

    fn give(&self, value: &SpeechTimeout) -> Option<String> {
        match value {
            SpeechTimeout::Auto => Some("auto".to_owned()),
            SpeechTimeout::After(length) => Seconds(1, 600).give(length),
        }
    }
}

/// A word list that is not empty: a Gather that listens for nothing would wait in vain.
struct SomeWords;

impl Kind<Vec<InputKind>> for SomeWords {
    fn take(&self, text: &str) -> Taken<Vec<InputKind>> {
        match WordList.take(text) {
            Taken::Good(words) if words.is_empty() => {
                Taken::Bad("dtmf, speech or dtmf speech".to_owned())
            }
            taken => taken,
        }
    }

    fn give(&self, value: &Vec<InputKind>) -> Option<String> {
        WordList.give(value)
    }
}

impl Gather {
    /// Whether keys are listened for.
    pub fn takes_dtmf(&self) -> bool {
        self.input.contains(&InputKind::Dtmf)
    }

    /// Whether speech is listened for.
    pub fn takes_speech(&self) -> bool {
        self.input.contains(&InputKind::Speech)
    }
}

impl Element for Gather {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        self.prompts = reader.choices(node, 13320);
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.choices(self.prompts.iter().map(|placed| &placed.value));
    }
}
