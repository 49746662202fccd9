//! The one place that asks for the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::now::{Now, Wall};

/// Both clocks, now.
pub fn now() -> Now {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        instant: Instant::now(),
        wall: Wall(since_1970.as_micros() as i64),
    }
}
