//! The behaviour of each verb, one file each. Here is dispatch only.

mod dial;
mod echo;
mod gather;
mod hangup;
mod pause;
mod play;
mod redirect;
mod reject;
mod say;

use model::method::Method;
use model::sid::CallSid;
use twiml::{Repeat, Verb};

use crate::call::Ending;
use crate::cx::Cx;
use crate::intent::News;
use crate::request::Parameters;

/// What can happen to a running verb.
pub(crate) enum Event {
    PlaybackEnded,
    Digit(char),
    Timeout,
    /// From a child of the call.
    News(CallSid, News),
}

/// What a verb wants next.
pub(crate) enum Step<V> {
    /// It goes on.
    Stay(V),
    /// The verb behind it.
    Next,
    /// Another document.
    Goto(Goto),
    /// The end of the call.
    Hangup,
    /// The end of a call that was not answered.
    Reject(Ending),
}

/// Another document to go on with.
pub(crate) struct Goto {
    /// As written; none is the current document.
    pub url: Option<String>,
    pub method: Method,
    pub parameters: Parameters,
}

impl<V> Step<V> {
    /// Lets a verb be ignorant of the enum it lives in.
    fn map<W>(self, wrap: impl FnOnce(V) -> W) -> Step<W> {
        match self {
            Step::Stay(verb) => Step::Stay(wrap(verb)),
            Step::Next => Step::Next,
            Step::Goto(goto) => Step::Goto(goto),
            Step::Hangup => Step::Hangup,
            Step::Reject(ending) => Step::Reject(ending),
        }
    }
}

/// The verb that runs.
pub(crate) enum Running {
    Say(say::Say),
    Play(play::Play),
    Pause(pause::Pause),
    Gather(Box<gather::Gather>),
    Dial(Box<dial::Dial>),
    Echo(echo::Echo),
}

/// Begins a verb.
pub(crate) fn start(verb: Verb, cx: &mut Cx) -> Step<Running> {
    match verb {
        Verb::Say(verb) => say::start(verb, cx).map(Running::Say),
        Verb::Play(verb) => play::start(verb, cx).map(Running::Play),
        Verb::Pause(verb) => pause::start(verb, cx).map(Running::Pause),
        Verb::Gather(verb) => gather::start(verb, cx).map(|v| Running::Gather(Box::new(v))),
        Verb::Dial(verb) => dial::start(verb, cx).map(|v| Running::Dial(Box::new(v))),
        Verb::Echo(_) => echo::start(cx).map(Running::Echo),
        Verb::Redirect(verb) => redirect::start(verb),
        Verb::Reject(verb) => reject::start(verb, cx),
        Verb::Hangup(verb) => hangup::start(verb, cx),
        Verb::Leave(_) => {
            cx.alert(
                12200,
                false,
                "Leave was passed over: the call waits in no queue",
            );
            Step::Next
        }
        verb => {
            let text = format!("{} is not executed yet and was passed over", verb.name());
            cx.alert(12200, false, text);
            Step::Next
        }
    }
}

impl Running {
    /// The element's name, for the console.
    pub fn name(&self) -> &'static str {
        match self {
            Running::Say(_) => "Say",
            Running::Play(_) => "Play",
            Running::Pause(_) => "Pause",
            Running::Gather(_) => "Gather",
            Running::Dial(_) => "Dial",
            Running::Echo(_) => "Echo",
        }
    }

    pub fn handle(self, event: Event, cx: &mut Cx) -> Step<Running> {
        match self {
            Running::Say(verb) => verb.handle(event).map(Running::Say),
            Running::Play(verb) => verb.handle(event).map(Running::Play),
            Running::Pause(verb) => verb.handle(event).map(Running::Pause),
            Running::Gather(verb) => verb.handle(event, cx).map(|v| Running::Gather(Box::new(v))),
            Running::Dial(verb) => verb.handle(event, cx).map(|v| Running::Dial(Box::new(v))),
            Running::Echo(verb) => verb.handle(event).map(Running::Echo),
        }
    }

    /// The call is about to end. Only a `Dial` has something to wait for: its children.
    pub fn leave(self, cx: &mut Cx) -> Step<Running> {
        match self {
            Running::Dial(verb) => verb.leave(cx).map(|v| Running::Dial(Box::new(v))),
            _ => Step::Next,
        }
    }
}

/// How often a sound is played; 0 is until stopped.
fn loops(repeat: Repeat) -> u32 {
    match repeat {
        Repeat::Times(times) => u32::from(times),
        Repeat::Forever => 0,
    }
}
