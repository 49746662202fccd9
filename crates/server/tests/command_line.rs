//! The binary as people and scripts start it: first line, files, signals, exit codes.
#![allow(clippy::unwrap_used)] // the functions between the tests belong to them

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

/// Whether a WAV file holds more than silence.
fn is_heard(path: &str) -> bool {
    let heard = hound::WavReader::open(path).expect(path);
    let mut samples = heard.into_samples::<i16>();
    samples.any(|sample| sample.unwrap().abs() > 1000)
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
    assert!(is_heard(wav.to_str().unwrap()), "nothing but silence");

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

    // Without being asked, a call leaves what was heard in the data folder, and says where.
    let other = facts["phones"][1].as_str().unwrap();
    let output = run(&["call", "--to", other, "--speak", "Hello", "--data", data]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(" s  completed"), "progress: {said}");
    let (_, left) = said.split_once(" heard is in ").expect(&said);
    assert!(is_heard(left.trim()), "{left}");
    assert_eq!(
        Some(Path::new(left.trim()).parent().unwrap()),
        Some(Path::new(data))
    );

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
    let account: Value = serde_json::from_slice(
        &run(&["account", "--config", file, "--key", "main", "--json"]).stdout,
    )
    .unwrap();
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
    // Only a main key may look at keys.
    let (key, secret) = (
        account["api_key_sid"].as_str().unwrap(),
        account["api_key_secret"].as_str().unwrap(),
    );
    let keys = format!("/2010-04-01/Accounts/{sid}/Keys.json");
    let (status, shown) = get(api, &keys, key, secret);
    assert_eq!(status, 200, "{shown}");
    assert!(shown.contains(key) && !shown.contains(secret), "{shown}");
    let (status, refused) = get(api, &keys, key, "wrong");
    assert_eq!(status, 401, "{refused}");
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

/// Every command that asks a running server, and `call` interrupted.
#[test]
fn the_commands_work_the_phones_and_tell_what_happened() {
    let folder = Folder::new("commands");
    let data = folder.0.join("data");
    let data = data.to_str().unwrap();
    let (_dev, facts) = Dev::start(data);
    let phone = facts["phones"][0].as_str().unwrap();
    let ours = |arguments: &[&str]| {
        let output = run(&[arguments, &["--data", data]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {said}{wrong}"
        );
        said
    };
    let listed = ours(&["phone", "list"]);
    assert_eq!(listed.lines().count(), 10, "{listed}");
    let listed: Value = serde_json::from_str(&ours(&["phone", "list", "--json"])).unwrap();
    assert_eq!(listed["phones"][0]["number"], phone);

    // A phone dials the demo number, hangs up after a while, and has heard it.
    ours(&["phone", "set", phone, "--hang-up-after", "2500"]);
    let demo = facts["numbers"]["demo"].as_str().unwrap();
    let said = ours(&["phone", "dial", phone, "--to", demo]);
    assert!(said.contains(&format!("{phone} dials {demo}")), "{said}");
    wait_until_heard(&folder.0, data, phone, 30);
    let (exit, said) = code(&[
        "phone",
        "dial",
        "+19998887777",
        "--to",
        demo,
        "--data",
        data,
    ]);
    assert!(
        exit == Some(1) && said.contains("no virtual phone"),
        "{exit:?} {said}"
    );

    // A call that is interrupted hangs up.
    let other = facts["phones"][1].as_str().unwrap();
    let twiml = folder.0.join("long.xml");
    std::fs::write(&twiml, "<Response><Pause length=\"60\"/></Response>").unwrap();
    let mut call = Dev(switchboard()
        .args(["call", "--to", other, "--data", data, "--twiml"])
        .arg(&twiml)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap());
    let mut lines = BufReader::new(call.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let sid = first.split_whitespace().next().unwrap().to_owned();
    assert!(sid.starts_with("CA"), "{first}");
    assert!(lines.any(|line| line.unwrap().ends_with(" s  in-progress")));
    assert_eq!(call.end("-INT").code(), Some(130));
    let exchanges = ours(&["logs", "--call", &sid, "--json"]);
    let made: Value = serde_json::from_str(exchanges.lines().next().unwrap()).unwrap();
    assert_eq!(made["request"]["method"], "POST");
    assert!(ours(&["logs", "--call", &sid]).contains("/Calls.json"));

    // Whoever follows the debugger sees what goes wrong while he looks, and ends it without a fault.
    let mut follow = Dev(switchboard()
        .args(["logs", "--follow", "--data", data])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap());
    let wrong = folder.0.join("wrong.xml");
    std::fs::write(&wrong, "<Response><Shout/></Response>").unwrap();
    ours(&["call", "--to", other, "--twiml", wrong.to_str().unwrap()]);
    let mut lines = BufReader::new(follow.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("  warning  "), "{line}");
    assert_eq!(follow.end("-INT").code(), Some(0));
}

/// What needs no server: settings in force, and completions that shells can read.
#[test]
fn settings_and_completions_can_be_read_by_programs() {
    let folder = Folder::new("config");
    let file = folder.0.join("s.toml");
    let text = "max-calls = 7\n[[trunk]]\nname = \"one\"\nhost = \"192.0.2.1\"\npassword = \"hunter2\"\nusername = \"u\"\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["config", "--config", file, "--json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let settings: Value = serde_json::from_str(&said).unwrap();
    let limit = &settings["settings"]["max-calls"];
    assert_eq!(limit["value"], 7);
    assert!(
        limit["from"].as_str().unwrap().contains("s.toml"),
        "{limit}"
    );
    assert_eq!(settings["settings"]["log-format"]["from"], "default");
    assert_eq!(settings["trunks"][0]["name"], "one");
    let toml = String::from_utf8(run(&["config", "--config", file]).stdout).unwrap();
    assert!(toml.contains("max-calls = 7"), "{toml}");

    // Those shells that are here read their completions.
    let mut read = 0;
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0));
        let path = folder.0.join(shell);
        std::fs::write(&path, &script.stdout).unwrap();
        let Ok(checked) = Command::new(shell).arg("-n").arg(&path).output() else {
            println!("{shell} is not here");
            continue;
        };
        let wrong = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(
            checked.status.success() && wrong.is_empty(),
            "{shell}: {wrong}"
        );
        read += 1;
    }
    assert!(read > 0, "no shell to read them");
    // And bash finishes a word with them.
    let asks = format!(
        "source {}; COMP_WORDS=(switchboard comp); COMP_CWORD=1; _switchboard switchboard comp switchboard; echo ${{COMPREPLY[@]}}",
        folder.0.join("bash").display()
    );
    let finished = Command::new("bash").args(["-c", &asks]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&finished.stdout).trim(),
        "completions"
    );
}

/// What is printed can be pasted: the lines with curl make a call that is heard.
#[test]
fn the_printed_lines_make_a_call() {
    let folder = Folder::new("banner");
    let data = folder.0.join("data");
    let begun = Instant::now();
    let mut child = switchboard()
        .args(["dev", "--ports", "auto", "--lang", "en", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let mut dev = Dev(child);
    let mut text = String::new();
    for line in BufReader::new(out).lines() {
        let line = line.unwrap();
        if text.is_empty() {
            println!("the first line came after {:?}", begun.elapsed());
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "it starts slowly"
            );
        }
        text.push_str(&line);
        text.push('\n');
        if line.contains("phone dial") {
            break;
        }
    }
    let from = text.find("A=AC").expect(&text);
    let until = from + text[from..].find("\n\n").expect(&text);
    let pasted = Command::new("sh")
        .args(["-c", &text[from..until]])
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&pasted.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&pasted.stderr).into_owned();
    let call: Value =
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer}{wrong}"));
    let phone = call["to"].as_str().unwrap();
    let data = data.to_str().unwrap();
    wait_until_heard(&folder.0, data, phone, 60);
    assert_eq!(dev.end("-TERM").code(), Some(0));
}

/// Waits, for so many seconds at most, until `phone heard` has what a phone heard in its last call,
/// which must be sound.
fn wait_until_heard(folder: &Path, data: &str, phone: &str, seconds: u64) {
    let wav = folder.join("heard.wav");
    let wav = wav.to_str().unwrap();
    let heard = ["phone", "heard", phone, "--wav", wav, "--data", data];
    let begun = Instant::now();
    while run(&heard).status.code() != Some(0) {
        assert!(
            begun.elapsed() < Duration::from_secs(seconds),
            "{phone} heard nothing"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(is_heard(wav), "nothing but silence");
}

/// Asks the API; status and body.
fn get(api: &str, path: &str, name: &str, secret: &str) -> (u16, String) {
    let address = api.strip_prefix("http://").unwrap();
    let credentials = STANDARD.encode(format!("{name}:{secret}"));
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}
