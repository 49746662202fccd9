//! `Assistant`: an AI assistant to connect to.

use crate::attribute::{Flag, Maybe, Text};
use crate::read::Element;

element! {
    /// An AI assistant to connect to.
    ///
    /// `<Assistant id="aia_asst_1"/>`
    pub struct Assistant in "Assistant" {
        /// Its identifier.
        id: Option<String> = None, "id", Maybe(Text), 12200;
        /// The language in both directions.
        language: Option<String> = None, "language", Maybe(Text), 12200;
        /// The language spoken to the caller.
        tts_language: Option<String> = None, "ttsLanguage", Maybe(Text), 12200;
        /// The language of the caller.
        transcription_language: Option<String> = None, "transcriptionLanguage", Maybe(Text), 12200;
        /// Who speaks.
        tts_provider: Option<String> = None, "ttsProvider", Maybe(Text), 12200;
        /// The voice.
        voice: Option<String> = None, "voice", Maybe(Text), 12200;
        /// Who listens.
        transcription_provider: Option<String> = None, "transcriptionProvider", Maybe(Text), 12200;
        /// The model of recognition.
        speech_model: Option<String> = None, "speechModel", Maybe(Text), 12200;
        /// What is said first.
        welcome_greeting: Option<String> = None, "welcomeGreeting", Maybe(Text), 12200;
        /// Whether keys are reported.
        dtmf_detection: bool = false, "dtmfDetection", Flag, 12200;
    } holds {}
}

impl Element for Assistant {}
