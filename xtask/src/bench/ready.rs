//! P12: from the start of the process to its first line, by which every socket is open.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::report::{Figure, Finding, Target};
use super::{Bench, Options, signalling};
use crate::switchboard::Switchboard;

/// Rows of the big database.
const ROWS: u32 = 1_000_000;

/// With an empty database.
pub fn empty(bench: &Bench, _options: &Options) -> anyhow::Result<Finding> {
    Ok(Finding {
        name: "ready".to_owned(),
        what: "start to ready, with an empty database".to_owned(),
        figures: vec![
            Figure::new("start_to_ready", "ms", bench.ready_ms).against("P12", Target::Most(300.0)),
        ],
        faults: Vec::new(),
    })
}

/// With a database of a million calls: real ones, made many with sqlite3.
pub fn full(bench: &Bench, _options: &Options) -> anyhow::Result<Finding> {
    bench.answer_with("/hangup")?;
    signalling::once(bench)?;
    let folder = bench.folder.with_extension("full");
    copy(&bench.folder.join("data"), &folder.join("data"))?;
    let database = folder.join("data/switchboard.db");
    bench.say(&format!("making {ROWS} call rows …"));
    // Only ended calls: those that run are mended at the start, and there are never a million. In
    // the order of every index, so that it takes seconds.
    let multiply = format!(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;
         CREATE TEMP TABLE model AS SELECT * FROM calls WHERE final = TRUE ORDER BY created DESC LIMIT 1;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO calls SELECT printf('CA%032x', i), account, created + i, called, caller, parent, status,
            final, started + i, ended + i, record FROM model, n;
         SELECT count(*) FROM calls;"
    );
    let output = Command::new("sqlite3")
        .arg(&database)
        .arg(&multiply)
        .output()
        .context("starting sqlite3, which makes the rows; install the package sqlite3")?;
    let count = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || count.parse::<u32>().unwrap_or(0) < ROWS {
        bail!(
            "sqlite3 made {count} rows: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let settings = bench.settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    // The first start reads the file for the first time.
    let (again, first_ms) = Switchboard::resume(&bench.program, &folder, &settings)?;
    again.end()?;
    let (again, second_ms) = Switchboard::resume(&bench.program, &folder, &settings)?;
    again.end()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(Finding {
        name: "ready-full".to_owned(),
        what: format!("start to ready, with {count} call rows"),
        figures: vec![
            Figure::new("start_to_ready", "ms", second_ms).against("P12", Target::Most(2000.0)),
            Figure::new("start_to_ready_the_first_time", "ms", first_ms),
        ],
        faults: Vec::new(),
    })
}

/// The database while it is open: its log goes with it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
