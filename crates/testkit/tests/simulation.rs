//! Many seeded worlds. `SIM_FIRST` and `SIM_SEEDS` choose them, to repeat one or to run more.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fmt::Write;

use testkit::simulation::{Ended, Reached};
use testkit::{group, outbox, registrar, wire, world};

/// Every race that the worlds must have come across.
const RACES: &[&str] = &[
    "A1 a bridge",
    "A1 a cancel while an answer is under way",
    "A1 an answer after the cancel",
    "A1 an answer that lost",
    "A12 a caller whom the program never answered",
    "A12 an answer at the ring timeout",
    "A12 no answer",
    "A13 ringing after the end",
    "A16 the time limit",
    "A18 an answer of an address that was given up",
    "A18 the next address after one that cannot be reached",
    "A2 caller hangs up while an answer is under way",
    "A5 hang-up inside a bridge",
    "B1 a change while a document is under way",
    "B1 a document nobody waits for",
    "B10 the queue timed out",
    "B10 too many calls",
    "B1 too many documents",
    "B2 a change while an answer is under way",
    "B2 canceled",
    "B3 a change in time",
    "B3 a change too early",
    "B3 a change too late",
    "B4 a change inside a bridge",
    "B4 two redirects together",
    "B5 a key at the very timeout",
    "B5 a key during a prompt",
    "B5 the key that ends the input",
    "B6 an answer after the question was given up",
    "F4 a step after the address was changed",
    "B5 a prompt that ends after it was stopped",
    "B5 hang-up during a prompt",
    "B7 hang-up while a document is under way",
    "B8 the action after the child's end",
    "B8 the action of a caller who hung up",
    "a change inside an echo",
    "an echo",
];

/// Every race of SIP that the wires must have come across.
const WIRE_RACES: &[&str] = &[
    "A10 the same INVITE by another path",
    "A11 the ACK is lost for good",
    "A12 an answer after the ring timeout",
    "A13 ringing after the end of ringing",
    "A16 the session runs out",
    "A16 UPDATE refreshes the session",
    "A2 an answer crosses the CANCEL",
    "A3 CANCEL after the answer",
    "A4 BYE before the ACK",
    "A5 BYE crosses BYE",
    "A5 the other side knows nothing any more",
    "A6 BYE crosses a re-INVITE",
    "A6 re-INVITE to a call that is over",
    "A7 glare",
    "A7 glare is resolved",
    "A8 PRACK after the answer was wanted",
    "A9 INVITE again after the answer",
    "A9 INVITE again before the answer",
];

/// Every race of a phone with its registrar.
const REGISTRAR_RACES: &[&str] = &[
    "A14 a REGISTER that was overtaken",
    "A14 a refresh at the very expiry",
    "A14 a refresh just before the expiry",
    "A14 a registration runs out",
    "A15 a phone unregisters while it rings",
    "A15 it answers after its registration has gone",
    "A15 the registration runs out while it rings",
];

/// Every race of callbacks.
const CALLBACK_RACES: &[&str] = &[
    "F1 a step while an earlier one is still owed",
    "F1 one receiver is told while another is away",
    "F1 a callback that nobody tells of",
    "F1 a callback whose turn has not come",
    "F3 a death while a delivery is under way",
    "F3 the same callback again, under the same token",
    "B12 a callback that is owed no more when its turn comes",
    "F5 a callback arrives after an outage",
    "F5 more is due than may be under way",
];

/// Every race of a group that rings.
const GROUP_RACES: &[&str] = &[
    "A1 a browser wins",
    "A1 a device answers too late",
    "A1 a telephone answers after it was canceled",
    "A1 a telephone wins",
    "A1 one device declines for its identity",
    "A1 one device of an identity wins",
    "A1 three answer together",
    "A12 nobody took the call",
    "A2 the caller leaves before any answer",
    "A2 the caller leaves just after the answer",
    "A2 the caller leaves while an answer is under way",
];

fn from_environment(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(otherwise)
}

type World = fn(u64, &mut Reached, bool) -> Result<Ended, String>;

/// Runs one world, and every tenth a second time, which must go the same way.
fn one(world: World, seed: u64, reached: &mut Reached) {
    let twice = seed.is_multiple_of(10);
    let ended = world(seed, reached, twice).unwrap_or_else(|law| {
        panic!("seed {seed}: {law}\nrepeat with SIM_FIRST={seed} SIM_SEEDS=1")
    });
    if twice {
        let again = world(seed, &mut Reached::new(), true)
            .unwrap_or_else(|law| panic!("seed {seed}, second run: {law}"));
        assert_eq!(
            ended.trace, again.trace,
            "seed {seed} ran differently the second time"
        );
    }
}

/// Runs the worlds on all processors; every race must have come about.
fn many(world: World, races: &[&str]) {
    let first = from_environment("SIM_FIRST", 0);
    let seeds = from_environment("SIM_SEEDS", 10_000);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut reached = Reached::new();
    std::thread::scope(|scope| {
        let share = |thread| {
            scope.spawn(move || {
                let mut reached = Reached::new();
                for seed in (first..first + seeds).filter(|seed| seed % threads == thread) {
                    one(world, seed, &mut reached);
                }
                reached
            })
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        for share in shares {
            let share = share
                .join()
                .unwrap_or_else(|law| std::panic::resume_unwind(law));
            for (race, times) in share {
                *reached.entry(race).or_default() += times;
            }
        }
    });
    let mut table = String::new();
    for (race, times) in &reached {
        let _ = writeln!(table, "{times:>8}  {race}");
    }
    println!("{seeds} worlds\n{table}");
    if seeds >= 10_000 {
        for race in races {
            assert!(
                reached.contains_key(race),
                "no world came across: {race}\n{table}"
            );
        }
    }
}

#[test]
fn the_laws_hold_in_every_world() {
    many(world::run, RACES);
}

#[test]
fn one_of_a_group_wins_and_the_others_know_it() {
    many(group::run, GROUP_RACES);
}

#[test]
fn the_laws_of_sip_hold_on_every_wire() {
    many(wire::run, WIRE_RACES);
}

#[test]
fn callbacks_arrive_in_order_whatever_fails() {
    many(outbox::run, CALLBACK_RACES);
}

#[test]
fn a_registration_is_that_of_the_newest_request() {
    many(registrar::run, REGISTRAR_RACES);
}
