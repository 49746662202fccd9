//! `Conversation`: a conversation to connect to.

use std::time::Duration;

use crate::attribute::{Flag, Maybe, MethodName, OneWord, Seconds, Text, UrlReference, WordList};
use crate::read::Element;
use crate::words::{CallEvent, DialRecord, RecordingEvent, Trim};
use model::method::Method;

element! {
    /// A conversation to connect to.
    ///
    /// `<Conversation serviceInstanceSid="IS123"/>`
    pub struct Conversation in "Conversation" {
        /// The service it belongs to.
        service_instance_sid: Option<String> = None, "serviceInstanceSid", Maybe(Text), 12200;
        /// Whether it is created by an inbound call.
        inbound_autocreation: Option<bool> = None, "inboundAutocreation", Maybe(Flag), 12200;
        /// How long routing may take.
        routing_assignment_timeout: Option<Duration> = None, "routingAssignmentTimeout", Maybe(Seconds(0, 86_400)), 12200;
        /// How long the call may wait.
        inbound_timeout: Option<Duration> = None, "inboundTimeout", Maybe(Seconds(0, 86_400)), 12200;
        /// The document heard first, as written.
        url: Option<String> = None, "url", Maybe(UrlReference), 11100;
        /// How `url` is asked.
        method: Method = Method::Post, "method", MethodName, 12200;
        /// Whether and from when it is recorded.
        record: DialRecord = DialRecord::DoNotRecord, "record", OneWord, 12200;
        /// Whether silence at both ends of the recording is cut off.
        trim: Trim = Trim::DoNotTrim, "trim", OneWord, 13699;
        /// Where the state of the recording is reported, as written.
        recording_status_callback: Option<String> = None, "recordingStatusCallback", Maybe(UrlReference), 13256;
        /// How `recording_status_callback` is asked.
        recording_status_callback_method: Method = Method::Post, "recordingStatusCallbackMethod", MethodName, 12200;
        /// Which states are reported.
        recording_status_callback_event: Vec<RecordingEvent> = vec![RecordingEvent::Completed], "recordingStatusCallbackEvent", WordList, 13621;
        /// Where the progress of the called leg is reported, as written.
        status_callback: Option<String> = None, "statusCallback", Maybe(UrlReference), 11100;
        /// How `status_callback` is asked.
        status_callback_method: Method = Method::Post, "statusCallbackMethod", MethodName, 12200;
        /// Which events are reported.
        status_callback_event: Vec<CallEvent> = vec![CallEvent::Completed], "statusCallbackEvent", WordList, 12200;
    } holds {}
}

impl Element for Conversation {}
