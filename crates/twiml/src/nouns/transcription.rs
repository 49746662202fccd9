//! `Transcription`: speech written down as it is spoken.

use crate::attribute::{Flag, Maybe, MethodName, OneWord, Text, UrlReference};
use crate::nouns::{Config, Parameter};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::Track;
use model::method::Method;

element! {
    /// Speech written down as it is spoken.
    ///
    /// `<Transcription statusCallbackUrl="/heard" track="inbound_track"/>`
    pub struct Transcription in "Transcription" {
        /// A name by which it can be stopped.
        name: Option<String> = None, "name", Maybe(Text), 12200;
        /// Which direction is written down.
        track: Track = Track::Both, "track", OneWord, 12200;
        /// Where the text is sent, as written.
        status_callback_url: Option<String> = None, "statusCallbackUrl", Maybe(UrlReference), 11100;
        /// How `status_callback_url` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
        /// The language spoken.
        language_code: String = "en-US".to_owned(), "languageCode", Text, 12200;
        /// What the inbound direction is called in the text.
        inbound_track_label: Option<String> = None, "inboundTrackLabel", Maybe(Text), 12200;
        /// What the outbound direction is called in the text.
        outbound_track_label: Option<String> = None, "outboundTrackLabel", Maybe(Text), 12200;
        /// Whether unfinished text is sent too.
        partial_results: bool = false, "partialResults", Flag, 12200;
        /// Who writes it down.
        transcription_engine: String = "google".to_owned(), "transcriptionEngine", Text, 12200;
        /// Whether strong words come back as stars.
        profanity_filter: bool = true, "profanityFilter", Flag, 12200;
        /// The model of recognition.
        speech_model: Option<String> = None, "speechModel", Maybe(Text), 12200;
        /// Words to expect, separated by commas.
        hints: Option<String> = None, "hints", Maybe(Text), 12200;
        /// Whether commas and full stops are set.
        enable_automatic_punctuation: bool = true, "enableAutomaticPunctuation", Flag, 12200;
        /// The stored analysis the text goes to.
        intelligence_service: Option<String> = None, "intelligenceService", Maybe(Text), 12200;
    } holds {
        /// Words for the other end.
        parameters: Vec<Parameter>,
        /// Settings of the other end.
        configs: Vec<Config>,
    }
}

impl Element for Transcription {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Parameter", "Config"], 12200, |reader, child| {
            if child.tag_name().name() == "Config" {
                self.configs.extend(Config::take(reader, child));
            } else {
                self.parameters.extend(Parameter::take(reader, child));
            }
        });
        true
    }

    fn give_content(&self, printer: &mut Printer) {
        for parameter in &self.parameters {
            parameter.give(printer);
        }
        for config in &self.configs {
            config.give(printer);
        }
    }
}
