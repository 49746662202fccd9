//! `Conference`: a conference to join.

use crate::attribute::{
    Count, Flag, Maybe, MethodName, OneWord, Text, TextUpTo, UrlReference, WordList,
};
use crate::print::Printer;
use crate::read::{Element, Node, Reader};
use crate::words::{
    Beep, ConferenceEvent, ConferenceRecord, JitterBufferSize, RecordingEvent, Trim,
};
use model::method::Method;

/// The longest name of a conference, in characters.
const NAME_LIMIT: usize = 128;

element! {
    /// A conference to join; names are case-sensitive and belong to the account.
    ///
    /// `<Conference startConferenceOnEnter="false" waitUrl="/wait">Room 7</Conference>`
    pub struct Conference in "Conference" {
        /// Whether the others do not hear this participant.
        muted: bool = false, "muted", Flag, 13230;
        /// When a tone is heard.
        beep: Beep = Beep::Both, "beep", OneWord, 13235;
        /// Whether it starts when this participant enters.
        start_conference_on_enter: bool = true, "startConferenceOnEnter", Flag, 13232;
        /// Whether it ends when this participant leaves.
        end_conference_on_exit: bool = false, "endConferenceOnExit", Flag, 13231;
        /// A name for the participant, unique in the conference.
        participant_label: Option<String> = None, "participantLabel", Maybe(TextUpTo(128)), 16025;
        /// How much jitter is smoothed.
        jitter_buffer_size: JitterBufferSize = JitterBufferSize::Large, "jitterBufferSize", OneWord, 12200;
        /// What is heard before it starts, as written; absent: music, empty: silence.
        wait_url: Option<String> = None, "waitUrl", Maybe(UrlReference), 13233;
        /// How `wait_url` is asked as written; see [`Conference::waiting_method`].
        wait_method: Option<Method> = None, "waitMethod", Maybe(MethodName), 13234;
        /// How many may take part.
        max_participants: u32 = 250, "maxParticipants", Count(2, 250), 12200;
        /// Whether it is recorded.
        record: ConferenceRecord = ConferenceRecord::DoNotRecord, "record", OneWord, 12200;
        /// Where it is mixed; accepted and kept.
        region: Option<String> = None, "region", Maybe(Text), 12200;
        /// Whether silence at both ends of the recording is cut off.
        trim: Trim = Trim::TrimSilence, "trim", OneWord, 13239;
        /// The call of the participant this one coaches.
        coach: Option<String> = None, "coach", Maybe(Text), 13240;
        /// Where events are reported, as written; that of the first participant counts.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
        /// Which events are reported; none unless written.
        status_callback_event: Vec<ConferenceEvent> = Vec::new(), "statusCallbackEvent", WordList, 12200;
        /// Where the state of the recording is reported, as written.
        recording_status_callback: Option<String> = None, "recordingStatusCallback", Maybe(UrlReference), 13256;
        /// How `recording_status_callback` is asked.
        recording_status_callback_method: Method = Method::Post, "recordingStatusCallbackMethod", MethodName, 12200;
        /// Which states are reported.
        recording_status_callback_event: Vec<RecordingEvent> = vec![RecordingEvent::Completed], "recordingStatusCallbackEvent", WordList, 13621;
        /// Where the end of the recording is reported, old form, as written.
        event_callback_url: Option<String> = None, "eventCallbackUrl", Maybe(UrlReference), 11100;
    } holds {
        /// The conference.
        name: String,
    }
}

impl Conference {
    /// How the wait document is asked: as written, else POST with a `waitUrl`, GET without.
    pub fn waiting_method(&self) -> Method {
        let unwritten = if self.wait_url.is_some() {
            Method::Post
        } else {
            Method::Get
        };
        self.wait_method.unwrap_or(unwritten)
    }
}

impl Element for Conference {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        self.name = reader.text(node);
        let fits = (1..=NAME_LIMIT).contains(&self.name.chars().count());
        if !fits {
            reader.missing(node, 13237, "a name of 1 to 128 characters");
        }
        fits
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.text(&self.name);
    }
}
