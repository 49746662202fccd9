//! A seeded world of callbacks: several calls that owe reports, receivers that fail, go away for
//! minutes and answer too late, and a process that dies in between. Group F of the catalogue.
//!
//! What decides is the real code: [`Dispatch`] says what may leave, [`retry::callback`] what becomes of
//! it. The outbox itself is a table in memory with the rules of `store::Outbox`: of each stream only the
//! first is due, and what was answered is kept. What is written down is told to the dispatch late, or
//! in another order, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::now::Wall;
use model::sid::CallSid;
use webhook::dispatch::{Dispatch, Ending};
use webhook::retry::{self, Delivery, Outcome};

use crate::simulation::{Ended, Next, Reached, Simulation, Verdict, must};

/// Deliveries under way at once.
const AT_ONCE: usize = 3;
/// Callbacks that the dispatch knows at most.
const KNOWN: usize = 5;
/// How often the outbox is looked at without a reason.
const IDLE: Duration = Duration::from_millis(500);

/// One callback that is owed.
#[derive(Clone, Copy)]
struct Owed {
    stream: usize,
    number: u64,
    created: Wall,
    attempts: u32,
    next_attempt: Wall,
}

/// A callback as it is known outside the outbox.
#[derive(Clone, Copy)]
struct Copied {
    id: i64,
    owed: Owed,
}

enum Coming {
    /// A call takes a step: written down together with its report.
    Step(usize),
    /// The dispatch hears of what was written down.
    Told {
        copy: Copied,
        life: u32,
    },
    /// The request reaches its receiver.
    Arrives {
        copy: Copied,
        life: u32,
    },
    /// What became of a delivery is known to the process that sent it.
    Known {
        copy: Copied,
        life: u32,
        outcome: Outcome,
    },
    /// The call is deleted, and what is owed about it is withdrawn.
    Deleted(usize),
    Dies,
    Look,
}

struct World<'a> {
    sim: Simulation<'a, Coming>,
    owed: BTreeMap<i64, Owed>,
    ids: i64,
    steps: Vec<u64>,
    dispatch: Dispatch<Copied>,
    /// When the outbox is looked at again.
    looks_at: Wall,
    /// What was sent and not answered yet, and of which stream.
    under_way: BTreeMap<i64, usize>,
    /// Which life of the process it is: what an earlier one sent is nothing to it.
    life: u32,
    /// From when to when each receiver is out of reach.
    outages: Vec<(Wall, Wall)>,
    /// The newest step that each stream's receiver was told.
    heard: Vec<Option<u64>>,
    /// Steps that need not be told: given up, or withdrawn.
    given_up: BTreeSet<(usize, u64)>,
    sent: BTreeSet<(usize, u64)>,
}

/// Lets one world run until nothing is owed.
///
/// # Errors
/// The law that was broken.
pub fn run(seed: u64, reached: &mut Reached, trace: bool) -> Result<Ended, String> {
    let mut sim = Simulation::new(seed, reached, trace);
    let chance = &mut sim.chance;
    let streams = 2 + chance.below(5) as usize;
    let start = sim.now.wall;
    let mut world = World {
        owed: BTreeMap::new(),
        ids: 0,
        steps: vec![0; streams],
        dispatch: Dispatch::new(AT_ONCE, KNOWN),
        looks_at: start,
        under_way: BTreeMap::new(),
        life: 0,
        outages: Vec::new(),
        heard: vec![None; streams],
        given_up: BTreeSet::new(),
        sent: BTreeSet::new(),
        sim,
    };
    for stream in 0..streams {
        let seconds = [0, 0, 60, 600][world.sim.chance.below(4) as usize];
        let from = start.after(world.sim.chance.delay(10));
        let until = from.after(Duration::from_secs(seconds));
        world.outages.push((from, until));
        for _ in 0..1 + world.sim.chance.below(5) {
            let delay = world.sim.chance.delay(20);
            world.sim.later(delay, Coming::Step(stream));
        }
    }
    for _ in 0..world.sim.chance.below(3) {
        let delay = world.sim.chance.delay(30);
        world.sim.later(delay, Coming::Dies);
    }
    if world.sim.chance.below(4) == 0 {
        let delay = world.sim.chance.delay(30);
        world.sim.later(delay, Coming::Deleted(0));
    }
    world.live()?;
    Ok(world.sim.ended())
}

fn sid(stream: usize) -> CallSid {
    CallSid::from_bytes((stream as u128 + 1).to_be_bytes())
}

impl World<'_> {
    fn live(&mut self) -> Verdict {
        while let Some(next) = self.sim.next(None)? {
            let asks = match next {
                Next::Comes(coming) => self.happen(coming)?,
                Next::Timeout => false,
            };
            self.send(asks)?;
        }
        self.at_rest()
    }

    /// Whether the outbox is to be asked for what comes next.
    fn happen(&mut self, coming: Coming) -> Result<bool, String> {
        match coming {
            Coming::Step(stream) => self.step(stream),
            Coming::Told { copy, life } => {
                if life == self.life {
                    self.dispatch.told(sid(copy.owed.stream), copy);
                }
            }
            Coming::Arrives { copy, life } => self.arrives(copy, life)?,
            Coming::Known {
                copy,
                life,
                outcome,
            } => return Ok(self.known(copy, life, outcome)),
            Coming::Deleted(stream) => {
                self.owed.retain(|_, owed| owed.stream != stream);
                // Those that are under way may still arrive.
                let steps = (0..self.steps[stream]).map(|step| (stream, step));
                self.given_up.extend(steps);
            }
            Coming::Dies => {
                // What was under way may have arrived, and is still owed.
                if !self.under_way.is_empty() {
                    self.sim.reach("F3 a death while a delivery is under way");
                }
                self.life += 1;
                self.under_way.clear();
                self.dispatch = Dispatch::new(AT_ONCE, KNOWN);
                return Ok(true);
            }
            Coming::Look => return Ok(true),
        }
        Ok(false)
    }

    fn step(&mut self, stream: usize) {
        let number = self.steps[stream];
        self.steps[stream] += 1;
        if self.owed.values().any(|owed| owed.stream == stream) {
            self.sim
                .reach("F1 a step while an earlier one is still owed");
        }
        self.ids += 1;
        let owed = Owed {
            stream,
            number,
            created: self.sim.now.wall,
            attempts: 0,
            next_attempt: self.sim.now.wall,
        };
        self.owed.insert(self.ids, owed);
        if self.sim.chance.below(8) == 0 {
            return self.sim.reach("F1 a callback that nobody tells of");
        }
        let copy = Copied { id: self.ids, owed };
        let (delay, life) = (self.sim.chance.delay(1), self.life);
        self.sim.later(delay, Coming::Told { copy, life });
    }

    /// Of each stream the first, if its time has come: as `store::Outbox::due`.
    fn due(&self) -> Vec<(i64, Owed)> {
        let mut heads = BTreeSet::new();
        let first = self
            .owed
            .iter()
            .filter(|(_, owed)| heads.insert(owed.stream));
        let now = self.sim.now.wall;
        let mut due: Vec<_> = first
            .filter(|(_, owed)| owed.next_attempt <= now)
            .map(|(id, owed)| (*id, *owed))
            .collect();
        due.sort_by_key(|(id, owed)| (owed.next_attempt, *id));
        due.truncate(self.dispatch.asks_for().into());
        due
    }

    /// Sends what may leave, after asking the outbox if there is reason to.
    fn send(&mut self, mut asks: bool) -> Verdict {
        loop {
            let asked = std::mem::take(&mut asks);
            if asked {
                for (id, owed) in self.due() {
                    self.dispatch.found(sid(owed.stream), Copied { id, owed });
                }
            }
            while let Some(copy) = self.dispatch.take() {
                asks |= self.begin(copy)?;
            }
            if !asks {
                if asked {
                    self.none_waits_for_a_stranger()?;
                }
                break;
            }
        }
        let now = self.sim.now.wall;
        let unknown = self
            .due()
            .iter()
            .any(|(_, o)| !self.dispatch.knows(sid(o.stream)));
        let heads = self.owed.values().map(|owed| owed.next_attempt);
        let next = heads.filter(|at| *at > now).min();
        let idle = unknown.then(|| now.after(IDLE));
        if let Some(next) = next.into_iter().chain(idle).min()
            && (self.looks_at <= now || next < self.looks_at)
        {
            self.looks_at = next;
            let wait = Duration::from_micros((next.0 - now.0) as u64);
            self.sim.later(wait, Coming::Look);
        }
        Ok(())
    }

    /// Sends a callback if the outbox says so, as `store::Outbox::standing`; whether the outbox is to
    /// be asked for others.
    fn begin(&mut self, copy: Copied) -> Result<bool, String> {
        let Copied { id, owed } = copy;
        let stream = sid(owed.stream);
        let Some(kept) = self.owed.get(&id) else {
            self.sim
                .reach("B12 a callback that is owed no more when its turn comes");
            return Ok(self.dispatch.finished(stream, Ending::Struck));
        };
        let first = self.owed.iter().find(|(_, o)| o.stream == owed.stream);
        if first.is_none_or(|(first, _)| *first != id) || kept.attempts != owed.attempts {
            self.sim.reach("F1 a callback whose turn has not come");
            return Ok(self.dispatch.finished(stream, Ending::Later));
        }
        must(self.under_way.insert(id, owed.stream).is_none(), || {
            format!("{id} is sent twice at once")
        })?;
        must(self.under_way.len() <= AT_ONCE, || "a storm".to_owned())?;
        let words = [id as u64, owed.number, self.sim.now.wall.0 as u64];
        self.sim.trace(|| words.map(u64::to_le_bytes).concat());
        let life = self.life;
        let transit = self.sim.chance.delay(2);
        self.sim.later(transit, Coming::Arrives { copy, life });
        Ok(false)
    }

    /// F1: only its own stream, or a full house, keeps a callback waiting.
    fn none_waits_for_a_stranger(&mut self) -> Verdict {
        for (id, owed) in self.due() {
            let busy = |stream: &usize| *stream == owed.stream;
            if !self.dispatch.has_room() && !self.under_way.contains_key(&id) {
                self.sim.reach("F5 more is due than may be under way");
            } else {
                must(self.under_way.values().any(busy), || {
                    format!("{id} waits for a stranger")
                })?;
            }
        }
        Ok(())
    }

    fn arrives(&mut self, copy: Copied, life: u32) -> Verdict {
        let owed = copy.owed;
        // What a dead process had sent is lost with its connection, or it came in time.
        if life != self.life && !self.owed.contains_key(&copy.id) {
            return Ok(());
        }
        let (from, until) = self.outages[owed.stream];
        if (from..until).contains(&self.sim.now.wall) {
            let outcome = [Outcome::NoConnection, Outcome::Answered(503)];
            let outcome = outcome[self.sim.chance.below(2) as usize];
            self.sim.later(
                Duration::ZERO,
                Coming::Known {
                    copy,
                    life,
                    outcome,
                },
            );
            return Ok(());
        }
        self.receives(owed)?;
        let outcome = match self.sim.chance.below(8) {
            0 => Outcome::NoAnswer,
            1 => Outcome::Answered(500),
            2 => Outcome::BadAnswer,
            _ => Outcome::Answered(200),
        };
        let transit = self.sim.chance.delay(2);
        self.sim.later(
            transit,
            Coming::Known {
                copy,
                life,
                outcome,
            },
        );
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
            self.sim
                .reach("F3 the same callback again, under the same token");
        }
        let before = self.heard[stream];
        let next = before.map_or(0, |before| before + 1);
        let skipped = (next..number).all(|n| self.given_up.contains(&(stream, n)));
        must(
            Some(number) == before || (number >= next && skipped),
            || format!("{stream} hears {number} after {before:?}"),
        )?;
        self.heard[stream] = Some(number);
        if self.sim.now.wall >= self.outages[stream].1 && owed.attempts > 0 {
            self.sim.reach("F5 a callback arrives after an outage");
        }
        let blocked = |(n, (from, until)): (usize, &(Wall, Wall))| {
            n != stream && (*from..*until).contains(&self.sim.now.wall)
        };
        if self.outages.iter().enumerate().any(blocked) {
            self.sim
                .reach("F1 one receiver is told while another is away");
        }
        Ok(())
    }

    fn known(&mut self, copy: Copied, life: u32, outcome: Outcome) -> bool {
        if life != self.life {
            return false;
        }
        let Copied { id, owed } = copy;
        self.under_way.remove(&id);
        let age = Duration::from_secs(self.sim.now.wall.seconds_since(owed.created));
        let jitter = self.sim.chance.below(256) as u8;
        let ending = match retry::callback(outcome, owed.attempts + 1, age, jitter) {
            Delivery::Delivered { .. } => {
                self.owed.remove(&id);
                Ending::Struck
            }
            Delivery::GivenUp => {
                self.given_up.insert((owed.stream, owed.number));
                self.owed.remove(&id);
                Ending::Struck
            }
            Delivery::Again(wait) => {
                let next_attempt = self.sim.now.wall.after(wait);
                if let Some(owed) = self.owed.get_mut(&id) {
                    owed.attempts += 1;
                    owed.next_attempt = next_attempt;
                }
                Ending::Kept
            }
        };
        self.dispatch.finished(sid(owed.stream), ending)
    }

    /// In the end nothing is owed, and every step was told.
    fn at_rest(&self) -> Verdict {
        must(self.owed.is_empty(), || {
            format!("{} callbacks are still owed", self.owed.len())
        })?;
        for (stream, steps) in self.steps.iter().enumerate() {
            let told = self.heard[stream].map_or(0, |last| last + 1);
            let rest = (told..*steps).all(|step| self.given_up.contains(&(stream, step)));
            must(told <= *steps && rest, || {
                format!("{stream} took {steps} steps and told {told}")
            })?;
        }
        Ok(())
    }
}
