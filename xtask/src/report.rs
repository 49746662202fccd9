//! What was run, how it went, and the closing lines.

use std::time::{Duration, Instant};

/// The tests of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub skipped: u64,
}

impl Tally {
    /// One test, passed or failed.
    pub fn one(passed: bool) -> Self {
        Self {
            passed: passed.into(),
            failed: (!passed).into(),
            skipped: 0,
        }
    }

    /// Adds another step's tests.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

struct Row {
    name: String,
    tally: Tally,
    note: String,
    took: Duration,
}

/// The steps so far.
pub struct Report {
    began: Instant,
    rows: Vec<Row>,
}

impl Report {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            rows: Vec::new(),
        }
    }

    /// Runs one step, says so, and keeps its outcome. An error is one failed test.
    pub fn step(&mut self, name: &str, act: impl FnOnce() -> anyhow::Result<Outcome>) -> bool {
        println!("\n== [{}] {name}", clock(self.began.elapsed()));
        let began = Instant::now();
        let (tally, note) = match act() {
            Ok(Outcome::Ran(tally)) => (tally, String::new()),
            Ok(Outcome::NotRun(why)) => {
                println!("not run: {why}");
                (
                    Tally {
                        skipped: 1,
                        ..Tally::default()
                    },
                    format!("not run: {why}"),
                )
            }
            Err(error) => {
                println!("failed: {error:#}");
                (Tally::one(false), format!("{error:#}"))
            }
        };
        self.rows.push(Row {
            name: name.to_owned(),
            tally,
            note,
            took: began.elapsed(),
        });
        tally.failed == 0
    }

    /// Prints the table and the closing line; true when nothing failed and something ran, and, if
    /// that is required, nothing was left out.
    pub fn close(&self, all_required: bool) -> bool {
        let mut total = Tally::default();
        let width = self
            .rows
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or(0);
        println!(
            "\n{:width$}  {:>7} {:>7} {:>8} {:>7}",
            "step", "passed", "failed", "not run", "time"
        );
        for row in &self.rows {
            total.add(row.tally);
            let Tally {
                passed,
                failed,
                skipped,
            } = row.tally;
            println!(
                "{:width$}  {passed:>7} {failed:>7} {skipped:>8} {:>7}  {}",
                row.name,
                clock(row.took),
                row.note.lines().next().unwrap_or_default()
            );
        }
        println!("\ntook {}", clock(self.began.elapsed()));
        let Tally {
            passed,
            failed,
            skipped,
        } = total;
        match skipped {
            0 => println!("{passed} passed, {failed} failed"),
            _ => println!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
        if all_required && skipped > 0 {
            println!("what was not run was required");
        }
        failed == 0 && passed > 0 && !(all_required && skipped > 0)
    }
}

/// How a step ended.
pub enum Outcome {
    /// Its tests were run.
    Ran(Tally),
    /// Its counterpart is missing; the text says which.
    NotRun(String),
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_run_passes_only_where_it_is_not_required() {
        let mut report = Report::new();
        report.step("unit", || Ok(Outcome::Ran(Tally::one(true))));
        assert!(report.close(true));
        report.step("sipp", || Ok(Outcome::NotRun("no sipp".to_owned())));
        assert!(report.close(false));
        assert!(!report.close(true));
        report.step("fails", || Ok(Outcome::Ran(Tally::one(false))));
        assert!(!report.close(false));
    }
}
