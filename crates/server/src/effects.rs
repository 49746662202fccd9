//! Acts: one arm for each [`Effect`], and nothing decided.

use std::collections::{HashMap, VecDeque};

use browser::{Fault, Reason};
use model::call::{CallStatus, Direction};
use model::now::Now;
use model::sid::CallSid;
use store::IdempotencyToken;
use voice::Effect;
use voice::effect::{Invite, LegCommand, MediaCommand, Save, Sound};
use voice::input::{LegEvent, LegId};

use crate::alerts;
use crate::clock;
use crate::counters;
use crate::drivers::switch::Node;
use crate::exchange::LastExchange;
use crate::legs::Leg;
use crate::outbound::RouteFailure;
use crate::telephones::ELSEWHERE;

/// Effects in the order in which the engine asked for them, held back until what justifies them is
/// on disk (rule 4 of the design).
#[derive(Debug, Default)]
pub struct Waiting {
    batches: VecDeque<(u64, Vec<Effect>)>,
    /// Number of the newest batch handed to the store.
    last: u64,
}

impl Waiting {
    /// Batches that wait.
    pub fn len(&self) -> usize {
        self.batches.len()
    }
}

/// Takes what is to be written down of an effect into the change that justifies those behind it;
/// what is left to be done, if anything.
fn write(
    effect: Effect,
    change: &mut store::Change,
    exchanges: &HashMap<CallSid, LastExchange>,
) -> Option<Effect> {
    match effect {
        Effect::Save(save) => {
            let Save {
                record,
                owed,
                events,
                will,
            } = *save;
            // A call is saved as final once.
            match record.status {
                CallStatus::Completed => counters::CALLS_COMPLETED.count(),
                CallStatus::Busy => counters::CALLS_BUSY.count(),
                CallStatus::NoAnswer => counters::CALLS_NO_ANSWER.count(),
                CallStatus::Canceled => counters::CALLS_CANCELED.count(),
                CallStatus::Failed => counters::CALLS_FAILED.count(),
                CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress => {}
            }
            change.wills.push((record.sid, will));
            change.events.extend(events);
            // Each callback keeps one token for all its attempts.
            change.owed.extend(
                owed.into_iter()
                    .map(|owed| (owed, IdempotencyToken::from_bytes(rand::random()))),
            );
            // A call that was given up waits for its turn no longer.
            if record.direction == Direction::OutboundApi && record.status != CallStatus::Queued {
                change.dequeued.push(record.sid);
            }
            change.calls.push(record);
            return None;
        }
        // Nor does one that goes out: it must not be placed again after a crash. Its record says
        // queued until it rings.
        Effect::Leg(_, LegCommand::Invite(ref invite)) => change.dequeued.push(invite.call),
        Effect::Alert(ref alert) => {
            let mut record = alerts::of_engine(alert);
            if let Some(last) = exchanges.get(&alert.call) {
                last.show_in(&mut record);
            }
            change.alerts.push(record);
        }
        _ => {}
    }
    Some(effect)
}

impl Node {
    /// Acts on `effects`, or holds them back behind a commit.
    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let mut change = store::Change::default();
        let effects: Vec<Effect> = effects
            .into_iter()
            .filter_map(|effect| write(effect, &mut change, &self.exchanges))
            .collect();
        let writes = !change.calls.is_empty() || !change.alerts.is_empty();
        if writes {
            self.waiting.last += 1;
            self.rim.commit(self.waiting.last, change);
            self.waiting.batches.push_back((self.waiting.last, effects));
        } else if self.waiting.batches.is_empty() {
            effects.into_iter().for_each(|effect| self.act(effect));
        } else {
            self.waiting.batches.push_back((self.waiting.last, effects));
        }
    }

    /// Acts on everything that waited for commit `number` or an older one.
    pub fn release(&mut self, number: u64) {
        while self
            .waiting
            .batches
            .front()
            .is_some_and(|(waits_for, _)| *waits_for <= number)
        {
            let Some((_, effects)) = self.waiting.batches.pop_front() else {
                return;
            };
            effects.into_iter().for_each(|effect| self.act(effect));
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            // Went into the change; see `write`.
            Effect::Save(_) => {}
            // Is on disk by now.
            Effect::Alert(alert) => {
                tracing::info!(call = %alert.call, code = alert.code, message = alert.message, "alert");
            }
            Effect::Fetch(fetch) => {
                let jar = self.jars.remove(&fetch.call).unwrap_or_default();
                self.rim.fetch(*fetch, jar);
            }
            Effect::Leg(leg, command) => self.act_on_leg(leg, command),
            Effect::Media(leg, command) => self.act_on_media(leg, command),
            Effect::Reply(request, reply) => self.rim.answer(request, reply),
            Effect::Forget(call) => {
                self.jars.remove(&call);
                self.rim.let_go(call);
            }
        }
    }

    fn act_on_leg(&mut self, id: LegId, command: LegCommand) {
        let now = clock::now();
        match command {
            LegCommand::Invite(invite) if invite.to.starts_with("client:") => {
                let identity = &invite.to["client:".len()..];
                if let Err(failure) = self.ring_browsers(id, &invite, identity) {
                    let RouteFailure { sip_status, code } = failure;
                    self.tell(now, id, LegEvent::Failed { sip_status, code });
                }
            }
            LegCommand::Invite(invite) => self.place(now, id, invite),
            LegCommand::Ring { early_media } => {
                let Some(leg) = self.legs.leg(id) else { return };
                if leg.browser.is_some() {
                    return self.ring_browser(id, early_media);
                }
                if let Some(dialog) = leg.dialog {
                    // To a caller who made no offer there is nothing to answer yet.
                    let answers = early_media && leg.media.is_agreed();
                    let answer = answers.then(|| leg.description.clone());
                    self.sip.ring(now.instant, dialog, answer);
                }
            }
            LegCommand::Answer => self.answer(now, id),
            LegCommand::Reject(status) => {
                let Some(leg) = self.legs.remove(id) else {
                    return;
                };
                if let Some(part) = &leg.browser {
                    let reason = refusal(status).map_or(Reason::HungUp, Reason::Fault);
                    self.browsers.hang_up(now.instant, part, &reason);
                }
                if let Some(dialog) = leg.dialog {
                    self.sip.reject(now.instant, dialog, status, "");
                }
            }
            LegCommand::HangUp(reason) => {
                let Some(leg) = self.legs.remove(id) else {
                    return;
                };
                if let Some(part) = &leg.browser {
                    self.browsers.hang_up(now.instant, part, &to_page(&reason));
                }
                for dialog in leg.dialogs() {
                    self.sip
                        .hang_up_with(now.instant, dialog, to_phone(&reason));
                }
            }
        }
    }

    /// Opens a media port for a telephone, and looks for the way to it.
    fn place(&mut self, now: Now, id: LegId, invite: Box<Invite>) {
        let media = match self.media.open() {
            Ok(media) => media,
            Err(error) => {
                tracing::error!(%error, "no media port for a call; widen media.ports");
                let (sip_status, code) = (503, Some(10004));
                return self.tell(now, id, LegEvent::Failed { sip_status, code });
            }
        };
        let leg = Leg {
            dialog: None,
            dialling: None,
            browser: None,
            media,
            signalling: self.wires.local,
            description: String::new(),
            answered: false,
        };
        self.legs.insert(id, leg);
        self.rim.route(id, *invite);
    }

    /// Answers a caller, once.
    fn answer(&mut self, now: Now, id: LegId) {
        let Some(leg) = self.legs.leg_mut(id) else {
            return;
        };
        if leg.browser.is_some() && !leg.answered {
            // One that is gone has said so, or will: its hang-up is on the way.
            if self.answer_browser(now.instant, id) {
                self.tell(now, id, LegEvent::Answered);
            }
            return;
        }
        let (Some(dialog), false) = (leg.dialog, leg.answered) else {
            return;
        };
        leg.answered = true;
        leg.media.keep_open();
        let description = std::mem::take(&mut leg.description);
        self.sip.answer(now.instant, dialog, description);
        self.tell(now, id, LegEvent::Answered);
    }

    fn act_on_media(&mut self, id: LegId, command: MediaCommand) {
        let Some(leg) = self.legs.leg(id) else { return };
        let port = leg.media.port;
        match command {
            MediaCommand::Play {
                playback,
                sound,
                loops,
            } => {
                let ready = match sound {
                    Sound::Digits(digits) => media::Source::Digits(digits),
                    Sound::Ringback(country) => {
                        media::Source::Tone(media::Tone::ringback(&country))
                    }
                    sound @ (Sound::Say { .. } | Sound::Url { .. }) => {
                        self.preparing.insert((id, playback));
                        return self.rim.prepare(id, playback, loops, sound);
                    }
                };
                self.play(id, playback, loops, ready);
            }
            MediaCommand::Stop(playback) => {
                // Speech that is still being made for it is dropped when it arrives.
                self.preparing.remove(&(id, playback));
                leg.media.apply(media::Command::StopPlayback {
                    port,
                    playback: media::PlaybackId(playback.0),
                });
            }
            MediaCommand::Bridge(other) => self.bridge(id, other),
            // An echo is a bridge of a port with itself.
            MediaCommand::Unbridge(_) | MediaCommand::EndEcho => {
                leg.media.apply(media::Command::Unbridge { port });
                self.parted(id);
            }
            MediaCommand::Echo => leg.media.apply(media::Command::Echo { port }),
        }
    }
}

impl Node {
    /// Lets two legs hear each other: on one thread, which is that of a browser if one is among them.
    fn bridge(&mut self, a: LegId, b: LegId) {
        let browser = |leg: &Leg| leg.browser.is_some();
        let (stays, moves) = match (self.legs.leg(a), self.legs.leg(b)) {
            (Some(_), Some(other)) if browser(other) => (b, a),
            (Some(_), Some(_)) => (a, b),
            _ => return,
        };
        let Some((port, thread)) = self
            .legs
            .leg(stays)
            .map(|leg| (leg.media.port, leg.media.thread()))
        else {
            return;
        };
        if let Some(leg) = self.legs.leg_mut(moves) {
            leg.media.move_to(&thread);
            leg.media.apply(media::Command::Bridge {
                a: port,
                b: leg.media.port,
            });
            self.bridged(a, b);
        }
    }
}

/// Why a call ends, for a page.
fn to_page(reason: &voice::effect::Reason) -> Reason {
    use voice::effect::Reason as Why;
    match reason {
        // A page knows one word for a caller who is no more there, before the answer and after.
        Why::HungUp | Why::Cancelled => Reason::HungUp,
        Why::NoAnswer => Reason::NoAnswer,
        Why::AnsweredElsewhere { by } => Reason::AnsweredElsewhere { by: by.clone() },
        Why::Failed { message, .. } => {
            Reason::Fault(Fault::new(browser::error::code::CANCELLED, message.clone()))
        }
    }
}

/// What a page is told whose call is refused (`voice-client.md` 9.2); upstream has codes for some.
fn refusal(sip_status: u16) -> Option<Fault> {
    let (code, text) = match sip_status {
        404 => (31404, "Not Found"),
        408 | 480 => (31480, "Temporarily Unavailable"),
        486 | 600 => (31486, "Busy Here"),
        603 => (31603, "Decline"),
        _ => return None,
    };
    Some(Fault::new(code, text))
}

/// Why a call ends, for a telephone (RFC 3326). Who was faster is not said: the words may be shown
/// to anybody on the way.
fn to_phone(reason: &voice::effect::Reason) -> &'static str {
    use voice::effect::Reason as Why;
    match reason {
        Why::HungUp => "Q.850;cause=16;text=\"Normal call clearing\"",
        Why::NoAnswer => "SIP;cause=408;text=\"Request Timeout\"",
        Why::Cancelled => "SIP;cause=487;text=\"Request Terminated\"",
        Why::AnsweredElsewhere { .. } => ELSEWHERE,
        Why::Failed { .. } => "SIP;cause=500;text=\"Server Internal Error\"",
    }
}
