//! Which callbacks may leave now. Pure: what is owed, and what became of what left, is told to it.
//!
//! ```text
//! told when it is written down ─┐
//!                               ├─► its stream's queue ── first, and there is room ──► under way
//! found in the outbox, due ─────┘                                                        │
//!        ▲                       its stream is forgotten ◄── Kept, Later ────────────────┤
//!        └── asked for ◄──────── the next of its stream ◄─── Struck ─────────────────────┘
//! ```
//!
//! What is known here is only a copy, so that hardly anything is read again. The outbox is the
//! truth: whoever sends asks it first whether the callback is still owed and next (F1, B12).
//! Nothing is lost when something is not told, or told twice, or forgotten.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use model::sid::CallSid;

/// What became of a callback that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is owed no more: it arrived, was given up, or was withdrawn before it was sent.
    Struck,
    /// It is still owed, and the outbox knows when it may be tried again.
    Kept,
    /// It was not sent: another of its stream comes first, or its time has not come.
    Later,
}

/// Deliveries: one of each stream under way, so that order holds within a call (F1), and a bounded
/// number together, so that receivers that come back are not stormed (F5).
#[derive(Debug)]
pub struct Dispatch<T> {
    streams: HashMap<CallSid, Stream<T>>,
    /// Streams whose first callback may leave.
    ready: VecDeque<CallSid>,
    under_way: usize,
    at_once: usize,
    /// Callbacks in all queues.
    known: usize,
    most_known: usize,
}

/// The callbacks of one stream that are known here, behind the one under way.
#[derive(Debug)]
struct Stream<T> {
    queue: VecDeque<T>,
    /// One was found in the outbox, which may have more that were told to nobody here.
    found: bool,
}

impl<T> Dispatch<T> {
    /// With so many under way at once, all receivers together, and so many known at most; those
    /// beyond are found in the outbox when their turn comes.
    pub fn new(at_once: usize, most_known: usize) -> Self {
        Dispatch {
            streams: HashMap::new(),
            ready: VecDeque::new(),
            under_way: 0,
            at_once,
            known: 0,
            most_known,
        }
    }

    /// How many to ask the outbox for: what is under way stays due, so more than that.
    pub fn asks_for(&self) -> u16 {
        u16::try_from(self.at_once * 2).unwrap_or(u16::MAX)
    }

    /// Whether another one could leave.
    pub fn has_room(&self) -> bool {
        self.under_way < self.at_once
    }

    /// Whether any callback of a stream is known or under way.
    pub fn knows(&self, stream: CallSid) -> bool {
        self.streams.contains_key(&stream)
    }

    /// A callback was written down. To be told in the order of writing.
    pub fn told(&mut self, stream: CallSid, callback: T) {
        if self.known < self.most_known {
            self.queue(stream, callback);
        }
    }

    /// The outbox has this callback: the first of its stream, and due.
    pub fn found(&mut self, stream: CallSid, callback: T) {
        // Also when those known are very many: they may all wait for streams that are slow.
        let room = self.known < self.most_known || self.ready.len() < self.at_once;
        if let Some(known) = self.streams.get_mut(&stream) {
            known.found = true;
        } else if room {
            self.queue(stream, callback).found = true;
        }
    }

    fn queue(&mut self, stream: CallSid, callback: T) -> &mut Stream<T> {
        self.known += 1;
        let known = self.streams.entry(stream).or_insert_with(|| {
            self.ready.push_back(stream);
            Stream {
                queue: VecDeque::new(),
                found: false,
            }
        });
        known.queue.push_back(callback);
        known
    }

    /// The next that may leave, if any. Whoever takes it says what became of it.
    pub fn take(&mut self) -> Option<T> {
        if !self.has_room() {
            return None;
        }
        let stream = self.ready.pop_front()?;
        let callback = self.streams.get_mut(&stream)?.queue.pop_front()?;
        self.known -= 1;
        self.under_way += 1;
        Some(callback)
    }

    /// What became of the callback of this stream that was under way is written down. Whether the
    /// outbox is to be asked now, because it may have the next one.
    pub fn finished(&mut self, stream: CallSid, ending: Ending) -> bool {
        let Entry::Occupied(known) = self.streams.entry(stream) else {
            return false;
        };
        self.under_way -= 1;
        if ending == Ending::Struck && !known.get().queue.is_empty() {
            self.ready.push_back(stream);
            return false;
        }
        let Stream { queue, found } = known.remove();
        self.known -= queue.len();
        match ending {
            Ending::Struck => found,
            Ending::Kept => false,
            // Something was told here that has predecessors only the outbox knows of.
            Ending::Later => found || !queue.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(number: u8) -> CallSid {
        CallSid::from_bytes([number; 16])
    }

    fn all(dispatch: &mut Dispatch<u32>) -> Vec<u32> {
        std::iter::from_fn(|| dispatch.take()).collect()
    }

    #[test]
    fn a_stream_leaves_one_by_one_and_streams_side_by_side() {
        let mut dispatch = Dispatch::new(9, 9);
        dispatch.told(stream(1), 1);
        dispatch.told(stream(1), 2);
        dispatch.told(stream(2), 3);
        assert_eq!(all(&mut dispatch), [1, 3]);
        assert!(!dispatch.finished(stream(2), Ending::Struck));
        assert_eq!(all(&mut dispatch), [0; 0]);
        assert!(!dispatch.finished(stream(1), Ending::Struck));
        assert_eq!(all(&mut dispatch), [2]);
        assert!(!dispatch.finished(stream(1), Ending::Struck));
        assert!(!dispatch.knows(stream(1)) && dispatch.has_room());
    }

    #[test]
    fn after_a_failure_the_outbox_says_what_follows() {
        let mut dispatch = Dispatch::new(9, 9);
        dispatch.told(stream(1), 1);
        dispatch.told(stream(1), 2);
        assert_eq!(all(&mut dispatch), [1]);
        assert!(!dispatch.finished(stream(1), Ending::Kept));
        assert_eq!(all(&mut dispatch), [0; 0]);
        for number in [1, 2] {
            dispatch.found(stream(1), number);
            // It stays due while it is under way, and is found again.
            dispatch.found(stream(1), number);
            assert_eq!(all(&mut dispatch), [number]);
            dispatch.found(stream(1), number);
            let asks = dispatch.finished(stream(1), Ending::Struck);
            assert!(asks, "there may be more that nobody told of");
        }
        assert!(!dispatch.knows(stream(1)));
    }

    #[test]
    fn no_more_leave_or_are_known_than_may() {
        let mut dispatch = Dispatch::new(2, 3);
        for number in 1..=4 {
            dispatch.told(stream(number), number.into());
        }
        dispatch.found(stream(5), 5);
        for left in [4, 5] {
            assert!(!dispatch.knows(stream(left)), "left to the outbox");
        }
        assert_eq!(all(&mut dispatch), [1, 2]);
        dispatch.found(stream(4), 4);
        assert!(!dispatch.finished(stream(1), Ending::Struck));
        assert_eq!(all(&mut dispatch), [3]);
        assert!(!dispatch.finished(stream(3), Ending::Struck));
        assert_eq!(all(&mut dispatch), [4]);
    }

    #[test]
    fn a_slow_stream_with_very_many_does_not_keep_the_others_waiting() {
        let mut dispatch = Dispatch::new(2, 3);
        (1..=9).for_each(|number| dispatch.told(stream(1), number));
        assert_eq!(all(&mut dispatch), [1]);
        (4..=9).for_each(|number| dispatch.told(stream(1), number));
        dispatch.told(stream(2), 100);
        assert!(!dispatch.knows(stream(2)));
        dispatch.found(stream(2), 100);
        assert_eq!(all(&mut dispatch), [100]);
    }

    #[test]
    fn one_that_is_not_next_makes_the_outbox_be_asked_only_if_there_is_more() {
        let mut dispatch = Dispatch::new(2, 9);
        // Told during an outage: its predecessor waits in the outbox until its time comes.
        dispatch.told(stream(1), 2);
        assert_eq!(all(&mut dispatch), [2]);
        assert!(!dispatch.finished(stream(1), Ending::Later));
        // Behind one that was found there are others only the outbox knows of.
        dispatch.found(stream(1), 2);
        dispatch.told(stream(1), 4);
        assert_eq!(all(&mut dispatch), [2]);
        assert!(!dispatch.finished(stream(1), Ending::Struck));
        assert_eq!(all(&mut dispatch), [4]);
        assert!(dispatch.finished(stream(1), Ending::Later));
    }
}
