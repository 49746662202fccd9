//! How often a stranger may ask (virtual scheduling, one instant kept for each source).

use crate::chance::Seeded;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Refusals sent to one source: this many a second; others of its requests are dropped.
const REFUSALS: u32 = 10;

#[derive(Clone, Copy)]
struct Source {
    requests: Instant,
    refusals: Instant,
}

/// The verdict about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    Refuse,
    Drop,
}

pub(crate) struct Limiter {
    sources: HashMap<IpAddr, Source, Seeded>,
    most: usize,
    interval: Duration,
    burst: Duration,
    swept: Option<Instant>,
}

impl Limiter {
    pub fn new(most: usize, per_second: u32, burst: u32, seeded: Seeded) -> Limiter {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Limiter {
            sources: HashMap::with_hasher(seeded),
            most,
            interval,
            burst: interval * burst.max(1),
            swept: None,
        }
    }

    pub fn judge(&mut self, now: Instant, source: IpAddr) -> Verdict {
        if !self.sources.contains_key(&source) && self.sources.len() >= self.most {
            let rested = self
                .swept
                .is_none_or(|at| now.saturating_duration_since(at) >= Duration::from_secs(1));
            if rested {
                self.swept = Some(now);
                self.sources
                    .retain(|_, s| s.requests > now || s.refusals > now);
            }
            if self.sources.len() >= self.most {
                return Verdict::Drop;
            }
        }
        let entry = self.sources.entry(source).or_insert(Source {
            requests: now,
            refusals: now,
        });
        if take(&mut entry.requests, now, self.interval, self.burst) {
            return Verdict::Take;
        }
        let second = Duration::from_secs(1);
        if take(&mut entry.refusals, now, second / REFUSALS, second) {
            Verdict::Refuse
        } else {
            Verdict::Drop
        }
    }
}

fn take(next: &mut Instant, now: Instant, interval: Duration, burst: Duration) -> bool {
    let at = (*next).max(now) + interval;
    if at > now + burst {
        return false;
    }
    *next = at;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_refused_then_dropped_then_forgotten() {
        let mut limiter = Limiter::new(2, 10, 5, Seeded(1));
        let now = Instant::now();
        let source = IpAddr::from([192, 0, 2, 1]);
        let verdicts: Vec<_> = (0..30).map(|_| limiter.judge(now, source)).collect();
        assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Take).count(), 5);
        assert_eq!(
            verdicts.iter().filter(|v| **v == Verdict::Refuse).count(),
            10
        );
        assert_eq!(
            limiter.judge(now + Duration::from_secs(1), source),
            Verdict::Take
        );
        limiter.judge(now, IpAddr::from([192, 0, 2, 2]));
        assert_eq!(
            limiter.judge(now, IpAddr::from([192, 0, 2, 3])),
            Verdict::Drop
        );
        assert_eq!(
            limiter.judge(now + Duration::from_secs(9), IpAddr::from([192, 0, 2, 3])),
            Verdict::Take
        );
    }
}
