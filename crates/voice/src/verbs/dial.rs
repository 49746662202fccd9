//! `Dial`: calls others and connects one of them.
//!
//! ```text
//!            first child ready               child ends, caller's *, timeLimit
//!  ringing ───────────────────► connected ───────────────────────────────────► over
//!     │   (the others end)                                                      ▲
//!     └── the last child ended: next one (sequential), or ──────────────────────┘
//! ```
//!
//! A child is ready when it has answered and its whisper document is over. Each child watches the
//! dial timeout itself. Over means: action, or the next verb. When the caller hangs up the verb
//! stays until its children have ended, so that the action can tell how they fared.

use std::collections::VecDeque;
use std::time::Duration;

use model::call::{CallRecord, CallStatus, Direction};
use model::method::Method;
use model::phone_number::PhoneNumber;
use model::sid::CallSid;
use twiml::nouns::{Client, Header, Number, Sip, Uri};
use twiml::verbs::DialTarget;
use twiml::words::CallEvent;

use super::{Event, Goto, Step};
use crate::call::{Address, Child, Ending, Placement};
use crate::chance::Chance;
use crate::cx::Cx;
use crate::effect::Sound;
use crate::group::{self, Winner};
use crate::input::{CallEvents, Instructions};
use crate::intent::{Intent, News, Outcome};
use crate::request::put;

pub(crate) struct Dial {
    verb: twiml::verbs::Dial,
    /// Who is to be called, if those before do not answer.
    waiting: VecDeque<Target>,
    /// Who rings, or has rung, in the group that is called now.
    called: Vec<(CallSid, String)>,
    connected: Option<CallSid>,
    /// How the child fared that counts.
    result: Option<(CallSid, Outcome)>,
}

/// One destination.
struct Target {
    to: String,
    /// Its further addresses, if nobody is to be reached at the first.
    elsewhere: VecDeque<Address>,
    send_digits: Option<String>,
    sip_auth: Option<(String, String)>,
    /// Words for the page of a client.
    parameters: Vec<(String, String)>,
    instructions: Instructions,
}

const NO_DETECTION: &str = "answering machines are not detected yet";

pub(crate) fn start(mut verb: twiml::verbs::Dial, cx: &mut Cx) -> Step<Dial> {
    unexecuted(&verb, cx);
    let mut waiting = VecDeque::new();
    for target in std::mem::take(&mut verb.targets) {
        if waiting.len() < cx.policy.dial_destinations {
            waiting.extend(read(target.value, cx));
        }
    }
    if waiting.is_empty() {
        return Step::Next;
    }
    if verb.answer_on_bridge {
        cx.ring(true);
    } else {
        cx.answer();
    }
    let tone = verb.ring_tone.map(|tone| tone.as_str().to_owned());
    let tone = tone.unwrap_or_else(|| cx.policy.ring_tone.clone());
    cx.play(Sound::Ringback(tone), 0);
    let mut dial = Dial {
        verb,
        waiting,
        called: Vec::new(),
        connected: None,
        result: None,
    };
    dial.call(cx);
    Step::Stay(dial)
}

/// What is read and not done, named.
fn unexecuted(verb: &twiml::verbs::Dial, cx: &mut Cx) {
    let usual = twiml::verbs::Dial::default();
    let recording = [
        ("record", verb.record != usual.record),
        ("trim", verb.trim != usual.trim),
        (
            "recordingTrack",
            verb.recording_track != usual.recording_track,
        ),
        (
            "recordingStatusCallback",
            verb.recording_status_callback.is_some(),
        ),
        (
            "recordingStatusCallbackMethod",
            verb.recording_status_callback_method != usual.recording_status_callback_method,
        ),
        (
            "recordingStatusCallbackEvent",
            verb.recording_status_callback_event != usual.recording_status_callback_event,
        ),
        (
            "recordingConfigurationId",
            verb.recording_configuration_id.is_some(),
        ),
    ];
    cx.unexecuted("Dial", "calls are not recorded yet", &recording);
    let refer = [
        ("referUrl", verb.refer_url.is_some()),
        ("referMethod", verb.refer_method != usual.refer_method),
    ];
    cx.unexecuted(
        "Dial",
        "a REFER of the called party is declined yet",
        &refer,
    );
    let reason = [("callReason", verb.call_reason.is_some())];
    let why = "no network here can show the called party a reason";
    cx.unexecuted("Dial", why, &reason);
    let events = [("events", !verb.events.is_empty())];
    let why = "progress is told to the statusCallback of each noun";
    cx.unexecuted("Dial", why, &events);
}

/// What a noun asks for; nothing if it cannot be dialled yet.
fn read(target: DialTarget, cx: &mut Cx) -> Option<Target> {
    match target {
        DialTarget::Number(noun) => Some(number(noun, cx)),
        DialTarget::Client(noun) => Some(client(noun, cx)),
        DialTarget::Sip(noun) => sip(noun, cx),
        other => {
            let text = format!("{} is not dialled yet and was passed over", other.name());
            cx.alert(12200, false, text);
            None
        }
    }
}

/// The attributes of answering machine detection that are written: `Number` and `Sip` have the same.
macro_rules! detection {
    ($noun:expr, $usual:expr) => {{
        let usual = $usual;
        [
            ("machineDetection", $noun.machine_detection.is_some()),
            (
                "machineDetectionTimeout",
                $noun.machine_detection_timeout != usual.machine_detection_timeout,
            ),
            (
                "machineDetectionSpeechThreshold",
                $noun.machine_detection_speech_threshold
                    != usual.machine_detection_speech_threshold,
            ),
            (
                "machineDetectionSpeechEndThreshold",
                $noun.machine_detection_speech_end_threshold
                    != usual.machine_detection_speech_end_threshold,
            ),
            (
                "machineDetectionSilenceTimeout",
                $noun.machine_detection_silence_timeout != usual.machine_detection_silence_timeout,
            ),
            ("amdStatusCallback", $noun.amd_status_callback.is_some()),
            (
                "amdStatusCallbackMethod",
                $noun.amd_status_callback_method != usual.amd_status_callback_method,
            ),
        ]
    }};
}

fn number(noun: Number, cx: &mut Cx) -> Target {
    let detection = detection!(noun, Number::default());
    cx.unexecuted("Number", NO_DETECTION, &detection);
    let trunk = [("byoc", noun.byoc.is_some())];
    let why = "the trunk is chosen by the number; give the trunk its prefixes";
    cx.unexecuted("Number", why, &trunk);
    let whisper = (noun.url, noun.method);
    let callback = (
        noun.status_callback,
        noun.status_callback_method,
        noun.status_callback_event,
    );
    // compat number-6: what people write becomes what trunks know.
    let to = PhoneNumber::lenient(&noun.number).map_or(noun.number, |number| number.to_string());
    Target {
        to,
        elsewhere: VecDeque::new(),
        send_digits: noun.send_digits,
        sip_auth: None,
        parameters: Vec::new(),
        instructions: instructions(whisper, callback, cx),
    }
}

fn client(noun: Client, cx: &mut Cx) -> Target {
    let told = [(
        "clientNotificationUrl",
        noun.client_notification_url.is_some(),
    )];
    let why = "no push notification is sent yet";
    cx.unexecuted("Client", why, &told);
    let whisper = (noun.url, noun.method);
    let callback = (
        noun.status_callback,
        noun.status_callback_method,
        noun.status_callback_event,
    );
    // What is written behind the identity is for the page, as in a REST call's `To`.
    let (identity, query) = noun
        .identity
        .split_once('?')
        .unwrap_or((&noun.identity, ""));
    let to = format!("client:{identity}");
    let parameters = words(query)
        .into_iter()
        .chain(noun.parameters.into_iter().map(|one| (one.name, one.value)));
    let parameters = parameters.collect();
    Target {
        to,
        elsewhere: VecDeque::new(),
        send_digits: None,
        sip_auth: None,
        parameters,
        instructions: instructions(whisper, callback, cx),
    }
}

fn sip(noun: Sip, cx: &mut Cx) -> Option<Target> {
    let detection = detection!(noun, Sip::default());
    cx.unexecuted("Sip", NO_DETECTION, &detection);
    let headers = &noun.headers;
    let usual = (&noun.username, &noun.password);
    let mut addresses: VecDeque<Address> = in_order(noun.uris, &mut cx.out.chance)
        .into_iter()
        .map(|uri| Address {
            to: with_headers(uri.uri, headers),
            sip_auth: (uri.username.or_else(|| usual.0.clone()))
                .zip(uri.password.or_else(|| usual.1.clone())),
        })
        .collect();
    let first = addresses.pop_front()?;
    let whisper = (noun.url, noun.method);
    let callback = (
        noun.status_callback,
        noun.status_callback_method,
        noun.status_callback_event,
    );
    Some(Target {
        to: first.to,
        elsewhere: addresses,
        send_digits: None,
        sip_auth: first.sip_auth,
        parameters: Vec::new(),
        instructions: instructions(whisper, callback, cx),
    })
}

/// Addresses in the order in which they are tried: the least priority first, and among equals by
/// chance, each in proportion to its weight (RFC 2782; compat sip-5). Without a priority an address
/// comes last.
fn in_order(mut uris: Vec<Uri>, chance: &mut Chance) -> Vec<Uri> {
    uris.sort_by_key(|uri| uri.priority.unwrap_or(u32::MAX));
    let mut ordered = Vec::with_capacity(uris.len());
    while let Some(priority) = uris.first().map(|uri| uri.priority) {
        let equals = uris
            .iter()
            .take_while(|uri| uri.priority == priority)
            .count();
        let weight = |uri: &Uri| u64::from(uri.weight.unwrap_or(1));
        let total = uris[..equals].iter().map(weight).sum();
        // Drawn only where there is something to decide, so that one address costs no chance.
        let mut drawn = if equals > 1 { chance.below(total) } else { 0 };
        let mut pick = 0;
        for (at, uri) in uris[..equals].iter().enumerate() {
            pick = at;
            if drawn < weight(uri) {
                break;
            }
            drawn -= weight(uri);
        }
        ordered.push(uris.remove(pick));
    }
    ordered
}

/// Headers travel in the address.
fn with_headers(mut uri: String, headers: &[Header]) -> String {
    for header in headers {
        uri.push(if uri.contains('?') { '&' } else { '?' });
        let (name, value) = (escaped(&header.name), escaped(&header.value));
        uri.push_str(&format!("{name}={value}"));
    }
    uri
}

/// What the called party hears first, and who is told how it fares.
fn instructions(
    (url, method): (Option<String>, Method),
    (callback, status_callback_method, events): (Option<String>, Method, Vec<CallEvent>),
    cx: &mut Cx,
) -> Instructions {
    let has = |event| events.contains(&event);
    let mut absolute = |url: Option<String>| {
        let url = url.filter(|url| !url.is_empty())?;
        cx.resolve_or_warn(&url)
    };
    Instructions {
        url: absolute(url),
        method,
        status_callback: absolute(callback),
        status_callback_method,
        status_callback_events: CallEvents {
            initiated: has(CallEvent::Initiated),
            ringing: has(CallEvent::Ringing),
            answered: has(CallEvent::Answered),
            completed: has(CallEvent::Completed),
        },
        twiml: None,
        fallback_url: None,
        fallback_method: Method::Post,
    }
}

/// The words of `hat=red&coat=blue`, decoded.
fn words(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// A header of a SIP URI, with what its grammar forbids escaped (RFC 3261 section 25.1, hnv-unreserved).
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                escaped.push(byte as char)
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

impl Dial {
    /// Calls the next destination, or all of them.
    fn call(&mut self, cx: &mut Cx) {
        let count = if self.verb.sequential {
            1
        } else {
            self.waiting.len()
        };
        let targets: Vec<Target> = (self.waiting)
            .drain(..count.min(self.waiting.len()))
            .collect();
        let group: Vec<String> = targets.iter().map(|target| shown(&target.to)).collect();
        self.called.clear();
        for (target, to) in targets.into_iter().zip(&group) {
            let child = place(target, &self.verb, &group, cx);
            self.called.push((child, to.clone()));
        }
    }

    /// Who was connected.
    fn winner(&self) -> Option<Winner> {
        let call = self.connected?;
        let (_, to) = self.called.iter().find(|(called, _)| *called == call)?;
        let to = to.clone();
        Some(Winner { call, to })
    }

    pub fn handle(mut self, event: Event, cx: &mut Cx) -> Step<Dial> {
        match event {
            Event::News(child, News::Ready) => {
                self.ready(child, cx);
                Step::Stay(self)
            }
            Event::News(child, News::Ended(outcome) | News::Left(outcome)) => {
                self.ended(child, outcome, cx)
            }
            Event::News(_, News::Answered) => Step::Stay(self),
            Event::Digit('*') if self.verb.hangup_on_star => {
                self.disconnect(cx);
                Step::Stay(self)
            }
            Event::Timeout => {
                self.disconnect(cx);
                Step::Stay(self)
            }
            _ => Step::Stay(self),
        }
    }

    /// The first child that is ready is connected; the others end.
    fn ready(&mut self, child: CallSid, cx: &mut Cx) {
        if self.connected.is_some() {
            return self.lost(child, cx);
        }
        self.connected = Some(child);
        self.waiting.clear();
        cx.stop();
        cx.answer();
        if let Some(winner) = self.winner().filter(|_| self.called.len() > 1) {
            let group: Vec<String> = self.called.iter().map(|(_, to)| to.clone()).collect();
            let event = group::decided(&cx.body.record, &group, &winner, cx.now.wall);
            cx.save_with(Vec::new(), vec![event]);
        }
        let parent = cx.sid();
        cx.wish(Intent::Join { parent, child });
        for other in cx.body.children.clone() {
            if other != child {
                self.lost(other, cx);
            }
        }
        cx.wait(self.verb.time_limit);
    }

    /// Another was faster.
    fn lost(&self, call: CallSid, cx: &mut Cx) {
        let mut unanswered = Ending::new(CallStatus::Canceled).sip(487);
        unanswered.winner = self.winner();
        cx.wish(Intent::End { call, unanswered });
    }

    fn ended(mut self, child: CallSid, mut outcome: Outcome, cx: &mut Cx) -> Step<Dial> {
        let counts = self.connected.is_none_or(|connected| connected == child);
        if counts {
            if self.connected.is_none() && outcome.status == CallStatus::Completed {
                // It answered and then declined, or was not there when the other was connected.
                outcome.status = CallStatus::NoAnswer;
            }
            cx.body.dialled = match outcome.status {
                CallStatus::Busy => Some((CallStatus::Busy, outcome.sip_status.unwrap_or(486))),
                CallStatus::Failed => Some((CallStatus::Failed, outcome.sip_status.unwrap_or(500))),
                CallStatus::NoAnswer | CallStatus::Canceled => Some((CallStatus::NoAnswer, 480)),
                _ => None,
            }
            .filter(|(_, sip_status)| (400..700).contains(sip_status));
            self.result = Some((child, outcome));
        }
        if self.connected == Some(child) {
            return self.over();
        }
        if !cx.body.children.is_empty() || self.connected.is_some() {
            return Step::Stay(self);
        }
        if self.waiting.is_empty() {
            return self.over();
        }
        self.call(cx);
        Step::Stay(self)
    }

    fn disconnect(&mut self, cx: &mut Cx) {
        if let Some(child) = self.connected {
            end(child, cx);
        }
    }

    /// The caller is gone: so go the children.
    pub fn leave(mut self, cx: &mut Cx) -> Step<Dial> {
        self.waiting.clear();
        for child in cx.body.children.clone() {
            end(child, cx);
        }
        if cx.body.children.is_empty() {
            return self.over();
        }
        Step::Stay(self)
    }

    fn over(self) -> Step<Dial> {
        let (Some(url), Some((child, outcome))) =
            (self.verb.action.filter(|url| !url.is_empty()), self.result)
        else {
            return Step::Next;
        };
        let mut p = Vec::new();
        put(&mut p, "DialCallStatus", outcome.status);
        put(&mut p, "DialCallSid", child);
        if outcome.duration > 0 || self.connected.is_some() {
            put(&mut p, "DialCallDuration", outcome.duration);
        }
        put(&mut p, "DialBridged", self.connected.is_some());
        if let Some(status) = outcome.sip_status.filter(|_| outcome.sip) {
            put(&mut p, "DialSipResponseCode", status);
        }
        // compat dial-13
        if let Some(response) = outcome.sip_response.filter(|_| outcome.sip) {
            put(&mut p, "DialSipCallId", response.call_id);
            for (name, value) in response.headers {
                put(&mut p, &format!("DialSipHeader_{name}"), value);
            }
        }
        if let Some(code) = outcome.error {
            put(&mut p, "ErrorCode", code);
        }
        Step::Goto(Goto {
            url: Some(url),
            method: self.verb.method,
            parameters: p,
        })
    }
}

fn end(call: CallSid, cx: &mut Cx) {
    let unanswered = Ending::new(CallStatus::Canceled).sip(487);
    cx.wish(Intent::End { call, unanswered });
}

/// Wants a child call; it begins as ringing, without waiting for a turn (contract 6.2).
fn place(target: Target, verb: &twiml::verbs::Dial, group: &[String], cx: &mut Cx) -> CallSid {
    let parent = &cx.body.record;
    let caller_id = verb.caller_id.clone().filter(|id| !id.is_empty());
    // What was verified is the caller's own number; a page has none, and may say what it likes.
    let own = caller_id.is_none() && parent.from.starts_with('+');
    let verified = (cx.body.parameters.iter())
        .find(|(name, _)| own && name == "StirVerstat")
        .map(|(_, word)| word.clone());
    let from = caller_id.unwrap_or_else(|| parent.from.clone());
    let record = CallRecord {
        parent: Some(parent.sid),
        to: target.to,
        from: from.clone(),
        ..CallRecord::new(
            cx.out.chance.call(),
            parent.account,
            Direction::OutboundDial,
            cx.now.wall,
        )
    };
    let (sid, application) = (record.sid, parent.application);
    cx.body.children.push(sid);
    let stream = cx.body.stream;
    cx.wish(Intent::Dial(Box::new(Child {
        record,
        instructions: target.instructions,
        stream,
        placement: Placement {
            from,
            timeout: verb.timeout,
            send_digits: target.send_digits,
            sip_auth: target.sip_auth,
            parameters: target.parameters,
            verified,
            elsewhere: target.elsewhere,
            group: group.to_vec(),
            application,
        },
        // The parent's own limit ends the child too; this one only bounds a child sent elsewhere.
        time_limit: cx.policy.time_limit.max(Duration::from_secs(1)),
    })));
    sid
}

/// An address as others may see it: the headers that travel in it are for the called party alone.
fn shown(to: &str) -> String {
    to.split_once('?')
        .map_or(to, |(address, _)| address)
        .to_owned()
}
