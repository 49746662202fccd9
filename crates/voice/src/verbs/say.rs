//! `Say`: speaks, and goes on when it has spoken.

use super::{Event, Step, loops};
use crate::cx::Cx;
use crate::effect::Sound;

pub(crate) struct Say;

pub(crate) fn start(verb: twiml::verbs::Say, cx: &mut Cx) -> Step<Say> {
    cx.answer();
    cx.play(sound(&verb), loops(verb.repeat));
    Step::Stay(Say)
}

/// What is spoken.
pub(super) fn sound(verb: &twiml::verbs::Say) -> Sound {
    Sound::Say {
        text: verb.plain_text(),
        voice: verb.voice.clone(),
        language: verb.language.clone(),
    }
}

impl Say {
    pub fn handle(self, event: Event) -> Step<Say> {
        match event {
            Event::PlaybackEnded => Step::Next,
            _ => Step::Stay(self),
        }
    }
}
