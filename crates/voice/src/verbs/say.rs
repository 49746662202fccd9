//! `Say`: speaks, and goes on when it has spoken.

use std::collections::BTreeSet;

use twiml::ssml::{Span, Ssml};

use super::{Event, Step, loops};
use crate::cx::Cx;
use crate::effect::Sound;

pub(crate) struct Say;

pub(crate) fn start(verb: twiml::verbs::Say, cx: &mut Cx) -> Step<Say> {
    cx.answer();
    let sound = sound(&verb, cx);
    cx.play(sound, loops(verb.repeat));
    Step::Stay(Say)
}

/// What is spoken. Markup parts words, by silence (`break`) or without (`p`, `s`), and replaces them
/// (`sub`), but does not change the voice yet.
pub(super) fn sound(verb: &twiml::verbs::Say, cx: &mut Cx) -> Sound {
    let mut markup = BTreeSet::new();
    unspoken(&verb.content, &mut markup);
    let markup: Vec<_> = markup.into_iter().map(|tag| (tag, true)).collect();
    cx.unexecuted("Say", "its words are spoken without it yet", &markup);
    Sound::Say {
        text: verb.spoken(),
        voice: verb.voice.clone(),
        language: verb.language.clone(),
    }
}

/// The markup that is not obeyed.
fn unspoken(content: &[Ssml], markup: &mut BTreeSet<&'static str>) {
    for piece in content {
        match piece {
            Ssml::Text(_) | Ssml::Break { .. } => {}
            Ssml::Span { kind, content } => {
                if !matches!(kind, Span::Paragraph | Span::Sentence | Span::Sub { .. }) {
                    markup.insert(kind.tag());
                }
                unspoken(content, markup);
            }
        }
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
