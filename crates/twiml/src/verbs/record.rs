//! `Record`: the caller recorded.

use std::time::Duration;

use crate::attribute::{
    Flag, Keys, Maybe, MethodName, OneWord, Seconds, Text, UrlReference, WordList,
};
use crate::read::Element;
use crate::words::{RecordingEvent, RecordingTrack, Trim};
use model::method::Method;

element! {
    /// Records the caller until silence, a key or the greatest length.
    ///
    /// `<Record maxLength="30" action="/message"/>`
    pub struct Record in "Record" {
        /// Where the recording is announced, as written; absent: the current document.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 13610;
        /// Silence that ends the recording; zero: none does.
        timeout: Duration = Duration::from_secs(5), "timeout", Seconds(0, 3_600), 13611;
        /// The keys that end the recording; empty: none does.
        finish_on_key: String = "1234567890*#".to_owned(), "finishOnKey", Keys, 13613;
        /// The greatest length as written; see [`Record::longest`].
        max_length: Option<Duration> = None, "maxLength", Maybe(Seconds(1, 86_400)), 13612;
        /// Whether a tone is heard first.
        play_beep: bool = true, "playBeep", Flag, 13616;
        /// Whether silence at both ends is cut off.
        trim: Trim = Trim::TrimSilence, "trim", OneWord, 13699;
        /// Which direction is recorded; absent: the caller.
        recording_track: Option<RecordingTrack> = None, "recordingTrack", Maybe(OneWord), 13622;
        /// Where the state of the recording is reported, as written.
        recording_status_callback: Option<String> = None, "recordingStatusCallback", Maybe(UrlReference), 13256;
        /// How `recording_status_callback` is asked.
        recording_status_callback_method: Method = Method::Post, "recordingStatusCallbackMethod", MethodName, 12200;
        /// Which states are reported.
        recording_status_callback_event: Vec<RecordingEvent> = vec![RecordingEvent::Completed], "recordingStatusCallbackEvent", WordList, 13621;
        /// Whether it is written down.
        transcribe: bool = false, "transcribe", Flag, 13614;
        /// Where the text is sent, as written. It also asks for the text.
        transcribe_callback: Option<String> = None, "transcribeCallback", Maybe(UrlReference), 13257;
        /// The stored settings of the recording.
        recording_configuration_id: Option<String> = None, "recordingConfigurationId", Maybe(Text), 12200;
    } holds {}
}

impl Record {
    /// The greatest length in force: as written, else 120 s with a transcription, else an
    /// hour.
    pub fn longest(&self) -> Duration {
        let unwritten = if self.transcribe || self.transcribe_callback.is_some() {
            120
        } else {
            3_600
        };
        self.max_length.unwrap_or(Duration::from_secs(unwritten))
    }
}

impl Element for Record {}
