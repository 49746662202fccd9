//! The binary as people and scripts start it: first line, files, signals, exit codes.
#![allow(clippy::unwrap_used)] // the functions between the tests belong to them

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder of one test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("switchboard-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn switchboard() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    // The settings of whoever runs the tests are not part of them.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SWITCHBOARD_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
    command
}

fn run(arguments: &[&str]) -> Output {
    switchboard().args(arguments).output().unwrap()
}

fn code(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A running server, killed if the test fails.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Dev {
    fn start(data: &str) -> (Self, Value) {
        let mut child = switchboard()
            .args(["dev", "--json", "--ports", "auto", "--data", data])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        let dev = Dev(child);
        BufReader::new(out).read_line(&mut line).unwrap();
        (dev, serde_json::from_str(&line).unwrap())
    }

    fn end(&mut self, signal: &str) -> ExitStatus {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "still there after {signal}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn dev_says_when_it_is_ready_makes_calls_and_ends_cleanly() {
    let folder = Folder::new("dev");
    let data = folder.0.join("data");
    let data = data.to_str().unwrap();
    let (mut dev, facts) = Dev::start(data);
    assert_eq!(facts["ready"], true);
    let kept = folder.0.join("data/facts.json");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        serde_json::from_str::<Value>(&std::fs::read_to_string(&kept).unwrap()).unwrap(),
        facts
    );
    let api = facts["api"].as_str().unwrap().trim_start_matches("http://");
    std::net::TcpStream::connect(api).expect("the socket is open when the line appears");

    // A call that is answered, and what was heard of it.
    let wav = folder.0.join("heard.wav");
    let phone = facts["phones"][0].as_str().unwrap();
    let output = run(&[
        "call",
        "--to",
        phone,
        "--speak",
        "Hello to you",
        "--wav",
        wav.to_str().unwrap(),
        "--json",
        "--data",
        data,
    ]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["call"]["status"], "completed");
    assert_eq!(
        told["statuses"].as_array().unwrap().last().unwrap()["status"],
        "completed"
    );
    let heard = hound::WavReader::open(&wav).unwrap();
    assert!(
        heard
            .into_samples::<i16>()
            .any(|sample| sample.unwrap().abs() > 1000),
        "nothing but silence was heard"
    );

    // Calls that are not answered, refused, or asked by nobody known.
    assert_eq!(
        run(&["phone", "set", phone, "--busy", "--data", data])
            .status
            .code(),
        Some(0)
    );
    let (exit, said) = code(&["call", "--to", phone, "--speak", "x", "--data", data]);
    assert!(exit == Some(3) && said.contains("busy"), "{exit:?} {said}");
    let (exit, said) = code(&[
        "call",
        "--to",
        phone,
        "--from",
        "+19998887777",
        "--speak",
        "x",
        "--data",
        data,
    ]);
    assert!(exit == Some(1) && said.contains("21210"), "{exit:?} {said}");
    let (exit, said) = code(&["logs", "--data", data, "--token", "wrong"]);
    assert!(
        exit == Some(1) && said.contains("check --account and --token"),
        "{exit:?} {said}"
    );

    // A second one keeps away from the folder, and `doctor` sees the first.
    let (exit, said) = code(&["dev", "--ports", "auto", "--data", data]);
    assert!(
        exit == Some(1) && said.contains("in use"),
        "{exit:?} {said}"
    );
    let report: Value =
        serde_json::from_slice(&run(&["doctor", "--json", "--data", data]).stdout).unwrap();
    let of_data = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["check"] == "data")
        .unwrap();
    assert_eq!(of_data["state"], "warning");

    assert_eq!(dev.end("-TERM").code(), Some(0));
    assert!(!kept.exists());
    assert_eq!(code(&["logs", "--data", data]).0, Some(4));

    let (mut again, facts) = Dev::start(data);
    assert_eq!(facts["ready"], true);
    assert_eq!(again.end("-INT").code(), Some(0));
}

#[test]
fn a_server_starts_from_a_file_with_an_account_of_its_own() {
    let folder = Folder::new("serve");
    let file = folder.0.join("s.toml");
    let data = folder.0.join("data");
    let text = format!(
        "data = \"{}\"\nhttp = \"127.0.0.1:0\"\nhttps = \"off\"\nsip = \"127.0.0.1:0\"\nsips = \"off\"\n",
        data.display()
    );
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let account: Value =
        serde_json::from_slice(&run(&["account", "--config", file, "--json"]).stdout).unwrap();
    let (sid, token) = (
        account["account_sid"].as_str().unwrap(),
        account["auth_token"].as_str().unwrap(),
    );

    let mut child = switchboard()
        .args(["serve", "--config", file, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let mut server = Dev(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert!(
        ready["ready"] == true && ready.get("auth_token").is_none(),
        "{line}"
    );
    let api = ready["api"].as_str().unwrap();
    assert_eq!(
        code(&["logs", "--api", api, "--account", sid, "--token", token]).0,
        Some(0)
    );
    // What everybody knows of the development mode opens nothing here.
    let known = (
        "AC00000000000000000000000000000001",
        "0123456789abcdef0123456789abcdef",
    );
    assert_eq!(
        code(&[
            "logs",
            "--api",
            api,
            "--account",
            known.0,
            "--token",
            known.1
        ])
        .0,
        Some(1)
    );
    assert_eq!(server.end("-TERM").code(), Some(0));
}

#[test]
fn what_cannot_be_used_is_told_by_the_exit_code() {
    let (exit, said) = code(&["--http", "0.0.0.0:8460"]);
    assert!(
        exit == Some(78) && said.contains("switchboard serve"),
        "{exit:?} {said}"
    );
    let (exit, said) = code(&["serve", "--config", "/nonexistent.toml"]);
    assert!(
        exit == Some(78) && said.contains("config --example"),
        "{exit:?} {said}"
    );
    assert_eq!(code(&["dev", "--ports", "some"]).0, Some(2));
    assert_eq!(code(&["call", "--to", "x"]).0, Some(2));
    let (exit, said) = code(&[
        "phone",
        "list",
        "--api",
        "http://127.0.0.1:1",
        "--account",
        "AC1",
        "--token",
        "x",
    ]);
    assert!(
        exit == Some(4) && said.contains("switchboard dev"),
        "{exit:?} {said}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new("taken");
    let address = taken.local_addr().unwrap().to_string();
    let (exit, said) = code(&[
        "dev",
        "--ports",
        "auto",
        "--http",
        &address,
        "--data",
        folder.0.to_str().unwrap(),
    ]);
    assert!(
        exit == Some(1) && said.contains(&address) && said.contains("--ports auto"),
        "{exit:?} {said}"
    );
}
