//! What is tried again, and when. Pure: time has passed or not, chance is handed in.

use std::time::Duration;

use crate::overrides::Overrides;

/// How one attempt ended, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer with this status.
    Answered(u16),
    /// No connection: name, TCP or TLS.
    NoConnection,
    /// Connected, but no (complete) answer in time.
    NoAnswer,
    /// The answer broke off, broke the protocol or a limit: part of it had been received.
    BadAnswer,
    /// The request can never be sent as configured (URL, override, forbidden address).
    Impossible,
}

/// Whether a request that needs an answer now is sent again at once. `retried` counts the
/// retries already made. Never after a partial answer (contract 5.2).
pub fn fetch_again(overrides: &Overrides, retried: u32, outcome: Outcome) -> bool {
    let on = overrides.retry_on;
    retried < overrides.retries
        && match outcome {
            Outcome::NoConnection => on.connect,
            Outcome::NoAnswer => on.read,
            Outcome::Answered(400..=499) => on.client_error,
            Outcome::Answered(500..=599) => on.server_error,
            Outcome::Answered(_) | Outcome::BadAnswer | Outcome::Impossible => false,
        }
}

/// What becomes of an owed callback after an attempt (D10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has it. With an alert code, it did not like it: that is told, not repeated.
    Delivered {
        /// 15003 for an answer 4xx or 5xx; 11200 for any other answer that is not 2xx.
        alert: Option<u32>,
    },
    /// The receiver was out of reach: the same callback, with the same idempotency token, is
    /// sent again after this time.
    Again(Duration),
    /// It was out of reach for [`OUTAGE`], or can never be sent: the customer is told.
    GivenUp,
}

/// For how long a receiver may be out of reach before its callbacks are given up.
pub const OUTAGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Waits after the first failures, in seconds. The gap stays at 15 s for more than a minute, so
/// that an outage of a minute is over for us within 15 s of its end; then it grows to 5 min.
const WAITS: [u64; 15] = [1, 2, 4, 8, 15, 15, 15, 15, 15, 15, 30, 60, 60, 120, 300];

/// Decides about an owed callback. `attempts` counts those made (at least 1), `age` is the time
/// since the first of them, `jitter` is uniform in 0..=255 and shortens the wait by up to a
/// quarter, so that receivers coming back are not hit by everything at once.
pub fn callback(outcome: Outcome, attempts: u32, age: Duration, jitter: u8) -> Delivery {
    match outcome {
        // A gateway that has lost its server says so with these three: an outage as well.
        Outcome::Answered(502..=504) | Outcome::NoConnection | Outcome::NoAnswer => {
            if age >= OUTAGE {
                return Delivery::GivenUp;
            }
            Delivery::Again(wait(attempts, jitter))
        }
        // A body broken off half-way is an outage too: nobody can tell whether it was handled.
        Outcome::BadAnswer if age >= OUTAGE => Delivery::GivenUp,
        Outcome::BadAnswer => Delivery::Again(wait(attempts, jitter)),
        Outcome::Answered(200..=299) => Delivery::Delivered { alert: None },
        Outcome::Answered(400..=599) => Delivery::Delivered { alert: Some(15003) },
        Outcome::Answered(_) => Delivery::Delivered { alert: Some(11200) },
        Outcome::Impossible => Delivery::GivenUp,
    }
}

fn wait(attempts: u32, jitter: u8) -> Duration {
    let index = (attempts.max(1) as usize - 1).min(WAITS.len() - 1);
    let full = Duration::from_secs(WAITS[index]);
    full - full * u32::from(jitter) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_one_retry_after_a_failed_connection_only() {
        let overrides = Overrides::default();
        assert!(fetch_again(&overrides, 0, Outcome::NoConnection));
        assert!(!fetch_again(&overrides, 1, Outcome::NoConnection));
        for outcome in [
            Outcome::NoAnswer,
            Outcome::BadAnswer,
            Outcome::Impossible,
            Outcome::Answered(404),
            Outcome::Answered(503),
        ] {
            assert!(!fetch_again(&overrides, 0, outcome), "{outcome:?}");
        }
    }

    #[test]
    fn overrides_widen_it_but_never_to_partial_answers() {
        let overrides = Overrides::parse("rp=all&rc=3").unwrap();
        for outcome in [
            Outcome::NoConnection,
            Outcome::NoAnswer,
            Outcome::Answered(404),
            Outcome::Answered(500),
        ] {
            assert!(fetch_again(&overrides, 2, outcome));
            assert!(!fetch_again(&overrides, 3, outcome));
        }
        assert!(!fetch_again(&overrides, 0, Outcome::BadAnswer));
        assert!(!fetch_again(&overrides, 0, Outcome::Answered(200)));
    }

    #[test]
    fn answers_are_final_and_outages_are_not() {
        let after = |outcome| callback(outcome, 1, Duration::ZERO, 0);
        assert_eq!(
            after(Outcome::Answered(204)),
            Delivery::Delivered { alert: None }
        );
        for status in [400, 404, 410, 429, 500, 501, 505] {
            assert_eq!(
                after(Outcome::Answered(status)),
                Delivery::Delivered { alert: Some(15003) }
            );
        }
        for outcome in [
            Outcome::NoConnection,
            Outcome::NoAnswer,
            Outcome::BadAnswer,
            Outcome::Answered(502),
            Outcome::Answered(503),
            Outcome::Answered(504),
        ] {
            assert_eq!(after(outcome), Delivery::Again(Duration::from_secs(1)));
            assert_eq!(callback(outcome, 9, OUTAGE, 0), Delivery::GivenUp);
        }
        assert_eq!(after(Outcome::Impossible), Delivery::GivenUp);
    }

    #[test]
    fn a_minute_of_outage_is_over_soon_and_a_day_is_bounded() {
        for jitter in [0, 128, 255] {
            let (mut clock, mut attempts, mut first_after_60) = (Duration::ZERO, 1, None);
            while let Delivery::Again(wait) =
                callback(Outcome::NoConnection, attempts, clock, jitter)
            {
                assert!(wait >= Duration::from_millis(750));
                clock += wait;
                attempts += 1;
                if first_after_60.is_none() && clock >= Duration::from_secs(60) {
                    first_after_60 = Some(clock);
                }
            }
            assert!(first_after_60.unwrap() <= Duration::from_secs(75));
            assert!(clock >= OUTAGE && clock <= OUTAGE + Duration::from_secs(300));
            assert!(attempts < 420, "{attempts}");
        }
    }
}
