//! `ARCHITECTURE.md` is a map: what it names must be there.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands between backticks in a cell of a table.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The rows of the routes: number, files, functions, what.
fn steps(map: &str) -> Vec<(Vec<&str>, Vec<&str>)> {
    let rows = map.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let steps = cells.filter(|cells| cells.len() == 6 && cells[1].parse::<u8>().is_ok());
    steps
        .map(|cells| (words(cells[2]), words(cells[3])))
        .collect()
}

#[test]
fn every_step_of_a_route_names_files_and_functions_that_exist() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let steps = steps(&map);
    assert!(steps.len() > 40, "the routes are not read: {}", steps.len());
    for (files, functions) in steps {
        let mut text = String::new();
        for file in &files {
            let path = root().join("crates").join(file);
            text += &fs::read_to_string(&path)
                .unwrap_or_else(|_| panic!("ARCHITECTURE.md names {file}, which is not there"));
        }
        for function in functions {
            let begins = [format!("fn {function}("), format!("fn {function}<")];
            assert!(
                begins.iter().any(|begin| text.contains(begin)),
                "ARCHITECTURE.md names `{function}`, which is not in {files:?}"
            );
        }
    }
}

#[test]
fn every_file_of_the_server_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, map) = map.split_once("## The files of `server`").unwrap();
    let (map, _) = map.split_once("\n## ").unwrap();
    let sources = root().join("crates/server/src");
    for folder in [
        "", "browsers", "config", "drivers", "sounds", "speech", "resolver",
    ] {
        for entry in fs::read_dir(sources.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let known = map.contains(&format!("`{name}`")) || map.contains(&format!("/{name}`"));
            let dispatches = name == "drivers.rs" || !name.ends_with(".rs");
            assert!(
                known || dispatches,
                "server/src/{folder}/{name} is not in ARCHITECTURE.md: say what it is for"
            );
        }
    }
}
