//! `ConversationRelay`: text in both directions over a web socket.

use crate::attribute::{Flag, Maybe, SocketUrl, Text};
use crate::nouns::{Language, Parameter};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};

element! {
    /// Text in both directions over a web socket; speech is made and understood here.
    ///
    /// `<ConversationRelay url="wss://example.com/text" welcomeGreeting="Hello"/>`
    pub struct ConversationRelay in "ConversationRelay" {
        /// Where the text goes, as written.
        url: Option<String> = None, "url", Maybe(SocketUrl), 11100;
        /// What is said first.
        welcome_greeting: Option<String> = None, "welcomeGreeting", Maybe(Text), 12200;
        /// What stops the greeting: `any`, `speech`, `dtmf`, `none`; absent: `any`.
        welcome_greeting_interruptible: Option<String> = None, "welcomeGreetingInterruptible", Maybe(Text), 12200;
        /// The language in both directions; absent: `en-US`.
        language: Option<String> = None, "language", Maybe(Text), 12200;
        /// The language spoken to the caller.
        tts_language: Option<String> = None, "ttsLanguage", Maybe(Text), 12200;
        /// Who speaks.
        tts_provider: Option<String> = None, "ttsProvider", Maybe(Text), 12200;
        /// The voice.
        voice: Option<String> = None, "voice", Maybe(Text), 12200;
        /// The language of the caller.
        transcription_language: Option<String> = None, "transcriptionLanguage", Maybe(Text), 12200;
        /// Who listens.
        transcription_provider: Option<String> = None, "transcriptionProvider", Maybe(Text), 12200;
        /// The model of recognition.
        speech_model: Option<String> = None, "speechModel", Maybe(Text), 12200;
        /// What stops the voice: `any`, `speech`, `dtmf`, `none`; absent: `any`.
        interruptible: Option<String> = None, "interruptible", Maybe(Text), 12200;
        /// How easily it is stopped; absent: `high`.
        interrupt_sensitivity: Option<String> = None, "interruptSensitivity", Maybe(Text), 12200;
        /// Which input is reported while the voice speaks.
        report_input_during_agent_speech: Option<String> = None, "reportInputDuringAgentSpeech", Maybe(Text), 12200;
        /// Words to expect, separated by commas.
        hints: Option<String> = None, "hints", Maybe(Text), 12200;
        /// Which details are reported, separated by spaces.
        debug: Option<String> = None, "debug", Maybe(Text), 12200;
        /// Which events are reported, separated by spaces.
        events: Option<String> = None, "events", Maybe(Text), 12200;
        /// The stored analysis the text goes to.
        intelligence_service: Option<String> = None, "intelligenceService", Maybe(Text), 12200;
        /// Whether numbers are spelled out: `on`, `auto`, `off`.
        elevenlabs_text_normalization: Option<String> = None, "elevenlabsTextNormalization", Maybe(Text), 12200;
        /// Whether keys are reported.
        dtmf_detection: bool = false, "dtmfDetection", Flag, 12200;
        /// Whether the next text may cut off the one being spoken.
        preemptible: bool = false, "preemptible", Flag, 12200;
        /// Whether unfinished speech is reported.
        partial_prompts: bool = false, "partialPrompts", Flag, 12200;
    } holds {
        /// The languages it may switch to.
        languages: Vec<Language>,
        /// Words for the other end.
        parameters: Vec<Parameter>,
    }
}

impl Element for ConversationRelay {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        reader.no_text(node);
        reader.inside(node, &["Language", "Parameter"], 12200, |reader, child| {
            if child.tag_name().name() == "Language" {
                self.languages.extend(Language::take(reader, child));
            } else {
                self.parameters.extend(Parameter::take(reader, child));
            }
        });
        if self.url.is_none() {
            reader.missing(node, 11100, "a url such as wss://example.com/text");
        }
        self.url.is_some()
    }

    fn give_content(&self, printer: &mut Printer) {
        for language in &self.languages {
            language.give(printer);
        }
        for parameter in &self.parameters {
            parameter.give(printer);
        }
    }
}
