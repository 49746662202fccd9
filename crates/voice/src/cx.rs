//! What a verb may touch: its own call, its clock, its one playback, its one timer, and the outbox.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::call::CallStatus;
use model::event::Event;
use model::method::Method;
use model::now::Now;
use model::owed::Owed;
use model::sid::CallSid;
use url::Url;

use crate::call::Body;
use crate::callback::{self, Progress};
use crate::chance::Chance;
use crate::deadline::{Deadline, Deadlines};
use crate::effect::{Alert, Effect, LegCommand, MediaCommand, Save, Sound};
use crate::input::{FetchId, LegId};
use crate::intent::Intent;
use crate::outbound::Outbound;
use crate::policy::Policy;
use crate::will;

/// Everything of the switch but its calls.
pub(crate) struct Out {
    pub effects: VecDeque<Effect>,
    pub intents: VecDeque<Intent>,
    pub deadlines: Deadlines,
    pub outbound: Outbound,
    pub chance: Chance,
    pub fetches: BTreeMap<FetchId, CallSid>,
    pub legs: BTreeMap<LegId, CallSid>,
}

/// One call at work.
pub(crate) struct Cx<'a> {
    pub now: Now,
    pub policy: &'a Policy,
    pub body: &'a mut Body,
    pub out: &'a mut Out,
}

/// Why a URL of a document cannot be used.
pub(crate) struct Unusable {
    pub code: u32,
    pub message: String,
}

impl Cx<'_> {
    pub fn sid(&self) -> CallSid {
        self.body.record.sid
    }

    pub fn answered(&self) -> bool {
        self.body.record.status == CallStatus::InProgress
    }

    /// Takes the call, if that has not happened yet.
    pub fn answer(&mut self) {
        if self.body.record.status == CallStatus::Ringing && self.body.leg.is_some() {
            self.now_answered();
            self.leg(LegCommand::Answer);
        }
    }

    /// Writes down that the call is answered, and limits it.
    pub fn now_answered(&mut self) {
        let record = &mut self.body.record;
        record.status = CallStatus::InProgress;
        record.answered = Some(self.now.wall);
        record.started = Some(self.now.wall);
        self.out.deadlines.clear(Deadline::Ring(record.sid));
        self.limit(self.body.time_limit);
        self.save(Some(Progress::Answered));
    }

    /// Sets how long the call may last, counted from its answer.
    pub fn limit(&mut self, limit: Duration) {
        self.body.time_limit = limit;
        if let Some(answered) = self.body.record.answered {
            let gone = (self.now.wall.0 - answered.0).max(0) as u64;
            let left = limit.saturating_sub(Duration::from_micros(gone));
            let deadline = Deadline::TimeLimit(self.sid());
            self.out.deadlines.set(deadline, self.now.instant + left);
        }
    }

    /// Tells a caller who still waits that it rings; with early media he hears what is played.
    pub fn ring(&mut self, early_media: bool) {
        if self.body.record.status == CallStatus::Ringing {
            self.leg(LegCommand::Ring { early_media });
        }
    }

    /// Writes the call down, with what is owed because of this step.
    pub fn save(&mut self, step: Option<Progress>) {
        self.body.record.updated = self.now.wall;
        let owed = step.and_then(|step| callback::progress(self.body, step, self.now));
        self.save_with(owed.into_iter().collect(), Vec::new());
    }

    pub fn save_with(&mut self, owed: Vec<Owed>, events: Vec<Event>) {
        let record = self.body.record.clone();
        let will = will::write(self.body);
        let save = Box::new(Save {
            record,
            owed,
            will,
            events,
        });
        self.out.effects.push_back(Effect::Save(save));
    }

    pub fn leg(&mut self, command: LegCommand) {
        if let Some(leg) = self.body.leg {
            self.out.effects.push_back(Effect::Leg(leg, command));
        }
    }

    pub fn media(&mut self, command: MediaCommand) {
        if let Some(leg) = self.body.leg {
            self.out.effects.push_back(Effect::Media(leg, command));
        }
    }

    /// Plays in place of what is playing; its end comes as `Event::PlaybackEnded`.
    pub fn play(&mut self, sound: Sound, loops: u32) {
        self.stop();
        let playback = self.out.chance.playback();
        self.body.playback = Some(playback);
        self.media(MediaCommand::Play {
            playback,
            sound,
            loops,
        });
    }

    /// Stops what is playing.
    pub fn stop(&mut self) {
        if let Some(playback) = self.body.playback.take() {
            self.media(MediaCommand::Stop(playback));
        }
    }

    /// Lets the caller hear himself, in place of what is playing.
    pub fn echo(&mut self) {
        self.stop();
        self.body.echo = true;
        self.media(MediaCommand::Echo);
    }

    /// Sets the verb's one timer; its end comes as `Event::Timeout`.
    pub fn wait(&mut self, duration: Duration) {
        let deadline = Deadline::Verb(self.sid());
        self.out
            .deadlines
            .set(deadline, self.now.instant + duration);
    }

    pub fn stop_waiting(&mut self) {
        self.out.deadlines.clear(Deadline::Verb(self.sid()));
    }

    /// Leaves nothing of a verb behind.
    pub fn quiet(&mut self) {
        self.stop();
        self.stop_waiting();
        if std::mem::take(&mut self.body.echo) {
            self.media(MediaCommand::EndEcho);
        }
    }

    pub fn wish(&mut self, intent: Intent) {
        self.out.intents.push_back(intent);
    }

    /// Names what a document asks of an element and nobody does: never in silence. `asked` holds
    /// each attribute or noun with whether the document sets it to something that would matter.
    pub fn unexecuted(&mut self, element: &str, why: &str, asked: &[(&str, bool)]) {
        let asked = asked.iter().filter(|(_, asked)| *asked);
        let names: Vec<&str> = asked.map(|(name, _)| *name).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            self.alert(12200, false, format!("{element} ignores {names}: {why}"));
        }
    }

    /// Tells the customer's debugger.
    pub fn alert(&mut self, code: u32, error: bool, message: impl Into<String>) {
        self.alert_about(code, error, message.into(), None, None);
    }

    pub fn alert_about(
        &mut self,
        code: u32,
        error: bool,
        message: String,
        url: Option<String>,
        method: Option<Method>,
    ) {
        let limit = self.policy.alerts_per_call;
        self.body.alerts = self.body.alerts.saturating_add(1);
        if self.body.alerts > limit {
            return;
        }
        let message = match self.body.alerts == limit {
            true => format!(
                "{message} (the last of {limit} about this call; further ones are not kept)"
            ),
            false => message,
        };
        self.out.effects.push_back(Effect::Alert(Box::new(Alert {
            account: self.body.record.account,
            call: self.sid(),
            code,
            error,
            message,
            url,
            method,
        })));
    }

    /// A URL of the running document, made absolute.
    pub fn resolve(&self, reference: &str) -> Result<String, Unusable> {
        let reference = reference.trim();
        let absolute = match (Url::parse(reference), &self.body.base) {
            (Ok(url), _) => Ok(url),
            (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => Url::parse(base)
                .and_then(|base| base.join(reference))
                .map_err(|error| (11100, error.to_string())),
            (Err(url::ParseError::RelativeUrlWithoutBase), None) => Err((
                15004,
                "it is relative, and TwiML given in full has no address of its own: write the whole URL".to_owned(),
            )),
            (Err(error), _) => Err((11100, error.to_string())),
        };
        match absolute {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.into()),
            Ok(_) => Err(Unusable {
                code: 11100,
                message: format!(
                    "The URL '{reference}' cannot be used: only http and https can be asked"
                ),
            }),
            Err((code, why)) => Err(Unusable {
                code,
                message: format!("The URL '{reference}' cannot be used: {why}"),
            }),
        }
    }

    /// A URL of the running document, made absolute; told to the debugger and left out if it
    /// cannot be used.
    pub fn resolve_or_warn(&mut self, reference: &str) -> Option<String> {
        match self.resolve(reference) {
            Ok(url) => Some(url),
            Err(unusable) => {
                self.alert(unusable.code, false, unusable.message);
                None
            }
        }
    }
}
