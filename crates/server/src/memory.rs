//! Giving memory back to the operating system once a busy time is over.
//!
//! Tables let go of what they held when calls end. What that frees stays with the allocator of the
//! thread that had asked for it until that thread asks again, which an idle one does not; the
//! database keeps pages of its file. So each thread is made to give back what it has.
#![allow(unsafe_code, reason = "the allocators have no safe interface for this")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::Store;

use crate::media_port::MediaRoom;

/// How often there has been a rest so far; each thread of the runtime takes part once.
static RESTS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The last rest that this thread took part in.
    static RESTED: Cell<u64> = const { Cell::new(0) };
}

/// Seconds without calls after which memory is given back: soon, and again when SIP has forgotten
/// the last transactions, which it keeps for 32 s (RFC 3261, 64*T1).
const RESTS_AFTER: [u32; 3] = [5, 20, 40];

/// Tells when there is a rest, by the number of calls every second.
#[derive(Debug, Default)]
pub struct Lull {
    busiest: usize,
    seconds: u32,
}

impl Lull {
    /// A second went by with so many calls. Whether memory is to be given back now: a small part
    /// of the calls that there were before is as good as none.
    pub fn passes(&mut self, calls: usize) -> bool {
        if calls * 8 > self.busiest {
            self.busiest = self.busiest.max(calls);
            self.seconds = 0;
            return false;
        }
        self.seconds = self.seconds.saturating_add(1);
        if Some(&self.seconds) == RESTS_AFTER.last() {
            // From here on, that many are busy again.
            self.busiest = calls;
        }
        RESTS_AFTER.contains(&self.seconds)
    }
}

/// Has every thread give back what it does not use.
pub async fn rest(store: &Store, media: &MediaRoom) {
    store.rest();
    media.everywhere(collect);
    RESTS.fetch_add(1, Ordering::Relaxed);
    // Each thread of the runtime takes part when it next goes to sleep; these wake those that sleep.
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    for _ in 0..2 * threads {
        tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
    }
    // SQLite is in C and asks the allocator of the system.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    let _ = tokio::task::spawn_blocking(|| {
        // SAFETY: it takes a plain number, and any thread may call it at any time.
        unsafe { libc::malloc_trim(0) }
    })
    .await;
}

/// A thread of the runtime has nothing to do: takes part in a rest if there was one.
pub fn doze() {
    let rests = RESTS.load(Ordering::Relaxed);
    if RESTED.replace(rests) != rests {
        collect();
    }
}

/// Gives back what this thread's part of the allocator does not use.
fn collect() {
    unsafe extern "C" {
        /// Of mimalloc, which `main.rs` links: frees what was freed by other threads, and gives empty
        /// pages back; with `force`, at once.
        safe fn mi_collect(force: bool);
    }
    mi_collect(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [u32; 0] = [];

    #[test]
    fn there_is_a_rest_when_calls_have_gone_not_while_they_come_and_go() {
        let mut lull = Lull::default();
        let mut rests = |calls: usize, seconds: u32| -> Vec<u32> {
            (1..=seconds).filter(|_| lull.passes(calls)).collect()
        };
        assert_eq!(rests(0, 100), [5, 20, 40], "after the start");
        assert_eq!(rests(100, 100), NEVER);
        assert_eq!(rests(40, 100), NEVER);
        assert_eq!(rests(12, 4), NEVER);
        assert_eq!(rests(13, 1), NEVER, "busy again");
        assert_eq!(rests(1, 100), [5, 20, 40], "one call lasts");
        assert_eq!(rests(1, 100), NEVER, "what lasts is the usual then");
        assert_eq!(rests(0, 100), [5, 20, 40]);
    }
}
