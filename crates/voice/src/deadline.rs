//! What the engine waits for, in order of time; setting, clearing and taking cost O(log n).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use model::sid::{AccountSid, CallSid};

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// The next call of this account may start.
    Turn(AccountSid),
    /// This call waited too long for its turn.
    Queue(CallSid),
    /// This call rang too long.
    Ring(CallSid),
    /// The running verb of this call waited long enough: a pause, a gather, a dial.
    Verb(CallSid),
    /// This call lasted too long.
    TimeLimit(CallSid),
}

impl Deadline {
    /// All that a call can wait for.
    pub(crate) fn of(call: CallSid) -> [Deadline; 4] {
        [
            Deadline::Queue(call),
            Deadline::Ring(call),
            Deadline::Verb(call),
            Deadline::TimeLimit(call),
        ]
    }
}

/// All deadlines; at most one of each.
#[derive(Default)]
pub(crate) struct Deadlines {
    in_order: BTreeSet<(Instant, Deadline)>,
    by_name: BTreeMap<Deadline, Instant>,
}

impl Deadlines {
    /// Sets a deadline, in place of the one of that name.
    pub fn set(&mut self, deadline: Deadline, at: Instant) {
        if let Some(before) = self.by_name.insert(deadline, at) {
            self.in_order.remove(&(before, deadline));
        }
        self.in_order.insert((at, deadline));
    }

    pub fn clear(&mut self, deadline: Deadline) {
        if let Some(at) = self.by_name.remove(&deadline) {
            self.in_order.remove(&(at, deadline));
        }
    }

    pub fn first(&self) -> Option<(Instant, Deadline)> {
        self.in_order.first().copied()
    }

    /// Takes the first deadline that has come.
    pub fn take_due(&mut self, now: Instant) -> Option<Deadline> {
        let (at, deadline) = self.first()?;
        if at > now {
            return None;
        }
        self.clear(deadline);
        Some(deadline)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }
}
