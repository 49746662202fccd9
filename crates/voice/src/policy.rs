//! What an operator may set: bounds and defaults.

use std::time::Duration;

/// Bounds and defaults of the engine. Every table has its bound here.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Call starts per second and account; REST calls beyond it wait their turn (contract 6.3).
    pub calls_per_second: f64,
    /// Calls that one account may have at a time, queued ones included.
    pub calls_per_account: usize,
    /// Calls that this engine holds at a time, queued ones included.
    pub calls: usize,
    /// Documents that one call may execute: the only bound on redirect loops.
    pub documents_per_call: u32,
    /// What one call may tell the debugger: a bad program in a loop fills no database.
    pub alerts_per_call: u32,
    /// How long a call may last when nobody says otherwise.
    pub time_limit: Duration,
    /// How long a REST call may wait for its turn (15002).
    pub queue_timeout: Duration,
    /// How long a caller may wait for an answer, whatever the program does (compat document-12).
    pub answer_timeout: Duration,
    /// Destinations of one `Dial` (contract 4.3).
    pub dial_destinations: usize,
    /// The country whose ringing tone a `Dial` without `ringTone` plays.
    pub ring_tone: String,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            calls_per_second: 1.0,
            calls_per_account: 10_000,
            calls: 20_000,
            documents_per_call: 1_000,
            alerts_per_call: 1_000,
            time_limit: Duration::from_secs(14_400),
            queue_timeout: Duration::from_secs(86_400),
            // RFC 3261 section 16.6: a proxy waits at least this long for the final response (timer C).
            answer_timeout: Duration::from_secs(180),
            dial_destinations: 10,
            ring_tone: "us".to_owned(),
        }
    }
}

impl Policy {
    /// The time between two call starts of one account.
    pub(crate) fn turn(&self) -> Duration {
        let rate = self.calls_per_second.clamp(0.001, 100_000.0);
        Duration::from_secs_f64(1.0 / rate)
    }
}
