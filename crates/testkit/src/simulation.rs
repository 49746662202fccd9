//! What every seeded world has: chance, virtual time, an agenda of what will happen, the races it came
//! across, and a hash by which two runs of one seed are compared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::now::{Now, Wall};

use crate::chance::Chance;

/// How often each kind of race came about, over many worlds.
pub type Reached = BTreeMap<&'static str, u64>;

/// What a world leaves behind.
pub struct Ended {
    /// Hash of everything that was traced, in order; 0 if nothing was to be.
    pub trace: u64,
}

/// Whether a law holds, and if not, how it was broken.
pub(crate) type Verdict = Result<(), String>;

pub(crate) fn must(holds: bool, law: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(law()) }
}

/// How many steps a world may take; one that takes more does not come to rest.
const STEPS: u32 = 20_000;

/// FNV-1a: offset basis and prime.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// One seed's course of events. `Coming` is what can happen in its world.
pub(crate) struct Simulation<'a, Coming> {
    pub chance: Chance,
    pub now: Now,
    start: Instant,
    /// By moment, then by chance, then in the order in which they were put down.
    agenda: BTreeMap<(Duration, u64, u64), Coming>,
    put_down: u64,
    steps: u32,
    reached: &'a mut Reached,
    trace: Option<u64>,
}

/// What happens next.
pub(crate) enum Next<Coming> {
    /// The deadline of a machine.
    Timeout,
    /// What stood on the agenda.
    Comes(Coming),
}

impl<'a, Coming> Simulation<'a, Coming> {
    pub fn new(seed: u64, reached: &'a mut Reached, trace: bool) -> Self {
        let instant = Instant::now();
        Simulation {
            chance: Chance::new(seed),
            now: Now {
                instant,
                wall: Wall(1_767_225_600_000_000),
            },
            start: instant,
            agenda: BTreeMap::new(),
            put_down: 0,
            steps: 0,
            reached,
            trace: trace.then_some(BASIS),
        }
    }

    /// Since the world began.
    pub fn elapsed(&self) -> Duration {
        self.since_start(self.now.instant)
    }

    pub fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }

    /// Puts down what happens after `delay`. Things of the same moment happen in any order.
    pub fn later(&mut self, delay: Duration, coming: Coming) {
        let tie = self.chance.below(4);
        self.put_down(self.elapsed() + delay, tie, coming);
    }

    /// Puts down what happens so long after the start. Things of the same moment happen in the order in
    /// which they were put down.
    pub fn in_order(&mut self, at: Duration, coming: Coming) {
        self.put_down(at, 0, coming);
    }

    fn put_down(&mut self, at: Duration, tie: u64, coming: Coming) {
        self.put_down += 1;
        self.agenda.insert((at, tie, self.put_down), coming);
    }

    /// Moves on to what is next, where `due` is the earliest deadline of the world's machines; `None`
    /// when the world is at rest.
    pub fn next(&mut self, due: Option<Instant>) -> Result<Option<Next<Coming>>, String> {
        let due = due.map(|at| self.since_start(at));
        let next = self.agenda.first_key_value().map(|(key, _)| key.0);
        let timeout_first = match (due, next) {
            (None, None) => return Ok(None),
            (Some(due), Some(next)) if due == next => self.chance.one_in(2),
            (Some(due), Some(next)) => due < next,
            (due, _) => due.is_some(),
        };
        self.steps += 1;
        must(self.steps <= STEPS, || {
            format!("no rest after {STEPS} steps")
        })?;
        let coming = match timeout_first {
            true => None,
            false => self.agenda.pop_first(),
        };
        let at = coming.as_ref().map(|(key, _)| key.0).or(due);
        let ahead = at.unwrap_or_default().saturating_sub(self.elapsed());
        self.now = self.now.after(ahead);
        Ok(Some(match coming {
            Some((_, coming)) => Next::Comes(coming),
            None => Next::Timeout,
        }))
    }

    /// Counts a race that the world came across.
    pub fn reach(&mut self, race: &'static str) {
        *self.reached.entry(race).or_default() += 1;
    }

    /// Two runs of one seed must say the same here, in the same order.
    pub fn trace<T: AsRef<[u8]>>(&mut self, said: impl FnOnce() -> T) {
        if let Some(hash) = &mut self.trace {
            for byte in said().as_ref() {
                *hash = (*hash ^ u64::from(*byte)).wrapping_mul(PRIME);
            }
        }
    }

    pub fn ended(&self) -> Ended {
        Ended {
            trace: self.trace.unwrap_or_default(),
        }
    }
}
