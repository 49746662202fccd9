//! Which of the callbacks that are due may leave now. Pure: what is due, and what became of what
//! left, is told to it.
//!
//! ```text
//! due ── its stream is free, and there is room ──► under way ── told what became of it ──► gone
//! ```

use std::collections::BTreeSet;

use model::sid::CallSid;

/// Deliveries under way: one of each stream, so that order holds within a call (F1), and a bounded
/// number together, so that receivers that come back are not stormed (F5).
#[derive(Debug)]
pub struct Dispatch {
    limit: usize,
    ids: BTreeSet<i64>,
    streams: BTreeSet<CallSid>,
}

impl Dispatch {
    /// With so many under way at once, all receivers together.
    pub fn new(limit: usize) -> Self {
        Dispatch {
            limit,
            ids: BTreeSet::new(),
            streams: BTreeSet::new(),
        }
    }

    /// How many to ask for: what is under way stays due, so more than that.
    pub fn asks_for(&self) -> u16 {
        u16::try_from(self.limit * 2).unwrap_or(u16::MAX)
    }

    /// Whether another one could leave.
    pub fn has_room(&self) -> bool {
        self.ids.len() < self.limit
    }

    /// Takes a callback that is due, if it may leave now.
    pub fn begin(&mut self, id: i64, stream: CallSid) -> bool {
        let may = self.has_room() && !self.ids.contains(&id) && self.streams.insert(stream);
        if may {
            self.ids.insert(id);
        }
        may
    }

    /// What became of it is written down: the next of its stream may leave.
    pub fn finished(&mut self, id: i64, stream: CallSid) {
        self.ids.remove(&id);
        self.streams.remove(&stream);
    }
}
