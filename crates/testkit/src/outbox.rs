//! A seeded world of callbacks: several calls that owe reports, receivers that fail, go away for
//! minutes and answer too late, and a process that dies in between. Group F of the catalogue.
//!
//! What decides is the real code: [`Dispatch`] says what may leave, [`retry::callback`] what becomes of
//! it. The outbox itself is a table in memory with the rules of `store::Outbox`: of each stream only the
//! first is due, and what was answered is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::now::Wall;
use model::sid::CallSid;
use webhook::dispatch::Dispatch;
use webhook::retry::{self, Delivery, Outcome};

use crate::chance::Chance;
use crate::world::{Ended, Reached};

/// How many steps a world may take; one that takes more does not come to rest.
const STEPS: u32 = 20_000;
/// Deliveries under way at once.
const AT_ONCE: usize = 3;

/// One callback that is owed.
#[derive(Clone, Copy)]
struct Owed {
    stream: usize,
    number: u64,
    created: Wall,
    attempts: u32,
    next_attempt: Wall,
}

enum Coming {
    /// A call takes a step: written down together with its report.
    Step(usize),
    /// The request reaches its receiver.
    Arrives {
        id: i64,
        life: u32,
    },
    /// What became of a delivery is known to the process that sent it.
    Known {
        id: i64,
        life: u32,
        outcome: Outcome,
    },
    Dies,
    Look,
}

struct World<'a> {
    chance: Chance,
    now: Wall,
    coming: BTreeMap<(Wall, u64, u64), Coming>,
    arrivals: u64,
    owed: BTreeMap<i64, Owed>,
    ids: i64,
    steps: Vec<u64>,
    dispatch: Dispatch,
    /// When the outbox is looked at again.
    looks_at: Wall,
    under_way: BTreeSet<i64>,
    /// Which life of the process it is: what an earlier one sent is nothing to it.
    life: u32,
    /// From when to when each receiver is out of reach.
    outages: Vec<(Wall, Wall)>,
    /// The newest step that each stream's receiver was told, and whether the last one was given up.
    heard: Vec<Option<u64>>,
    given_up: BTreeSet<(usize, u64)>,
    sent: BTreeSet<(usize, u64)>,
    reached: &'a mut Reached,
    trace: u64,
}

type Verdict = Result<(), String>;

/// Lets one world run until nothing is owed.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64, reached: &mut Reached, _trace: bool) -> Result<Ended, String> {
    let mut chance = Chance::new(seed);
    let streams = 2 + chance.below(5) as usize;
    let start = Wall(1_767_225_600_000_000);
    let mut world = World {
        now: start,
        coming: BTreeMap::new(),
        arrivals: 0,
        owed: BTreeMap::new(),
        ids: 0,
        steps: vec![0; streams],
        dispatch: Dispatch::new(AT_ONCE),
        looks_at: start,
        under_way: BTreeSet::new(),
        life: 0,
        outages: Vec::new(),
        heard: vec![None; streams],
        given_up: BTreeSet::new(),
        sent: BTreeSet::new(),
        reached,
        trace: 0xcbf2_9ce4_8422_2325,
        chance,
    };
    for stream in 0..streams {
        let seconds = [0, 0, 60, 600][world.chance.below(4) as usize];
        let from = start.after(world.chance.delay(10));
        let until = from.after(Duration::from_secs(seconds));
        world.outages.push((from, until));
        for _ in 0..1 + world.chance.below(5) {
            let delay = world.chance.delay(20);
            world.later(delay, Coming::Step(stream));
        }
    }
    for _ in 0..world.chance.below(3) {
        let delay = world.chance.delay(30);
        world.later(delay, Coming::Dies);
    }
    world.live()?;
    Ok(Ended { trace: world.trace })
}

fn sid(stream: usize) -> CallSid {
    CallSid::from_bytes((stream as u128 + 1).to_be_bytes())
}

fn must(holds: bool, law: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(law()) }
}

impl World<'_> {
    fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    fn later(&mut self, delay: Duration, coming: Coming) {
        self.arrivals += 1;
        let tie = self.chance.below(4);
        let key = (self.now.after(delay), tie, self.arrivals);
        self.coming.insert(key, coming);
    }

    fn live(&mut self) -> Verdict {
        for _ in 0..STEPS {
            let Some((key, coming)) = self.coming.pop_first() else {
                return self.at_rest();
            };
            self.now = key.0;
            match coming {
                Coming::Step(stream) => self.step(stream),
                Coming::Arrives { id, life } => self.arrives(id, life)?,
                Coming::Known { id, life, outcome } => self.known(id, life, outcome)?,
                Coming::Dies => {
                    // What was under way may have arrived, and is still owed.
                    if !self.under_way.is_empty() {
                        self.reach("F3 a death while a delivery is under way");
                    }
                    self.life += 1;
                    self.under_way.clear();
                    self.dispatch = Dispatch::new(AT_ONCE);
                }
                Coming::Look => {}
            }
            self.look()?;
        }
        Err(format!("no rest after {STEPS} steps"))
    }

    fn step(&mut self, stream: usize) {
        let number = self.steps[stream];
        self.steps[stream] += 1;
        if self.owed.values().any(|owed| owed.stream == stream) {
            self.reach("F1 a step while an earlier one is still owed");
        }
        self.ids += 1;
        let owed = Owed {
            stream,
            number,
            created: self.now,
            attempts: 0,
            next_attempt: self.now,
        };
        self.owed.insert(self.ids, owed);
    }

    /// Of each stream the first, if its time has come: as `store::Outbox::due`.
    fn due(&self) -> Vec<(i64, Owed)> {
        let mut heads = BTreeSet::new();
        let first = self
            .owed
            .iter()
            .filter(|(_, owed)| heads.insert(owed.stream));
        let now = self.now;
        let mut due: Vec<_> = first
            .filter(|(_, owed)| owed.next_attempt <= now)
            .map(|(id, owed)| (*id, *owed))
            .collect();
        due.sort_by_key(|(id, owed)| (owed.next_attempt, *id));
        due.truncate(self.dispatch.asks_for().into());
        due
    }

    /// Sends what may leave.
    fn look(&mut self) -> Verdict {
        for (id, owed) in self.due() {
            if !self.dispatch.begin(id, sid(owed.stream)) {
                // F1: only its own stream, or a full house, keeps a callback waiting.
                let busy = |id: &i64| self.owed.get(id).is_some_and(|o| o.stream == owed.stream);
                let waits = !self.dispatch.has_room() || self.under_way.iter().any(busy);
                must(waits, || format!("{id} waits for a stranger"))?;
                if !self.dispatch.has_room() {
                    self.reach("F5 more is due than may be under way");
                }
                continue;
            }
            must(self.under_way.insert(id), || {
                format!("{id} is sent twice at once")
            })?;
            must(self.under_way.len() <= AT_ONCE, || "a storm".to_owned())?;
            self.note(&[id as u64, owed.number, self.now.0 as u64]);
            let life = self.life;
            let transit = self.chance.delay(2);
            self.later(transit, Coming::Arrives { id, life });
        }
        let heads = self.owed.values().map(|owed| owed.next_attempt);
        if let Some(next) = heads.filter(|at| *at > self.now).min()
            && (self.looks_at <= self.now || next < self.looks_at)
        {
            self.looks_at = next;
            let wait = Duration::from_micros((next.0 - self.now.0) as u64);
            self.later(wait, Coming::Look);
        }
        Ok(())
    }

    fn note(&mut self, words: &[u64]) {
        for byte in words.iter().flat_map(|word| word.to_le_bytes()) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn arrives(&mut self, id: i64, life: u32) -> Verdict {
        let Some(owed) = self.owed.get(&id).copied() else {
            return Ok(());
        };
        let (from, until) = self.outages[owed.stream];
        if (from..until).contains(&self.now) {
            let outcome = [Outcome::NoConnection, Outcome::Answered(503)];
            let outcome = outcome[self.chance.below(2) as usize];
            self.later(Duration::ZERO, Coming::Known { id, life, outcome });
            return Ok(());
        }
        self.receives(owed)?;
        let outcome = match self.chance.below(8) {
            0 => Outcome::NoAnswer,
            1 => Outcome::Answered(500),
            2 => Outcome::BadAnswer,
            _ => Outcome::Answered(200),
        };
        let transit = self.chance.delay(2);
        self.later(transit, Coming::Known { id, life, outcome });
        Ok(())
    }

    /// The receiver is told: in order, and again only what it was told last.
    fn receives(&mut self, owed: Owed) -> Verdict {
        let Owed { stream, number, .. } = owed;
        // F2: what is told is written down already.
        must(number < self.steps[stream], || {
            format!("step {number} of {stream} is told before it is written down")
        })?;
        if !self.sent.insert((stream, number)) {
            self.reach("F3 the same callback again, under the same token");
        }
        let before = self.heard[stream];
        let next = before.map_or(0, |before| before + 1);
        let skipped = (next..number).all(|n| self.given_up.contains(&(stream, n)));
        must(
            Some(number) == before || (number >= next && skipped),
            || format!("{stream} hears {number} after {before:?}"),
        )?;
        self.heard[stream] = Some(number);
        if self.now >= self.outages[stream].1 && owed.attempts > 0 {
            self.reach("F5 a callback arrives after an outage");
        }
        let blocked = |(n, (from, until)): (usize, &(Wall, Wall))| {
            n != stream && (*from..*until).contains(&self.now)
        };
        if self.outages.iter().enumerate().any(blocked) {
            self.reach("F1 one receiver is told while another is away");
        }
        Ok(())
    }

    fn known(&mut self, id: i64, life: u32, outcome: Outcome) -> Verdict {
        if life != self.life {
            return Ok(());
        }
        let Some(owed) = self.owed.get(&id).copied() else {
            return Err(format!("{id} is known of, but not owed"));
        };
        self.under_way.remove(&id);
        self.dispatch.finished(id, sid(owed.stream));
        let age = Duration::from_secs(self.now.seconds_since(owed.created));
        let jitter = self.chance.below(256) as u8;
        match retry::callback(outcome, owed.attempts + 1, age, jitter) {
            Delivery::Delivered { .. } => {
                self.owed.remove(&id);
            }
            Delivery::GivenUp => {
                self.given_up.insert((owed.stream, owed.number));
                self.owed.remove(&id);
            }
            Delivery::Again(wait) => {
                let next_attempt = self.now.after(wait);
                if let Some(owed) = self.owed.get_mut(&id) {
                    owed.attempts += 1;
                    owed.next_attempt = next_attempt;
                }
            }
        }
        Ok(())
    }

    /// In the end nothing is owed, and every step was told.
    fn at_rest(&self) -> Verdict {
        must(self.owed.is_empty(), || {
            format!("{} callbacks are still owed", self.owed.len())
        })?;
        for (stream, steps) in self.steps.iter().enumerate() {
            let told = self.heard[stream].map_or(0, |last| last + 1);
            must(told == *steps, || {
                format!("{stream} took {steps} steps and told {told}")
            })?;
        }
        Ok(())
    }
}
