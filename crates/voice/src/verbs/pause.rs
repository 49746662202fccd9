//! `Pause`: waits in silence. Before anything else it delays the answer: the caller hears ringing.

use super::{Event, Step};
use crate::cx::Cx;

pub(crate) struct Pause;

pub(crate) fn start(verb: twiml::verbs::Pause, cx: &mut Cx) -> Step<Pause> {
    cx.ring(false);
    cx.wait(verb.length);
    Step::Stay(Pause)
}

impl Pause {
    pub fn handle(self, event: Event) -> Step<Pause> {
        match event {
            Event::Timeout => Step::Next,
            _ => Step::Stay(self),
        }
    }
}
