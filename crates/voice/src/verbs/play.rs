//! `Play`: plays audio or keys, and goes on when it has played.

use super::{Event, Step, loops};
use crate::cx::Cx;
use crate::effect::Sound;

pub(crate) struct Play;

pub(crate) fn start(verb: twiml::verbs::Play, cx: &mut Cx) -> Step<Play> {
    cx.answer();
    let Some(sound) = sound(&verb, cx) else {
        return Step::Next;
    };
    cx.play(sound, loops(verb.repeat));
    Step::Stay(Play)
}

/// What is played, if its address can be used.
pub(super) fn sound(verb: &twiml::verbs::Play, cx: &mut Cx) -> Option<Sound> {
    if let Some(digits) = &verb.digits {
        return Some(Sound::Digits(digits.clone()));
    }
    let url = cx.resolve_or_warn(verb.url.as_deref()?)?;
    Some(Sound::Url {
        account: cx.body.record.account,
        call: cx.sid(),
        url,
    })
}

impl Play {
    pub fn handle(self, event: Event) -> Step<Play> {
        match event {
            Event::PlaybackEnded => Step::Next,
            _ => Step::Stay(self),
        }
    }
}
