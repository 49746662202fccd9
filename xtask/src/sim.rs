//! `cargo xtask sim`: the seeded simulation of `testkit` over a chosen range of seeds.
//!
//! The range goes to the tests by environment: `SIM_SEEDS` (how many) and
//! `SIM_FIRST` (the first).

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::command;
use crate::report::Outcome;
use crate::test::cargo;

/// The longest a run may take.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

/// Which seeds.
#[derive(Args)]
pub struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first one; a failure names the seed to start at.
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// Runs the simulation and fails when a law was broken.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    match count(root, options.seeds, options.first)? {
        Outcome::Ran(tally) if tally.failed == 0 && tally.passed > 0 => Ok(()),
        Outcome::Ran(_) => anyhow::bail!("the simulation failed, or there was none to run"),
        Outcome::NotRun(why) => anyhow::bail!("not run: {why}"),
    }
}

/// Runs the simulation and counts its tests.
pub fn count(root: &Path, seeds: u64, first: u64) -> anyhow::Result<Outcome> {
    let mut cargo = cargo(root);
    cargo
        .args([
            "test",
            "--release",
            "--locked",
            "--package",
            "testkit",
            "--test",
            "simulation",
        ])
        .args(["--", "--nocapture"])
        .env("SIM_SEEDS", seeds.to_string())
        .env("SIM_FIRST", first.to_string());
    Ok(Outcome::Ran(command::count(&mut cargo, LIMIT)?))
}
