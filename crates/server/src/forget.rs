//! Deletes calls that ended long ago, with their events, notifications and telemetry: the database
//! does not grow without end (docs/compat/rest.md, rest-13).

use std::time::Duration;

use model::now::Wall;
use store::{Error, Store};

use crate::clock;

const DAY: Duration = Duration::from_secs(86_400);
/// Calls deleted in one transaction at most, so that no call that lives waits for long.
const GROUP: u16 = 200;
/// Between two transactions.
const REST: Duration = Duration::from_millis(50);

/// Runs for as long as the process does: at the start, and every day; more often where less than a
/// day is kept.
pub async fn run(store: Store, days: Option<f64>) {
    let Some(days) = days else { return };
    let kept = DAY.mul_f64(days);
    loop {
        match forget(&store, kept).await {
            Ok(0) => {}
            Ok(calls) => tracing::info!(calls, days, "old calls were deleted"),
            // Tried again the next time.
            Err(error) => tracing::error!(%error, "old calls cannot be deleted"),
        }
        tokio::time::sleep(DAY.min(kept).max(Duration::from_secs(1))).await;
    }
}

/// Deletes what is older; how many calls.
async fn forget(store: &Store, kept: Duration) -> Result<u64, Error> {
    let now = clock::now().wall;
    let before = Wall(now.0 - i64::try_from(kept.as_micros()).unwrap_or(i64::MAX));
    let mut deleted = 0;
    loop {
        let group = store.calls().forget_before(before, GROUP).await?;
        deleted += group;
        if group < u64::from(GROUP) {
            return Ok(deleted);
        }
        tokio::time::sleep(REST).await;
    }
}
