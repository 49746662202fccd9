//! The tasks of the project: `cargo xtask test` is the one that decides.

mod bench;
mod command;
mod compat;
mod counterparts;
mod fuzz;
mod install;
mod report;
mod sim;
mod switchboard;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test, after installing what the tests need.
    Test(test::Options),
    /// Measure whole calls through the API, and print a table and JSON.
    Bench(bench::Options),
    /// Run the seeded simulation over more seeds than the tests do.
    Sim(sim::Options),
    /// Run the fuzz targets, each for some seconds: the nightly suite.
    Fuzz(fuzz::Options),
    /// Write the compatibility table of the README from the facts that tests name.
    Compat(compat::Options),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Arguments::parse().task {
        Task::Test(options) => test::run(&root, &options),
        Task::Bench(options) => bench::run(&root, &options),
        Task::Sim(options) => sim::run(&root, &options),
        Task::Fuzz(options) => fuzz::run(&root, &options),
        Task::Compat(options) => compat::run(&root, &options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: the parent of this crate's.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
