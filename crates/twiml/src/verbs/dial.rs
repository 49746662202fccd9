//! `Dial`: somebody else called and connected.

use std::time::Duration;

use crate::attribute::{Flag, Maybe, MethodName, OneWord, Seconds, Text, UrlReference, WordList};
use crate::nouns::{Application, Client, Conference, Number, Queue, Sim, Sip, WhatsApp};
use crate::print::Printer;
use crate::problem::Placed;
use crate::read::{self, Choice, Element, Node, Reader};
use crate::words::{DialEvent, DialRecord, RecordingEvent, RecordingTrack, RingTone, Trim};
use model::method::Method;

/// The most targets of one Dial (docs/compat/twiml-dial.md, dial-7).
pub const TARGET_LIMIT: usize = 10;

element! {
    /// Calls somebody else and connects them with the caller.
    ///
    /// `<Dial timeout="20" action="/after"><Number>+15551234567</Number></Dial>`
    pub struct Dial in "Dial" {
        /// Where the call goes on afterwards, as written; absent: the next verb.
        action: Option<String> = None, "action", Maybe(UrlReference), 11100;
        /// How `action` is asked.
        method: Method = Method::Post, "method", MethodName, 13210;
        /// How long it may ring, as written; the 5 s upstream adds are not in here.
        timeout: Duration = Duration::from_secs(30), "timeout", Seconds(5, 600), 13212;
        /// Whether the caller may end the dialled call with `*`.
        hangup_on_star: bool = false, "hangupOnStar", Flag, 13213;
        /// The longest the connected call may last.
        time_limit: Duration = Duration::from_secs(14_400), "timeLimit", Seconds(1, 86_400), 13216;
        /// What the called party sees; absent: the caller's own.
        caller_id: Option<String> = None, "callerId", Maybe(Text), 13214;
        /// Why the call is made, as the called party may see it.
        call_reason: Option<String> = None, "callReason", Maybe(Text), 12200;
        /// Whether and from when it is recorded.
        record: DialRecord = DialRecord::DoNotRecord, "record", OneWord, 13217;
        /// Whether silence at both ends of the recording is cut off.
        trim: Trim = Trim::DoNotTrim, "trim", OneWord, 13699;
        /// Which direction is recorded.
        recording_track: RecordingTrack = RecordingTrack::Both, "recordingTrack", OneWord, 13622;
        /// Where the state of the recording is reported, as written.
        recording_status_callback: Option<String> = None, "recordingStatusCallback", Maybe(UrlReference), 13256;
        /// How `recording_status_callback` is asked.
        recording_status_callback_method: Method = Method::Post, "recordingStatusCallbackMethod", MethodName, 12200;
        /// Which states are reported.
        recording_status_callback_event: Vec<RecordingEvent> = vec![RecordingEvent::Completed], "recordingStatusCallbackEvent", WordList, 13621;
        /// Whether the caller's own call is answered only when the other answers.
        answer_on_bridge: bool = false, "answerOnBridge", Flag, 13219;
        /// The ring-back the caller hears; absent: that of the called side.
        ring_tone: Option<RingTone> = None, "ringTone", Maybe(OneWord), 13220;
        /// Whether the targets are called one after another instead of at once.
        sequential: bool = false, "sequential", Flag, 13218;
        /// The document that decides on a SIP REFER of the called party, as written.
        refer_url: Option<String> = None, "referUrl", Maybe(UrlReference), 11100;
        /// How `refer_url` is asked.
        refer_method: Method = Method::Post, "referMethod", MethodName, 12200;
        /// Events asked for beyond the callbacks.
        events: Vec<DialEvent> = Vec::new(), "events", WordList, 12200;
        /// The stored settings of the recording.
        recording_configuration_id: Option<String> = None, "recordingConfigurationId", Maybe(Text), 12200;
    } holds {
        /// Who is called, 1 to 10; a Conference or a Queue is alone.
        targets: Vec<Placed<DialTarget>>,
    }
}

choice! {
    /// Who or what a Dial connects to.
    pub enum DialTarget {
        /// A telephone number; also what text directly inside Dial becomes.
        Number(Number),
        /// A registered client.
        Client(Client),
        /// A SIP address.
        Sip(Sip),
        /// A SIM card.
        Sim(Sim),
        /// A WhatsApp number.
        WhatsApp(WhatsApp),
        /// A TwiML application.
        Application(Application),
        /// A conference, joined.
        Conference(Conference),
        /// A queue, of which the first member is taken.
        Queue(Queue),
    }
}

impl DialTarget {
    /// Whether it cannot be dialled together with others.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, DialTarget::Conference(_) | DialTarget::Queue(_))
    }
}

impl Element for Dial {
    fn take_content(&mut self, reader: &mut Reader<'_>, node: Node<'_>) -> bool {
        let text = read::own_text(node);
        if node.children().any(|child| child.is_element()) {
            if !text.is_empty() {
                reader.warn(
                    node,
                    13215,
                    "text inside Dial beside nouns is ignored; write it as a Number",
                );
            }
            self.targets = take_targets(reader, node);
        } else if let Some(number) = Number::from_text(reader, node, &text) {
            let position = reader.position_of(node);
            self.targets
                .push(Placed::new(DialTarget::Number(number), position));
        } else {
            return false;
        }
        if self.targets.is_empty() {
            reader.missing(node, 13215, "somebody to dial");
        }
        !self.targets.is_empty()
    }

    fn give_content(&self, printer: &mut Printer) {
        printer.choices(self.targets.iter().map(|placed| &placed.value));
    }
}

/// Reads the nouns; the first decides whether it is alone.
fn take_targets(reader: &mut Reader<'_>, node: Node<'_>) -> Vec<Placed<DialTarget>> {
    let mut targets: Vec<Placed<DialTarget>> = Vec::new();
    reader.inside(node, DialTarget::TAGS, 13215, |reader, child| {
        if targets.len() >= TARGET_LIMIT {
            reader.warn(
                child,
                13250,
                format!("Dial holds more than {TARGET_LIMIT} nouns, this one is ignored"),
            );
            return;
        }
        let position = reader.position_of(child);
        let Some(target) = DialTarget::take(reader, child) else {
            return;
        };
        let alone = targets
            .first()
            .is_some_and(|first| first.value.is_exclusive());
        if alone || (target.is_exclusive() && !targets.is_empty()) {
            reader.warn(
                child,
                13215,
                format!(
                    "{} is ignored: a Conference or Queue must be the only noun of its Dial",
                    target.name()
                ),
            );
            return;
        }
        targets.push(Placed::new(target, position));
    });
    targets
}
