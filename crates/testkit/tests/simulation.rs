//! Many seeded worlds. `SIM_FIRST` and `SIM_SEEDS` choose them, to repeat one or to run more.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fmt::Write;

use testkit::world::{self, Reached};

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
    "B11 too many documents",
    "B2 canceled",
    "B3 a change in time",
    "B3 a change too early",
    "B3 a change too late",
    "B4 a change inside a bridge",
    "B4 two redirects together",
    "B5 a prompt that ends after it was stopped",
    "B5 hang-up during a prompt",
    "B7 hang-up while a document is under way",
    "B8 the action of a caller who hung up",
    "a change inside an echo",
    "an echo",
];

fn from_environment(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(otherwise)
}

#[test]
fn the_laws_hold_in_every_world() {
    let first = from_environment("SIM_FIRST", 0);
    let seeds = from_environment("SIM_SEEDS", 10_000);
    let mut reached = Reached::new();
    for seed in first..first + seeds {
        let twice = seed % 50 == 0;
        let ended = world::run(seed, &mut reached, twice).unwrap_or_else(|law| {
            panic!("seed {seed}: {law}\nrepeat with SIM_FIRST={seed} SIM_SEEDS=1")
        });
        if twice {
            let again = world::run(seed, &mut Reached::new(), true)
                .unwrap_or_else(|law| panic!("seed {seed}, second run: {law}"));
            assert_eq!(
                ended.trace, again.trace,
                "seed {seed} ran differently the second time"
            );
        }
    }
    let mut table = String::new();
    for (race, times) in &reached {
        let _ = writeln!(table, "{times:>8}  {race}");
    }
    println!("{seeds} worlds\n{table}");
    if seeds >= 10_000 {
        for race in RACES {
            assert!(
                reached.contains_key(race),
                "no world came across: {race}\n{table}"
            );
        }
    }
}
