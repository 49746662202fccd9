//! The seeds of the fuzz targets, through the targets, on every day: so that neither rots. What fuzzing
//! itself does, `cargo xtask fuzz` does at night.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![allow(
    unused_attributes,
    clippy::module_inception,
    reason = "the targets are programs elsewhere"
)]

use std::path::{Path, PathBuf};

pub extern crate arbitrary;
/// To the targets, this file is the library that runs them.
extern crate self as libfuzzer_sys;

macro_rules! targets {
    ($($name:ident = $path:literal;)*) => {
        $(
            #[path = $path]
            mod $name;

            #[test]
            fn $name() {
                replay(stringify!($name), $name::run);
            }
        )*

        const TARGETS: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    digest = "../../../fuzz/targets/digest.rs";
    dns = "../../../fuzz/targets/dns.rs";
    form = "../../../fuzz/targets/form.rs";
    frames = "../../../fuzz/targets/frames.rs";
    mp3 = "../../../fuzz/targets/mp3.rs";
    opus = "../../../fuzz/targets/opus.rs";
    rtcp = "../../../fuzz/targets/rtcp.rs";
    rtp = "../../../fuzz/targets/rtp.rs";
    sdp = "../../../fuzz/targets/sdp.rs";
    sip_message = "../../../fuzz/targets/sip_message.rs";
    sip_uri = "../../../fuzz/targets/sip_uri.rs";
    stun_noise = "../../../fuzz/targets/stun_noise.rs";
    switch = "../../../fuzz/targets/switch.rs";
    token = "../../../fuzz/targets/token.rs";
    twiml = "../../../fuzz/targets/twiml.rs";
    wav = "../../../fuzz/targets/wav.rs";
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).collect()
}

/// Every seed, and every input that a fuzzer here has broken the target with.
fn replay(name: &str, run: fn(&[u8])) {
    let seeds = files(&fuzz().join("corpus").join(name));
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let broken = files(&fuzz().join("artifacts").join(name));
    let torture = match name {
        "sip_message" | "stun_noise" => files(&fuzz().join("../crates/sip/tests/torture")),
        _ => Vec::new(),
    };
    for path in seeds.iter().chain(&broken).chain(&torture) {
        // Shown only if the target breaks.
        println!("{}", path.display());
        run(&std::fs::read(path).unwrap());
    }
}

#[test]
fn every_target_is_built_and_replayed() {
    let mut files: Vec<String> = files(&fuzz().join("targets"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, TARGETS);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in TARGETS {
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "{name}"
        );
    }
}

/// Makes a function of what the fuzzer would run. Here at the end, so that the targets get it by their
/// import and not by its place.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        pub fn run($bytes: &[u8]) $body
    };
    (|$text:ident: &str| $body:block) => {
        pub fn run(bytes: &[u8]) {
            if let Ok(text) = std::str::from_utf8(bytes) {
                read(text);
            }
        }
        fn read($text: &str) $body
    };
}
