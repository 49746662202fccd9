//! `Language`: one language of a ConversationRelay.

use crate::attribute::{Maybe, Text};
use crate::read::Element;

element! {
    /// One language of a ConversationRelay.
    ///
    /// `<Language code="sv-SE" voice="astrid"/>`
    pub struct Language in "Language" {
        /// The language, such as `sv-SE`.
        code: Option<String> = None, "code", Maybe(Text), 12200;
        /// Who speaks.
        tts_provider: Option<String> = None, "ttsProvider", Maybe(Text), 12200;
        /// The voice.
        voice: Option<String> = None, "voice", Maybe(Text), 12200;
        /// Who listens.
        transcription_provider: Option<String> = None, "transcriptionProvider", Maybe(Text), 12200;
        /// The model of recognition.
        speech_model: Option<String> = None, "speechModel", Maybe(Text), 12200;
    } holds {}
}

impl Element for Language {}
