//! What is due when. A timer that is no longer wanted is taken out, so nothing lingers.

use crate::event::DialogKey;
use crate::flow::ConnectionId;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a timer is for; letters are those of RFC 3261 table 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A, E.
    ClientRepeat(u64),
    /// B, F; and 64*T1 after CANCEL.
    ClientTimeout(u64),
    /// D, K, M.
    ClientGone(u64),
    /// G.
    ServerRepeat(u64),
    /// H, I, J, L.
    ServerGone(u64),
    /// Nobody decided about a request.
    Undecided(u64),
    /// Our 2xx again (RFC 3261 section 13.3.1.4).
    AnswerRepeat(DialogKey),
    /// No ACK for 64*T1.
    AnswerTimeout(DialogKey),
    /// Our reliable 1xx again (RFC 3262 section 3).
    ProvisionalRepeat(DialogKey),
    /// No PRACK for 64*T1.
    ProvisionalTimeout(DialogKey),
    /// Time to refresh the session.
    SessionRefresh(DialogKey),
    /// Nobody refreshed it.
    SessionExpired(DialogKey),
    /// Our re-INVITE again after 491.
    ReofferAgain(DialogKey),
    /// Nobody answered our call.
    InvitationTimeout(DialogKey),
    /// Our INVITE may not have arrived.
    Silence(u64),
    /// A registration ends: address of record, number of the binding.
    Binding(String, u64),
    /// A nonce ends.
    Nonce(String),
    /// A stream kept half a message for too long.
    StreamIdle(ConnectionId),
}

/// Names a running timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId(Instant, u64);

#[derive(Default)]
pub(crate) struct Timers {
    running: BTreeMap<TimerId, Timer>,
    next: u64,
}

impl Timers {
    pub fn set(&mut self, at: Instant, timer: Timer) -> TimerId {
        self.next += 1;
        let id = TimerId(at, self.next);
        self.running.insert(id, timer);
        id
    }

    pub fn cancel(&mut self, id: &mut Option<TimerId>) {
        if let Some(id) = id.take() {
            self.running.remove(&id);
        }
    }

    pub fn next_at(&self) -> Option<Instant> {
        self.running.first_key_value().map(|(id, _)| id.0)
    }

    pub fn due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.running.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub fn len(&self) -> usize {
        self.running.len()
    }
}
