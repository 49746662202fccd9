//! Time, passed in: the pure crates never ask for it.

use std::time::{Duration, Instant};

/// A point in calendar time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Wall(pub i64);

impl Wall {
    /// Whole seconds from an earlier point to this one; zero if it is not earlier.
    pub fn seconds_since(self, earlier: Wall) -> u64 {
        (self.0 - earlier.0).max(0) as u64 / 1_000_000
    }

    /// This point, moved on.
    pub fn after(self, duration: Duration) -> Wall {
        Wall(self.0 + duration.as_micros() as i64)
    }
}

/// One reading of both clocks: `instant` for deadlines, `wall` for records.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic; deadlines are measured with it.
    pub instant: Instant,
    /// Calendar time, for what is written down.
    pub wall: Wall,
}

impl Now {
    /// Both clocks, moved on by the same time: for tests and simulations.
    pub fn after(self, duration: Duration) -> Now {
        Now {
            instant: self.instant + duration,
            wall: self.wall.after(duration),
        }
    }
}
