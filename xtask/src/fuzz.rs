//! `cargo xtask fuzz`: every fuzz target for some seconds, one after another. Part of `cargo xtask
//! test --nightly` only, because it never says that all is well, only that nothing was found in the
//! time it had.
//!
//! What is found on the way is kept in `target/fuzz/corpus/` and tried first the next time; an
//! input that breaks a target is left in `fuzz/artifacts/`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use clap::Args;

use crate::command;
use crate::report::{Outcome, Tally};

/// Folders of further seeds, by target.
const SEEDS: &[(&str, &str)] = &[
    ("sip_message", "crates/sip/tests/torture"),
    ("stun_noise", "crates/sip/tests/torture"),
];

/// The longest input tried, in bytes: a datagram, or the first frames of a sound file.
const LONGEST: &str = "4096";

/// How long a target runs.
const SECONDS: u32 = 45;

/// Lines shown of a target that broke.
const SHOWN: usize = 40;

/// Which targets, and for how long.
#[derive(Args)]
pub struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only this target.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

/// What one target did.
struct Run {
    target: String,
    inputs: String,
    coverage: String,
    broken: bool,
}

/// Builds and runs the targets; fails when one of them broke.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    match count(root, options)?.failed {
        0 => Ok(()),
        broken => bail!("{broken} targets broke; the inputs are in fuzz/artifacts/"),
    }
}

/// Every target for the usual time, each counted as a test.
pub fn nightly(root: &Path) -> anyhow::Result<Outcome> {
    let options = Options {
        seconds: SECONDS,
        target: None,
    };
    Ok(Outcome::Ran(count(root, &options)?))
}

fn count(root: &Path, options: &Options) -> anyhow::Result<Tally> {
    let known = targets(root)?;
    let chosen = match &options.target {
        None => known,
        Some(name) if known.contains(name) => vec![name.clone()],
        Some(name) => bail!("no target {name}; there are: {}", known.join(", ")),
    };
    install(root)?;
    for target in &chosen {
        command::run(cargo_fuzz(root, "build").arg(target))?;
    }
    let mut runs = Vec::new();
    for target in chosen {
        runs.push(one(root, &target, options.seconds)?);
    }
    println!();
    println!("{:<12}  {:>12}  {:>8}  result", "target", "inputs", "edges");
    for run in &runs {
        println!(
            "{:<12}  {:>12}  {:>8}  {}",
            run.target,
            run.inputs,
            run.coverage,
            match run.broken {
                true => "BROKEN",
                false => "ok",
            }
        );
    }
    let mut tally = Tally::default();
    runs.iter()
        .for_each(|run| tally.add(Tally::one(!run.broken)));
    Ok(tally)
}

/// The files in `fuzz/targets`, which are named after their targets.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("fuzz/targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Installs cargo-fuzz when it is missing.
fn install(root: &Path) -> anyhow::Result<()> {
    let present = Command::new("cargo")
        .args(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if present {
        println!("cargo-fuzz: there");
        return Ok(());
    }
    println!("cargo-fuzz: installing");
    command::run(Command::new("cargo").current_dir(root).args([
        "install",
        "cargo-fuzz",
        "--locked",
    ]))
}

/// `cargo fuzz`, without a sanitizer: our code has no `unsafe` for one to watch, and so the stable
/// compiler will do. Overflow and debug assertions are checked.
fn cargo_fuzz(root: &Path, task: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["fuzz", task, "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
    cargo
}

fn one(root: &Path, target: &str, seconds: u32) -> anyhow::Result<Run> {
    let found = root.join("target/fuzz/corpus").join(target);
    std::fs::create_dir_all(&found)?;
    // The first folder is the one that is written to.
    let mut folders = vec![found, root.join("fuzz/corpus").join(target)];
    let further = SEEDS.iter().filter(|(name, _)| *name == target);
    folders.extend(further.map(|(_, folder)| root.join(folder)));
    folders.retain(|folder: &PathBuf| folder.is_dir());
    println!("{target}: {seconds} s");
    let mut cargo = cargo_fuzz(root, "run");
    cargo
        .arg(target)
        .args(&folders)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        // An input that takes this many seconds is a fault as well.
        .args(["-timeout=10", "-rss_limit_mb=2048"]);
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo fuzz")?;
    let output = child.stderr.take().expect("stderr was asked for as a pipe");
    let mut last = VecDeque::new();
    let mut run = Run {
        target: target.to_owned(),
        inputs: "?".to_owned(),
        coverage: "?".to_owned(),
        broken: false,
    };
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if let Some((inputs, coverage)) = progress(&line) {
            run.inputs = inputs.to_owned();
            run.coverage = coverage.to_owned();
        }
        last.push_back(line);
        if last.len() > SHOWN {
            last.pop_front();
        }
    }
    run.broken = !child.wait()?.success();
    if run.broken {
        for line in last {
            println!("  {line}");
        }
    }
    Ok(run)
}

/// Inputs tried and edges of the control flow seen so far, from a line of libFuzzer's:
/// `#2048 pulse cov: 310 ft: 712 corp: …`.
fn progress(line: &str) -> Option<(&str, &str)> {
    let mut words = line.strip_prefix('#')?.split_whitespace();
    let inputs = words.next()?;
    words.find(|word| *word == "cov:")?;
    Some((inputs, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read() {
        let line = "#2048\tpulse  cov: 310 ft: 712 corp: 41/2kb lim: 4096 exec/s: 1024 rss: 40Mb";
        assert_eq!(progress(line), Some(("2048", "310")));
        assert_eq!(progress("#0\tREAD units: 3"), None);
        assert_eq!(progress("INFO: Seed: 1"), None);
    }
}
