//! Line feeds every ten seconds. The SDK closes a socket after 15 s of silence; we after 30 s
//! without an echo or anything else.

use std::time::{Duration, Instant};

/// How often we send one.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// How long a peer may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a peer was heard last.
pub(crate) struct Heartbeat {
    heard: Instant,
}

impl Heartbeat {
    pub fn new(now: Instant) -> Heartbeat {
        Heartbeat { heard: now }
    }

    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub fn last(&self) -> Instant {
        self.heard
    }

    pub fn dead(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) >= PATIENCE
    }
}
