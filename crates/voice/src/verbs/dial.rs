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
use model::sid::CallSid;
use twiml::verbs::DialTarget;
use twiml::words::{CallEvent, DialRecord};

use super::{Event, Goto, Step};
use crate::call::{Child, Ending, Placement};
use crate::cx::Cx;
use crate::effect::Sound;
use crate::input::{CallEvents, Instructions};
use crate::intent::{Intent, News, Outcome};
use crate::request::put;

pub(crate) struct Dial {
    verb: twiml::verbs::Dial,
    /// Who is to be called, if those before do not answer.
    waiting: VecDeque<Target>,
    connected: Option<CallSid>,
    /// How the child fared that counts.
    result: Option<(CallSid, Outcome)>,
}

/// One destination.
struct Target {
    to: String,
    send_digits: Option<String>,
    sip_auth: Option<(String, String)>,
    instructions: Instructions,
}

pub(crate) fn start(mut verb: twiml::verbs::Dial, cx: &mut Cx) -> Step<Dial> {
    if verb.record != DialRecord::DoNotRecord {
        cx.alert(12200, false, "Dial does not record yet");
    }
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
        cx.ring();
    } else {
        cx.answer();
    }
    if cx.answered() {
        let tone = verb.ring_tone.map(|tone| tone.as_str().to_owned());
        let tone = tone.unwrap_or_else(|| cx.policy.ring_tone.clone());
        cx.play(Sound::Ringback(tone), 0);
    }
    let mut dial = Dial {
        verb,
        waiting,
        connected: None,
        result: None,
    };
    dial.call(cx);
    Step::Stay(dial)
}

/// What a noun asks for; nothing if it cannot be dialled yet.
fn read(target: DialTarget, cx: &mut Cx) -> Option<Target> {
    let (to, send_digits, sip_auth, url, method, callback, detects) = match target {
        DialTarget::Number(n) => (
            n.number,
            n.send_digits,
            None,
            n.url,
            n.method,
            (
                n.status_callback,
                n.status_callback_method,
                n.status_callback_event,
            ),
            n.machine_detection.is_some(),
        ),
        DialTarget::Client(c) => (
            format!("client:{}", c.identity),
            None,
            None,
            c.url,
            c.method,
            (
                c.status_callback,
                c.status_callback_method,
                c.status_callback_event,
            ),
            false,
        ),
        DialTarget::Sip(s) => {
            let uri = s
                .uris
                .into_iter()
                .min_by_key(|uri| uri.priority.unwrap_or(u32::MAX))?;
            let user = uri.username.or(s.username);
            let password = uri.password.or(s.password);
            let mut to = uri.uri;
            for header in s.headers {
                to.push(if to.contains('?') { '&' } else { '?' });
                to.push_str(&format!(
                    "{}={}",
                    escaped(&header.name),
                    escaped(&header.value)
                ));
            }
            (
                to,
                None,
                user.zip(password),
                s.url,
                s.method,
                (
                    s.status_callback,
                    s.status_callback_method,
                    s.status_callback_event,
                ),
                s.machine_detection.is_some(),
            )
        }
        other => {
            let text = format!("{} is not dialled yet and was passed over", other.name());
            cx.alert(12200, false, text);
            return None;
        }
    };
    if detects {
        cx.alert(12200, false, "machineDetection is not executed yet");
    }
    let (status_callback, status_callback_method, events) = callback;
    let has = |event| events.contains(&event);
    let status_callback_events = CallEvents {
        initiated: has(CallEvent::Initiated),
        ringing: has(CallEvent::Ringing),
        answered: has(CallEvent::Answered),
        completed: has(CallEvent::Completed),
    };
    let url = url.filter(|url| !url.is_empty());
    let status_callback = status_callback.filter(|url| !url.is_empty());
    Some(Target {
        to,
        send_digits,
        sip_auth,
        instructions: Instructions {
            url: url.and_then(|url| cx.resolve_or_warn(&url)),
            method,
            status_callback: status_callback.and_then(|url| cx.resolve_or_warn(&url)),
            status_callback_method,
            status_callback_events,
            twiml: None,
            fallback_url: None,
            fallback_method: Method::Post,
        },
    })
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
        for target in self.waiting.drain(..count.min(self.waiting.len())) {
            place(target, &self.verb, cx);
        }
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
            return end(child, cx);
        }
        self.connected = Some(child);
        self.waiting.clear();
        cx.stop();
        cx.answer();
        let parent = cx.sid();
        cx.wish(Intent::Join { parent, child });
        for other in cx.body.children.clone() {
            if other != child {
                end(other, cx);
            }
        }
        cx.wait(self.verb.time_limit);
    }

    fn ended(mut self, child: CallSid, mut outcome: Outcome, cx: &mut Cx) -> Step<Dial> {
        let counts = self.connected.is_none_or(|connected| connected == child);
        if counts {
            if self.connected.is_none() && outcome.status == CallStatus::Completed {
                // It answered and then declined, or was not there when the other was connected.
                outcome.status = CallStatus::NoAnswer;
            }
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
fn place(target: Target, verb: &twiml::verbs::Dial, cx: &mut Cx) {
    let parent = &cx.body.record;
    let caller_id = verb.caller_id.clone().filter(|id| !id.is_empty());
    let from = caller_id.unwrap_or_else(|| parent.from.clone());
    let record = CallRecord {
        sid: cx.out.chance.call(),
        account: parent.account,
        parent: Some(parent.sid),
        to: target.to,
        from: from.clone(),
        phone_number: None,
        application: None,
        trunk: None,
        status: CallStatus::Ringing,
        direction: Direction::OutboundDial,
        created: cx.now.wall,
        updated: cx.now.wall,
        started: None,
        answered: None,
        ended: None,
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: None,
        caller_name: None,
    };
    cx.body.children.push(record.sid);
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
        },
        // The parent's own limit ends the child too; this one only bounds a child sent elsewhere.
        time_limit: cx.policy.time_limit.max(Duration::from_secs(1)),
    })));
}
