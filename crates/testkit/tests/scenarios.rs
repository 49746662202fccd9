//! Every transcript of `scenarios/`, in one run.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::path::Path;

#[test]
fn every_scenario_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let rewrite = std::env::var("SCENARIOS").is_ok_and(|value| value == "rewrite");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of scenarios is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "call")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are no scenarios");
    let mut wrong = Vec::new();
    for path in &files {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let script = std::fs::read_to_string(path).expect("a scenario can be read");
        match testkit::scenario::run(&script) {
            Ok(played) if played == script => {}
            Ok(played) if rewrite => {
                std::fs::write(path, played).expect("a scenario can be written")
            }
            Ok(played) => {
                let pairs = script.lines().zip(played.lines());
                let at = pairs.take_while(|(a, b)| a == b).count();
                let expected = script.lines().nth(at).unwrap_or("(nothing)");
                let got = played.lines().nth(at).unwrap_or("(nothing)");
                wrong.push(format!(
                    "{name}:{}\n  expected {expected}\n  got      {got}",
                    at + 1
                ));
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
