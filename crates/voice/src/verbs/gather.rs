//! `Gather`: takes keys while its prompts are heard.
//!
//! ```text
//!            first key (bargeIn)
//!  prompting ─────────────────► waiting ◄─┐ key: the time starts anew
//!      └── prompts over ───────►   │ ─────┘
//!      │                           │
//!      └── finishOnKey, numDigits ─┴─ timeout ──► action (keys) · next verb (none)
//! ```
//!
//! A hang-up during it asks for nothing.

use std::collections::VecDeque;

use twiml::Sound;

use super::{Event, Goto, Step, loops, play, say};
use crate::cx::Cx;
use crate::request::put;

/// Keys kept when the document sets no number of them.
const KEYS_LIMIT: u32 = 1_000;

pub(crate) struct Gather {
    verb: twiml::verbs::Gather,
    prompts: VecDeque<Sound>,
    prompting: bool,
    digits: String,
}

pub(crate) fn start(mut verb: twiml::verbs::Gather, cx: &mut Cx) -> Step<Gather> {
    cx.answer();
    if verb.takes_speech() {
        cx.alert(
            12200,
            false,
            "Gather does not listen for speech yet: keys only",
        );
    }
    unexecuted(&verb, cx);
    let prompts = std::mem::take(&mut verb.prompts);
    let mut gather = Gather {
        verb,
        prompts: prompts.into_iter().map(|placed| placed.value).collect(),
        prompting: true,
        digits: String::new(),
    };
    gather.prompt(cx);
    Step::Stay(gather)
}

/// What is about speech alone, and so has nothing to act on. Keys give no partial results
/// (contract 5.7: the parameters of that callback are results of speech).
fn unexecuted(verb: &twiml::verbs::Gather, cx: &mut Cx) {
    let usual = twiml::verbs::Gather::default();
    cx.unexecuted(
        "Gather",
        "partial results are those of speech, which is not listened for yet; keys have none",
        &[
            (
                "partialResultCallback",
                verb.partial_result_callback.is_some(),
            ),
            (
                "partialResultCallbackMethod",
                verb.partial_result_callback_method != usual.partial_result_callback_method,
            ),
        ],
    );
    cx.unexecuted(
        "Gather",
        "speech is not listened for yet",
        &[
            ("speechTimeout", verb.speech_timeout.is_some()),
            (
                "maxSpeechTime",
                verb.max_speech_time != usual.max_speech_time,
            ),
            ("language", verb.language != usual.language),
            ("hints", verb.hints.is_some()),
            ("speechModel", verb.speech_model != usual.speech_model),
            ("enhanced", verb.enhanced),
            (
                "profanityFilter",
                verb.profanity_filter != usual.profanity_filter,
            ),
            ("debug", verb.debug),
        ],
    );
}

impl Gather {
    /// Plays the next prompt, or begins to wait.
    fn prompt(&mut self, cx: &mut Cx) {
        while let Some(prompt) = self.prompts.pop_front() {
            match prompt {
                Sound::Say(verb) => {
                    let sound = say::sound(&verb, cx);
                    return cx.play(sound, loops(verb.repeat));
                }
                Sound::Play(verb) => {
                    if let Some(sound) = play::sound(&verb, cx) {
                        return cx.play(sound, loops(verb.repeat));
                    }
                }
                Sound::Pause(verb) => return cx.wait(verb.length),
            }
        }
        self.prompting = false;
        cx.wait(self.verb.timeout);
    }

    pub fn handle(mut self, event: Event, cx: &mut Cx) -> Step<Gather> {
        match event {
            Event::Digit(key) if self.verb.takes_dtmf() => self.key(key, cx),
            Event::PlaybackEnded => {
                self.prompt(cx);
                Step::Stay(self)
            }
            Event::Timeout if self.prompting => {
                self.prompt(cx);
                Step::Stay(self)
            }
            Event::Timeout => self.done(None),
            _ => Step::Stay(self),
        }
    }

    fn key(mut self, key: char, cx: &mut Cx) -> Step<Gather> {
        if self.verb.finish_on_key == Some(key) {
            return self.done(Some(key));
        }
        self.digits.push(key);
        let wanted = self.verb.num_digits.unwrap_or(KEYS_LIMIT);
        if self.digits.len() >= wanted as usize {
            return self.done(None);
        }
        if !self.prompting || self.verb.barge_in {
            cx.stop();
            self.prompts.clear();
            self.prompting = false;
            cx.wait(self.verb.timeout);
        }
        Step::Stay(self)
    }

    fn done(self, finished_on: Option<char>) -> Step<Gather> {
        if self.digits.is_empty() && !self.verb.action_on_empty_result {
            return Step::Next;
        }
        let mut parameters = Vec::new();
        put(&mut parameters, "Digits", &self.digits);
        if let Some(key) = finished_on {
            put(&mut parameters, "FinishedOnKey", key);
        }
        put(&mut parameters, "msg", "Gather End");
        Step::Goto(Goto {
            url: self.verb.action.filter(|url| !url.is_empty()),
            method: self.verb.method,
            parameters,
        })
    }
}
