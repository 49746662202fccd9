//! `Recording`: a recording of the call.

use crate::attribute::{Maybe, MethodName, OneWord, Text, UrlReference, WordList};
use crate::read::Element;
use crate::words::{RecordingChannels, RecordingEvent, RecordingTrack, Trim};
use model::method::Method;

element! {
    /// A recording of the call.
    ///
    /// `<Recording recordingStatusCallback="/recorded"/>`
    pub struct Recording in "Recording" {
        /// A name by which it can be stopped.
        name: Option<String> = None, "name", Maybe(Text), 12200;
        /// How many channels it has.
        channels: RecordingChannels = RecordingChannels::Dual, "channels", OneWord, 12200;
        /// Which direction is recorded.
        track: RecordingTrack = RecordingTrack::Both, "track", OneWord, 13622;
        /// Whether silence at both ends is cut off.
        trim: Trim = Trim::DoNotTrim, "trim", OneWord, 13699;
        /// Where the state of the recording is reported, as written.
        recording_status_callback: Option<String> = None, "recordingStatusCallback", Maybe(UrlReference), 13256;
        /// How `recording_status_callback` is asked.
        recording_status_callback_method: Method = Method::Post, "recordingStatusCallbackMethod", MethodName, 12200;
        /// Which states are reported.
        recording_status_callback_event: Vec<RecordingEvent> = vec![RecordingEvent::Completed], "recordingStatusCallbackEvent", WordList, 13621;
    } holds {}
}

impl Element for Recording {}
