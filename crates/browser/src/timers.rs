//! What is due when. A timer that is no longer wanted is taken out, so nothing lingers.

use crate::event::{DeviceId, SocketId};
use model::sid::CallSid;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The next line feed.
    Beat(SocketId),
    /// No `listen`, no verdict about its token, or no end after `close`.
    Deadline(SocketId),
    /// A `register` was not renewed.
    Registration(SocketId),
    /// The token of a socket ends.
    TokenExpiry(SocketId),
    /// A `reject` was not followed by the end of the socket: a human declined.
    Declined(CallSid, DeviceId),
    /// A device's socket did not come back.
    Grace(CallSid, DeviceId),
    /// A loser who was to be left in the dark does not answer any more.
    Withheld(CallSid, DeviceId),
    /// Ends are owed that this socket's page may or may not be the one to be told.
    Settle(SocketId),
    /// A call that is over needs no tombstone any more.
    Forget(CallSid),
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
