//! One call: status, program, running verb, leg. It ends exactly once.
//!
//! ```text
//!  waiting ──answered──► sending digits ──► loading ◄──► running a verb ──► over
//!     │  (queued, ringing out)                 ▲              │              ▲
//!     │  incoming ─────────────────────────────┘              │ Dial's child:│
//!     │                                                       ▼              │
//!     └────────────────── child of a Dial ──────────────► handed ────────────┘
//! ```
//!
//! Answers to questions that were given up (fetches, playbacks) are dropped here by their id, so no
//! verb ever sees one.

pub(crate) mod leg;
pub(crate) mod outgoing;
pub(crate) mod status;

use std::time::{Duration, Instant};

use model::call::{CallRecord, CallStatus, Direction};
use model::method::Method;
use model::sid::CallSid;

pub(crate) use self::leg::Ending;
pub(crate) use self::outgoing::{Address, Placement};
use crate::bridge::{self, Peer};
use crate::callback::{self, Progress};
use crate::cx::Cx;
use crate::deadline::Deadline;
use crate::effect::{Effect, Fetch, LegCommand, MediaCommand, Reason, Reply};
use crate::group::{self, Loss};
use crate::input::{
    Change, FetchFailure, FetchId, Fetched, Instructions, LegEvent, LegId, Modify, PlaybackId,
    Redirect, RequestId, SipResponse,
};
use crate::intent::{Intent, News, Outcome};
use crate::program::Program;
use crate::request::{Parameters, put, put_all, standard};
use crate::verbs::{self, Goto, Running, Step};

/// What a verb may see of its call.
pub(crate) struct Body {
    pub record: CallRecord,
    /// Its attachment, until that is gone.
    pub leg: Option<LegId>,
    pub instructions: Instructions,
    /// Further parameters of every request about it.
    pub parameters: Parameters,
    /// Steps reported so far, or passed over in silence.
    pub sequence: u32,
    /// The order in which its callbacks are delivered: its parent's, or its own.
    pub stream: CallSid,
    /// The call that waits for it; none once it was sent elsewhere.
    pub parent: Option<CallSid>,
    /// Children that its `Dial` waits for.
    pub children: Vec<CallSid>,
    pub peer: Option<Peer>,
    pub playback: Option<PlaybackId>,
    /// Whether it hears itself.
    pub echo: bool,
    /// Address of the running document: the base of its URLs.
    pub base: Option<String>,
    pub time_limit: Duration,
    /// Final SIP status of an outgoing call.
    pub sip_status: Option<u16>,
    /// The final response of an outgoing call, if one came over SIP.
    pub sip_response: Option<SipResponse>,
    /// Told to the debugger so far.
    pub alerts: u32,
    /// Code and text of its failure.
    pub error: Option<(u32, String)>,
    /// Everybody who was called together with it, itself included.
    pub group: Vec<String>,
    /// How its last `Dial` came to nothing, and with which SIP status: what a caller is told who was
    /// not answered meanwhile.
    pub dialled: Option<(CallStatus, u16)>,
    /// Why it came to nothing, if that was not its own doing.
    pub loss: Option<Loss>,
}

/// A call that a `Dial` wants to place.
pub(crate) struct Child {
    pub record: CallRecord,
    pub instructions: Instructions,
    pub stream: CallSid,
    pub placement: Placement,
    pub time_limit: Duration,
}

/// One call.
pub(crate) struct Call {
    pub body: Body,
    pub course: Course,
}

/// Where a call stands in its life, and in its program.
pub(crate) struct Course {
    doing: Doing,
    program: Option<Program>,
    /// It is to end as soon as its children have.
    leaving: Option<Ending>,
    /// How to place it, while that is ahead.
    placement: Option<Placement>,
    /// Its place in the queue of its account.
    pub place: Option<u64>,
    /// Who is to be told that it has ended.
    asked_by: Option<RequestId>,
    rang: bool,
    /// When it has rung long enough, once it is placed.
    ring_until: Option<Instant>,
    documents: u32,
}

enum Doing {
    /// Queued, or ringing out.
    Waiting,
    /// `SendDigits`, before the program.
    SendingDigits,
    /// A document was asked for.
    Loading(Loading),
    Verb(Running),
    /// A child that waits to be joined, or is.
    Handed,
    Over,
}

struct Loading {
    fetch: FetchId,
    url: String,
    method: Method,
    fallback: bool,
}

/// What can happen to a call.
pub(crate) enum Event {
    /// It begins: a caller waits for us.
    Incoming,
    /// It begins: its turn has come, or a `Dial` wants it.
    Place,
    /// It cannot begin.
    Refuse(Ending),
    Leg(LegEvent),
    Fetched(FetchId, Result<Fetched, FetchFailure>),
    Timeout(Deadline),
    Modify(RequestId, Modify),
    /// From its child.
    News(CallSid, News),
    /// From its parent: nobody wants it any more.
    End(Ending),
    Joined(Peer),
    Parted,
}

impl Call {
    pub fn new(record: CallRecord, instructions: Instructions, time_limit: Duration) -> Self {
        Call {
            body: Body {
                leg: None,
                instructions,
                parameters: Vec::new(),
                sequence: 0,
                stream: record.sid,
                parent: None,
                children: Vec::new(),
                peer: None,
                playback: None,
                echo: false,
                base: None,
                time_limit,
                sip_status: None,
                sip_response: None,
                alerts: 0,
                error: None,
                group: Vec::new(),
                dialled: None,
                loss: None,
                record,
            },
            course: Course {
                doing: Doing::Waiting,
                program: None,
                leaving: None,
                placement: None,
                place: None,
                asked_by: None,
                rang: false,
                ring_until: None,
                documents: 0,
            },
        }
    }

    /// With the way in which it is to be placed.
    pub fn placed(mut self, placement: Placement) -> Self {
        self.course.placement = Some(placement);
        self
    }

    pub fn child(child: Child) -> Self {
        let mut call = Call::new(child.record, child.instructions, child.time_limit);
        call.body.stream = child.stream;
        call.body.parent = call.body.record.parent;
        call.body.group = child.placement.group.clone();
        call.placed(child.placement)
    }
}

impl Course {
    pub fn is_over(&self) -> bool {
        matches!(self.doing, Doing::Over)
    }

    /// What it does, for the console.
    pub fn doing(&self) -> &'static str {
        match &self.doing {
            Doing::Waiting => "waiting",
            Doing::SendingDigits => "sending digits",
            Doing::Loading(_) => "asking for a document",
            Doing::Verb(verb) => verb.name(),
            Doing::Handed => "in a Dial",
            Doing::Over => "over",
        }
    }

    pub fn handle(&mut self, event: Event, cx: &mut Cx) {
        match event {
            Event::Incoming => {
                let at = cx.now.instant + cx.policy.answer_timeout;
                cx.out.deadlines.set(Deadline::Ring(cx.sid()), at);
                cx.save(None);
                self.begin(cx);
            }
            Event::Place => self.place(cx),
            Event::Refuse(ending) => self.refuse(ending, cx),
            Event::Leg(event) => self.leg(event, cx),
            Event::Fetched(fetch, result) => self.fetched(fetch, result, cx),
            Event::Timeout(deadline) => self.timeout(deadline, cx),
            Event::Modify(request, change) => self.modify(request, change, cx),
            Event::News(child, news) => {
                if matches!(news, News::Left(_) | News::Ended(_)) {
                    cx.body.children.retain(|sid| *sid != child);
                }
                self.verb(verbs::Event::News(child, news), cx);
            }
            Event::End(ending) => self.leave(ending, cx),
            Event::Joined(peer) => {
                cx.stop();
                if let Doing::Handed | Doing::Verb(_) = self.doing {
                    cx.body.peer = Some(peer);
                }
            }
            Event::Parted => cx.body.peer = None,
        }
    }

    /// Ends the call for a reason that its owner must learn.
    fn refuse(&mut self, ending: Ending, cx: &mut Cx) {
        if let Some((code, message)) = ending.error.clone() {
            cx.alert(code, true, message);
        }
        self.leave(ending, cx);
    }

    fn leg(&mut self, event: LegEvent, cx: &mut Cx) {
        let outgoing = cx.body.record.direction != Direction::Inbound;
        match event {
            LegEvent::Ringing { .. } => {
                if outgoing && !cx.answered() && !self.rang {
                    self.rings(cx);
                }
            }
            LegEvent::Response(response) => {
                if outgoing && !cx.answered() {
                    cx.body.sip_response = Some(response);
                }
            }
            LegEvent::Answered => {
                if outgoing && !cx.answered() {
                    self.answered(cx);
                }
            }
            LegEvent::Failed { sip_status, code } => {
                self.leg_gone(cx);
                if outgoing::is_unreachable(sip_status, code) && self.place_elsewhere(cx) {
                    return;
                }
                let ending = unreachable(sip_status, code, &cx.body.record.from);
                self.refuse(ending, cx);
            }
            LegEvent::HungUp => {
                self.leg_gone(cx);
                let unanswered = if outgoing {
                    CallStatus::NoAnswer
                } else {
                    CallStatus::Canceled
                };
                self.leave(Ending::new(unanswered), cx);
            }
            LegEvent::Lost { reason } => {
                self.leg_gone(cx);
                let text = format!("The connection to the telephone was lost: {reason}");
                self.refuse(Ending::new(CallStatus::Failed).error(32011, text), cx);
            }
            LegEvent::Silent => {
                let text =
                    "No sound comes from the telephone: a firewall may keep it back, or it is gone";
                cx.alert(32014, false, text);
            }
            LegEvent::Digit(key) => self.verb(verbs::Event::Digit(key), cx),
            LegEvent::PlaybackEnded(playback) => {
                if cx.body.playback == Some(playback) {
                    cx.body.playback = None;
                    self.playback_ended(cx);
                }
            }
            LegEvent::PlaybackFailed {
                playback,
                code,
                message,
            } => {
                if cx.body.playback == Some(playback) {
                    cx.body.playback = None;
                    self.playback_failed(code, message, cx);
                }
            }
        }
    }

    /// Audio that cannot be had is a failure of the document (contract 4.3).
    fn playback_failed(&mut self, code: u32, message: String, cx: &mut Cx) {
        let unreachable = (11000..12000).contains(&code);
        if unreachable && matches!(self.doing, Doing::Verb(_)) {
            self.abandon(cx);
            self.failed(code, message, None, false, cx);
        } else {
            cx.alert(code, true, message);
            self.playback_ended(cx);
        }
    }

    fn leg_gone(&mut self, cx: &mut Cx) {
        if let Some(leg) = cx.body.leg.take() {
            cx.out.legs.remove(&leg);
            cx.body.playback = None;
            cx.body.echo = false;
            if let Some(peer) = cx.body.peer.take() {
                cx.out
                    .effects
                    .push_back(Effect::Media(peer.leg, MediaCommand::Unbridge(leg)));
                cx.wish(Intent::Parted { call: peer.call });
            }
        }
    }

    fn playback_ended(&mut self, cx: &mut Cx) {
        if matches!(self.doing, Doing::SendingDigits) {
            self.begin(cx);
        } else {
            self.verb(verbs::Event::PlaybackEnded, cx);
        }
    }

    /// Runs the program that the call was given.
    fn begin(&mut self, cx: &mut Cx) {
        let instructions = &cx.body.instructions;
        if let Some(url) = instructions.url.clone() {
            let method = instructions.method;
            self.ask(url, method, Vec::new(), false, cx);
        } else if let Some(twiml) = instructions.twiml.clone() {
            self.given(&twiml, cx);
        } else if cx.body.parent.is_some() {
            self.ready(cx);
        } else {
            let text = "Nothing says what to do with this call: give its number, domain or application a voice URL";
            self.failed(11100, text.to_owned(), None, false, cx);
        }
    }

    /// A child can be joined to its parent.
    fn ready(&mut self, cx: &mut Cx) {
        self.doing = Doing::Handed;
        if let Some(parent) = cx.body.parent {
            self.report(parent, News::Ready, cx);
        }
    }

    fn report(&mut self, parent: CallSid, news: News, cx: &mut Cx) {
        let child = cx.sid();
        cx.wish(Intent::Report {
            parent,
            child,
            news,
        });
    }

    /// Runs TwiML that was given in full.
    fn given(&mut self, twiml: &str, cx: &mut Cx) {
        cx.body.base = None;
        match Program::twiml(twiml, cx) {
            Ok(program) => self.execute(program, cx),
            Err((code, message)) => self.failed(code, message, None, false, cx),
        }
    }

    fn execute(&mut self, program: Program, cx: &mut Cx) {
        self.program = Some(program);
        self.run(Step::Next, cx);
    }

    /// Asks for a document.
    fn ask(&mut self, url: String, method: Method, more: Parameters, fallback: bool, cx: &mut Cx) {
        self.documents += 1;
        if self.documents > cx.policy.documents_per_call {
            let text = format!(
                "The call was ended because it asked for more than {} documents: let the program end",
                cx.policy.documents_per_call
            );
            cx.alert_about(11215, true, text, Some(url), Some(method));
            let message = format!("more than {} documents", cx.policy.documents_per_call);
            let ending = Ending::new(CallStatus::Failed).error(11215, message);
            self.leave(ending.reject(500), cx);
            return;
        }
        let fetch = cx.out.chance.fetch();
        cx.out.fetches.insert(fetch, cx.sid());
        let mut parameters = standard(cx.body);
        put_all(&mut parameters, more);
        cx.out.effects.push_back(Effect::Fetch(Box::new(Fetch {
            fetch,
            call: cx.body.record.sid,
            account: cx.body.record.account,
            url: url.clone(),
            method,
            parameters,
        })));
        self.doing = Doing::Loading(Loading {
            fetch,
            url,
            method,
            fallback,
        });
    }

    fn fetched(&mut self, id: FetchId, result: Result<Fetched, FetchFailure>, cx: &mut Cx) {
        let loading = match std::mem::replace(&mut self.doing, Doing::Waiting) {
            Doing::Loading(loading) if loading.fetch == id => loading,
            other => {
                self.doing = other;
                return;
            }
        };
        let asked = Some((loading.url.clone(), loading.method));
        match result {
            Ok(fetched) => {
                cx.body.base = Some(fetched.url.clone());
                match Program::fetched(&fetched, cx) {
                    Ok(program) => self.execute(program, cx),
                    Err((code, text)) => self.failed(code, text, asked, loading.fallback, cx),
                }
            }
            Err(failure) => self.failed(failure.code, failure.message, asked, loading.fallback, cx),
        }
    }

    /// No document, or none that can be used: the fallback is asked, or the caller hears that we
    /// are sorry (contract 4.1).
    fn failed(
        &mut self,
        code: u32,
        message: String,
        asked: Option<(String, Method)>,
        was_fallback: bool,
        cx: &mut Cx,
    ) {
        let url = asked.as_ref().map(|(url, _)| url.clone());
        let method = asked.map(|(_, method)| method);
        cx.alert_about(code, true, message.clone(), url.clone(), method);
        let instructions = &cx.body.instructions;
        let fallback = instructions.fallback_url.clone().filter(|_| !was_fallback);
        if let Some(fallback) = fallback {
            let method = instructions.fallback_method;
            let mut more = Parameters::new();
            put(&mut more, "ErrorCode", code);
            let current = url.or_else(|| cx.body.base.clone());
            put(&mut more, "ErrorUrl", current.unwrap_or_default());
            self.ask(fallback, method, more, true, cx);
        } else if cx.answered() {
            self.execute(Program::apology(), cx);
        } else {
            let ending = Ending::new(CallStatus::Failed).error(code, message);
            self.leave(ending.reject(500), cx);
        }
    }

    /// Gives an event to the running verb; without one nobody wants it.
    fn verb(&mut self, event: verbs::Event, cx: &mut Cx) {
        match std::mem::replace(&mut self.doing, Doing::Waiting) {
            Doing::Verb(verb) => {
                let step = verb.handle(event, cx);
                self.run(step, cx);
            }
            other => self.doing = other,
        }
    }

    /// Runs verbs until one stays, or the program is over.
    fn run(&mut self, mut step: Step<Running>, cx: &mut Cx) {
        loop {
            match step {
                Step::Stay(verb) => {
                    self.doing = Doing::Verb(verb);
                    return;
                }
                Step::Goto(goto) if self.leaving.is_some() => return self.farewell(goto, cx),
                _ if self.leaving.is_some() => return self.finish(Vec::new(), cx),
                Step::Next => {
                    cx.quiet();
                    match self.program.as_mut().and_then(Program::next) {
                        Some(verb) => step = verbs::start(verb, cx),
                        None => return self.end_of_document(cx),
                    }
                }
                Step::Goto(goto) => {
                    cx.quiet();
                    return self.goto(goto, cx);
                }
                Step::Hangup => {
                    cx.quiet();
                    cx.answer();
                    return self.leave(Ending::new(CallStatus::Completed), cx);
                }
                Step::Reject(ending) => return self.leave(ending, cx),
            }
        }
    }

    fn end_of_document(&mut self, cx: &mut Cx) {
        let apologised = self.program.as_ref().is_some_and(Program::is_apology);
        let inbound = cx.body.record.direction == Direction::Inbound;
        let unanswered = inbound && cx.body.record.answered.is_none();
        if cx.body.parent.is_some() && !apologised {
            self.ready(cx);
        } else if let Some((status, sip_status)) = cx.body.dialled.filter(|_| unanswered) {
            // With `answerOnBridge` the caller's call ends as the one that it was for.
            self.leave(Ending::new(status).reject(sip_status), cx);
        } else {
            self.run(Step::Hangup, cx);
        }
    }

    fn target(goto: &Goto, cx: &Cx) -> Result<String, (u32, String)> {
        match (&goto.url, &cx.body.base) {
            (Some(url), _) => cx.resolve(url).map_err(|e| (e.code, e.message)),
            (None, Some(base)) => Ok(base.clone()),
            (None, None) => Err((
                15004,
                "TwiML given in full has no address that could be asked again: give the verb an action"
                    .to_owned(),
            )),
        }
    }

    fn goto(&mut self, goto: Goto, cx: &mut Cx) {
        match Self::target(&goto, cx) {
            Ok(url) => self.ask(url, goto.method, goto.parameters, false, cx),
            Err((code, message)) => self.failed(code, message, None, false, cx),
        }
    }

    /// The action of a `Dial` whose caller hung up is still told; nobody waits for its answer.
    fn farewell(&mut self, goto: Goto, cx: &mut Cx) {
        let mut owed = Vec::new();
        if let (Some(_), Ok(url)) = (&goto.url, Self::target(&goto, cx)) {
            self.conclude(cx);
            let mut parameters = standard(cx.body);
            put_all(&mut parameters, goto.parameters);
            owed.push(callback::owed(
                cx.body,
                url,
                goto.method,
                parameters,
                cx.now.wall,
            ));
        }
        self.finish(owed, cx);
    }

    fn timeout(&mut self, deadline: Deadline, cx: &mut Cx) {
        match deadline {
            Deadline::Turn(_) => {}
            Deadline::Queue(_) => {
                let text = "The call waited too long for its turn: ask for a higher rate of calls";
                self.refuse(Ending::new(CallStatus::Failed).error(15002, text), cx);
            }
            Deadline::Ring(_) => self.rang_too_long(cx),
            Deadline::Verb(_) => self.verb(verbs::Event::Timeout, cx),
            Deadline::TimeLimit(_) => {
                cx.alert(
                    32015,
                    false,
                    "The call was ended because it reached its time limit",
                );
                self.leave(Ending::new(CallStatus::Completed), cx);
            }
        }
    }

    fn modify(&mut self, request: RequestId, change: Modify, cx: &mut Cx) {
        let answered = cx.answered();
        let refused = match &change {
            Modify::Cancel => answered,
            Modify::Complete => false,
            Modify::Change(change) => change.redirect.is_some() && !answered,
        };
        if refused || self.leaving.is_some() {
            let record = Box::new(cx.body.record.clone());
            let reply = Effect::Reply(request, Reply::NotInProgress(record));
            cx.out.effects.push_back(reply);
            return;
        }
        match change {
            Modify::Cancel | Modify::Complete => {
                let mut ending = Ending::new(status::given_up(cx.body.record.status)).sip(487);
                ending.silent = self.place.is_some();
                self.asked_by = Some(request);
                self.leave(ending, cx);
            }
            Modify::Change(change) => {
                let redirect = self.change(*change, cx);
                cx.save(None);
                self.done(request, cx);
                if let Some(redirect) = redirect {
                    self.redirect(redirect, cx);
                }
            }
        }
    }

    fn done(&mut self, request: RequestId, cx: &mut Cx) {
        let record = Box::new(cx.body.record.clone());
        cx.out
            .effects
            .push_back(Effect::Reply(request, Reply::Done(record)));
    }

    fn change(&mut self, change: Change, cx: &mut Cx) -> Option<Redirect> {
        let instructions = &mut cx.body.instructions;
        if let Some(url) = change.fallback_url {
            instructions.fallback_url = url;
        }
        if let Some(method) = change.fallback_method {
            instructions.fallback_method = method;
        }
        if let Some(url) = change.status_callback {
            instructions.status_callback = url;
        }
        if let Some(method) = change.status_callback_method {
            instructions.status_callback_method = method;
        }
        if let Some(limit) = change.time_limit {
            cx.limit(limit);
        }
        change.redirect
    }

    /// Replaces the program; the running verb is abandoned without its action.
    fn redirect(&mut self, redirect: Redirect, cx: &mut Cx) {
        bridge::part(cx.body, cx.out);
        self.abandon(cx);
        if let Some(parent) = cx.body.parent.take() {
            // Sent out of its Dial: the parent goes on as if it had hung up.
            let mut outcome = outcome(cx.body);
            outcome.status = CallStatus::Completed;
            self.report(parent, News::Left(outcome), cx);
        }
        match redirect {
            Redirect::Url(url, method) => self.ask(url, method, Vec::new(), false, cx),
            Redirect::Twiml(twiml) => self.given(&twiml, cx),
        }
    }

    /// Gives up whatever runs: late answers to it will find nobody.
    fn abandon(&mut self, cx: &mut Cx) {
        self.program = None;
        cx.quiet();
        if let Doing::Loading(loading) = &self.doing {
            cx.out.fetches.remove(&loading.fetch);
        }
        self.doing = Doing::Waiting;
        for call in std::mem::take(&mut cx.body.children) {
            let unanswered = Ending::new(CallStatus::Canceled).sip(487);
            cx.wish(Intent::End { call, unanswered });
        }
    }

    /// Ends the call: at once, or when the children of its `Dial` have ended.
    pub fn leave(&mut self, ending: Ending, cx: &mut Cx) {
        if self.leaving.is_some() || self.is_over() {
            return;
        }
        self.leaving = Some(ending);
        match std::mem::replace(&mut self.doing, Doing::Waiting) {
            Doing::Verb(verb) => {
                let step = verb.leave(cx);
                self.run(step, cx);
            }
            Doing::Loading(loading) => {
                cx.out.fetches.remove(&loading.fetch);
                self.finish(Vec::new(), cx);
            }
            _ => self.finish(Vec::new(), cx),
        }
    }

    /// Writes the end into the record, once.
    fn conclude(&mut self, cx: &mut Cx) {
        let Some(ending) = self
            .leaving
            .as_ref()
            .filter(|_| cx.body.record.ended.is_none())
        else {
            return;
        };
        let record = &mut cx.body.record;
        let outgoing = record.direction != Direction::Inbound;
        let reason = ending.reason(record.status == CallStatus::InProgress);
        let told = match reason {
            Reason::AnsweredElsewhere { .. } | Reason::NoAnswer | Reason::Cancelled => true,
            Reason::HungUp | Reason::Failed { .. } => false,
        };
        let winner = ending.winner.clone();
        cx.body.loss = (told && outgoing).then_some(Loss { reason, winner });
        if record.status == CallStatus::InProgress {
            record.status = CallStatus::Completed;
        } else {
            debug_assert!(status::may_become(record.status, ending.unanswered));
            record.status = ending.unanswered;
            if outgoing && cx.body.sip_status.is_none() {
                cx.body.sip_status = ending.sip_status;
            }
            cx.body.error = ending.error.clone();
        }
        record.ended = Some(cx.now.wall);
        record.updated = cx.now.wall;
    }

    /// The end: the last record, what is owed, the leg, the parent; then nothing is left.
    fn finish(&mut self, mut owed: Vec<model::owed::Owed>, cx: &mut Cx) {
        if self.is_over() {
            return;
        }
        self.conclude(cx);
        self.doing = Doing::Over;
        let sid = cx.sid();
        bridge::part(cx.body, cx.out);
        let ending = self.leaving.take();
        if !ending.as_ref().is_some_and(|ending| ending.silent) {
            owed.extend(callback::progress(cx.body, Progress::Completed, cx.now));
        }
        let events = match &cx.body.loss {
            Some(loss) if cx.body.group.len() > 1 => {
                let (record, group) = (&cx.body.record, &cx.body.group);
                vec![group::lost(record, group, loss, cx.now.wall)]
            }
            _ => Vec::new(),
        };
        cx.save_with(owed, events);
        if let Some(request) = self.asked_by.take() {
            self.done(request, cx);
        }
        let answered = cx.body.record.answered.is_some();
        let inbound = cx.body.record.direction == Direction::Inbound;
        let reason = ending.as_ref().map(|ending| ending.reason(answered));
        match ending.and_then(|ending| ending.reject) {
            Some(status) if !answered && inbound => cx.leg(LegCommand::Reject(status)),
            _ => cx.leg(LegCommand::HangUp(reason.unwrap_or(Reason::HungUp))),
        }
        if let Some(leg) = cx.body.leg.take() {
            cx.out.legs.remove(&leg);
        }
        for deadline in Deadline::of(sid) {
            cx.out.deadlines.clear(deadline);
        }
        cx.out
            .outbound
            .leave(cx.body.record.account, self.place.take());
        if let Some(parent) = cx.body.parent.take() {
            let outcome = outcome(cx.body);
            self.report(parent, News::Ended(outcome), cx);
        }
        for call in std::mem::take(&mut cx.body.children) {
            let unanswered = Ending::new(CallStatus::Canceled).sip(487);
            cx.wish(Intent::End { call, unanswered });
        }
        cx.out.effects.push_back(Effect::Forget(sid));
    }

    /// Ends a call on which the engine itself failed, without running any more of it.
    pub fn bury(&mut self, cx: &mut Cx) {
        if let Doing::Loading(loading) = &self.doing {
            cx.out.fetches.remove(&loading.fetch);
        }
        // The fault may have come in the middle of the end: what that left behind must go too.
        self.doing = Doing::Waiting;
        let text = "The call was ended because of a fault in the platform: report it to its maker";
        self.leaving = Some(
            Ending::new(CallStatus::Failed)
                .error(12400, text)
                .reject(500),
        );
        self.finish(Vec::new(), cx);
    }
}

/// The end of a call whose party could not be reached.
fn unreachable(sip_status: u16, code: Option<u32>, from: &str) -> Ending {
    let mut ending = Ending::new(status::refused(sip_status)).sip(sip_status);
    if ending.unanswered == CallStatus::Failed {
        let code = code.unwrap_or(status::code_of(sip_status));
        let text = match code {
            13214 => format!(
                "{} may not be shown to the telephone network: set callerId to a number that you own or have verified",
                from
            ),
            _ => format!("The called party could not be reached: SIP status {sip_status}"),
        };
        ending = ending.error(code, text);
    }
    ending
}

fn outcome(body: &Body) -> Outcome {
    let answered = body.record.answered.map_or(0, |at| {
        let end = body.record.ended.unwrap_or(body.record.updated);
        ((end.0 - at.0).max(0) as u64).div_ceil(1_000_000)
    });
    Outcome {
        status: body.record.status,
        duration: answered,
        sip_status: body.sip_status,
        sip_response: body.sip_response.clone(),
        sip: body.record.to.starts_with("sip"),
        error: body.error.as_ref().map(|(code, _)| *code),
    }
}
