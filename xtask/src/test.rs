//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::report::{Outcome, Report, Tally};
use crate::{bench, command, compat, counterparts, fuzz, install, sim};

/// No step of cargo's may take longer: a cold build on two cores stays well below it.
const LIMIT: Duration = Duration::from_secs(40 * 60);
/// Seeds of the long simulation.
const NIGHTLY_SEEDS: u64 = 100_000;
/// What `--nightly` adds.
const NIGHTLY: [&str; 4] = ["simulation", "kills", "memory", "fuzz"];

/// What to run.
#[derive(Args)]
pub struct Options {
    /// Also what takes too long for every day: the simulation over many more seeds, kills at other
    /// moments, memory after 10,000 calls, and every fuzz target.
    #[arg(long)]
    nightly: bool,
    /// Only this: format, clippy, compat, cargo, a counterpart suite, or one of the nightly
    /// suites simulation, kills, memory, fuzz. May be repeated.
    #[arg(long, value_name = "SUITE")]
    only: Vec<String>,
    /// A suite that could not run fails.
    #[arg(long)]
    require_all: bool,
    /// Do not install anything; suites that lack their counterpart say "not run".
    #[arg(long)]
    no_install: bool,
}

/// Runs the tests and fails when one failed.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let own = ["format", "clippy", "compat", "cargo"];
    let known = own
        .into_iter()
        .chain(counterparts::SUITES.iter().map(|suite| suite.name))
        .chain(NIGHTLY);
    let known: Vec<&str> = known.collect();
    if let Some(wrong) = options
        .only
        .iter()
        .find(|only| !known.contains(&only.as_str()))
    {
        bail!("no suite is called {wrong}; there are {}", known.join(", "));
    }
    let wanted =
        |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let suites: Vec<_> = counterparts::SUITES
        .iter()
        .filter(|suite| {
            let named = options.only.iter().any(|only| only == suite.name);
            named || wanted(suite.name) && (options.nightly || !suite.nightly)
        })
        .collect();

    let mut report = Report::new();
    if wanted("format") {
        report.step("format", || {
            passes(cargo(root).args(["fmt", "--all", "--check"]))
        });
    }
    if wanted("compat") {
        report.step("compatibility table", || {
            compat::check(root)?;
            Ok(Outcome::Ran(Tally::one(true)))
        });
    }
    if wanted("cargo") {
        report.step("unit tests, scenarios, simulation", || {
            let arguments = ["test", "--workspace", "--locked", "--no-fail-fast"];
            Ok(Outcome::Ran(command::count(
                cargo(root).args(arguments),
                LIMIT,
            )?))
        });
    }
    if wanted("clippy") {
        report.step("clippy", || {
            let arguments = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ];
            passes(cargo(root).args(arguments))
        });
    }
    if !suites.is_empty() {
        if !options.no_install {
            println!("\n== what the counterpart suites need");
            let tools: Vec<_> = suites
                .iter()
                .flat_map(|suite| suite.tools)
                .copied()
                .collect();
            install::install(root, &tools)?;
        }
        // The same selection of packages as the tests, so that nothing is compiled twice.
        let built = report.step("build", || {
            passes(cargo(root).args(["build", "--workspace", "--bins", "--locked"]))
        });
        let programs = std::env::current_exe()?;
        let programs = programs.parent().context("this program lies in a folder")?;
        for suite in suites {
            report.step(suite.name, || match built {
                true => counterparts::run(root, programs, suite),
                false => Ok(Outcome::NotRun("the build failed".to_owned())),
            });
        }
    }
    let nightly = |name: &str| {
        let named = options.only.iter().any(|only| only == name);
        named || options.nightly && options.only.is_empty()
    };
    if nightly("simulation") {
        report.step("simulation, nightly", || {
            sim::count(root, NIGHTLY_SEEDS, 1_000_000)
        });
    }
    if nightly("kills") {
        report.step("25 kills at other moments, 1,000 browsers", || {
            let packages = ["--package", "server", "--package", "browser"];
            let tests = ["--test", "crash", "--test", "peers"];
            let mut cargo = cargo(root);
            cargo
                .args(["test", "--locked", "--no-fail-fast"])
                .args(packages)
                .args(tests)
                .env("SWITCHBOARD_NIGHTLY", "1");
            Ok(Outcome::Ran(command::count(&mut cargo, LIMIT)?))
        });
    }
    if nightly("memory") {
        // A program of its own: it is built for release, and fails when memory does not come back.
        report.step("memory after 10,000 calls", || {
            bench::alone(root, "memory")?;
            Ok(Outcome::Ran(Tally::one(true)))
        });
    }
    if nightly("fuzz") {
        report.step("fuzz", || fuzz::nightly(root));
    }
    match report.close(options.require_all) {
        true => Ok(()),
        false => bail!("not all tests passed"),
    }
}

/// One test: the program succeeds.
fn passes(program: &mut Command) -> anyhow::Result<Outcome> {
    command::run(program)?;
    Ok(Outcome::Ran(Tally::one(true)))
}

/// The cargo that runs us, in the folder of the workspace.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}
