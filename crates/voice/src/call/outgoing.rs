//! An outgoing call, from its turn to its answer; and how long any call may ring.
//!
//! ```text
//!  placed ──180──► rings ──200──► answered ──► SendDigits ──► the program
//!    │ ▲             └── timeout: no answer
//!    └─┘ unreachable, or silent for its share of the timeout: the next address (Uri of Sip)
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::call::{CallStatus, Direction};
use model::sid::ApplicationSid;

use super::{Course, Doing, Ending};
use crate::callback::Progress;
use crate::cx::Cx;
use crate::deadline::Deadline;
use crate::effect::{Invite, LegCommand, Reason, Sound};
use crate::intent::News;

/// How an outgoing call is to be placed.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub from: String,
    pub timeout: Duration,
    pub send_digits: Option<String>,
    pub sip_auth: Option<(String, String)>,
    /// Words for the page of a client.
    pub parameters: Vec<(String, String)>,
    /// What is known of the caller's right to his number.
    pub verified: Option<String>,
    /// Where else it may go, in this order, if nobody is to be reached.
    pub elsewhere: VecDeque<Address>,
    /// Everybody who is called together.
    pub group: Vec<String>,
    /// In whose name.
    pub application: Option<ApplicationSid>,
}

/// A further address of one destination.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub to: String,
    pub sip_auth: Option<(String, String)>,
}

/// Whether this answer says that the address, not the person, could not be reached
/// (RFC 3263 section 4.3).
pub(super) fn is_unreachable(sip_status: u16, code: Option<u32>) -> bool {
    code.is_some() || sip_status == 408 || (500..600).contains(&sip_status)
}

impl Course {
    /// Sends the call out.
    pub(super) fn place(&mut self, cx: &mut Cx) {
        self.place = None;
        cx.out.deadlines.clear(Deadline::Queue(cx.sid()));
        let Some(placement) = &self.placement else {
            return;
        };
        let record = &mut cx.body.record;
        record.queue_time_ms = (cx.now.wall.0 - record.created.0).max(0) as u64 / 1_000;
        let until = cx.now.instant + placement.timeout;
        self.ring_until = Some(until);
        self.invite(until, Some(Progress::Initiated), cx);
    }

    /// Calls the address that is written down. Those behind it share what is left of the timeout,
    /// so that a dead one does not keep them from being tried.
    fn invite(&mut self, until: Instant, step: Option<Progress>, cx: &mut Cx) {
        let Some(placement) = self.placement.clone() else {
            return;
        };
        let leg = cx.out.chance.leg();
        cx.body.leg = Some(leg);
        cx.out.legs.insert(leg, cx.sid());
        let left = until.saturating_duration_since(cx.now.instant);
        let share = left / (1 + placement.elsewhere.len() as u32);
        let at = cx.now.instant + share;
        cx.out.deadlines.set(Deadline::Ring(cx.sid()), at);
        cx.save(step);
        let record = &cx.body.record;
        let invite = Invite {
            call: record.sid,
            account: record.account,
            to: record.to.clone(),
            from: placement.from,
            sip_auth: placement.sip_auth,
            parameters: placement.parameters,
            verified: placement.verified,
            group: placement.group,
            application: placement.application,
        };
        cx.leg(LegCommand::Invite(Box::new(invite)));
    }

    /// Calls the next address, if there is one and nobody has rung yet. It stays one call.
    pub(super) fn place_elsewhere(&mut self, cx: &mut Cx) -> bool {
        let (false, Some(until), Some(placement)) =
            (self.rang, self.ring_until, &mut self.placement)
        else {
            return false;
        };
        let Some(next) = placement.elsewhere.pop_front() else {
            return false;
        };
        let text = format!(
            "{} could not be reached; {} is called instead",
            cx.body.record.to, next.to
        );
        placement.sip_auth = next.sip_auth;
        cx.body.record.to = next.to;
        // What the first said is not what the next one does.
        cx.body.sip_response = None;
        cx.alert(32011, false, text);
        self.invite(until, None, cx);
        true
    }

    pub(super) fn rings(&mut self, cx: &mut Cx) {
        self.rang = true;
        if let Some(until) = self.ring_until {
            cx.out.deadlines.set(Deadline::Ring(cx.sid()), until);
        }
        cx.body.record.status = CallStatus::Ringing;
        cx.body.record.started = Some(cx.now.wall);
        cx.save(Some(Progress::Ringing));
    }

    /// An outgoing call was answered.
    pub(super) fn answered(&mut self, cx: &mut Cx) {
        cx.body.sip_status = Some(200);
        cx.now_answered();
        if let Some(parent) = cx.body.parent {
            self.report(parent, News::Answered, cx);
        }
        match self.placement.take().and_then(|p| p.send_digits) {
            Some(digits) => {
                self.doing = Doing::SendingDigits;
                cx.play(Sound::Digits(digits), 1);
            }
            None => self.begin(cx),
        }
    }

    /// Nobody answered in time: the called party, or our own program (compat document-12).
    pub(super) fn rang_too_long(&mut self, cx: &mut Cx) {
        if cx.body.record.direction == Direction::Inbound {
            let text = format!(
                "The call was refused because it was not answered within {} s: answer it with a verb that is heard",
                cx.policy.answer_timeout.as_secs()
            );
            let ending = Ending::new(CallStatus::NoAnswer).error(32016, text);
            return self.refuse(ending.reject(480), cx);
        }
        let elsewhere = |p: &Placement| !p.elsewhere.is_empty();
        if !self.rang && self.placement.as_ref().is_some_and(elsewhere) {
            // One live branch at a time: what the old address still says finds nobody.
            cx.leg(LegCommand::HangUp(Reason::NoAnswer));
            self.leg_gone(cx);
            self.place_elsewhere(cx);
            return;
        }
        self.leave(Ending::new(CallStatus::NoAnswer).sip(487), cx);
    }
}
