//! What the tests of the whole program share: the program itself, in a folder of its own, and a
//! customer's server that remembers what it was asked.
//!
//! The program is driven as a customer drives it: over HTTP, by virtual telephones that speak SIP
//! and RTP, and by signals.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use webhook::form::Parameters;
use webhook::signature;

/// How long a poll rests between two looks.
const LOOK: Duration = Duration::from_millis(40);
/// Most that anything quick may take on a computer that is busy with other things.
pub const SOON: Duration = Duration::from_secs(25);

/// Asks until there is an answer; fails, saying what was missing, after `within`.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            begun.elapsed() < within,
            "still missing after {within:?}: {what}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether this is the long run.
pub fn nightly() -> bool {
    std::env::var("SWITCHBOARD_NIGHTLY").is_ok_and(|value| value == "1")
}

/// A folder that is gone after a test that passed, and stays for a look after one that failed.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new, empty one.
    pub fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "{}-{}",
            std::process::id(),
            LAST.fetch_add(1, Ordering::Relaxed)
        );
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the program wrote is kept in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A running `switchboard dev`.
pub struct Server {
    process: Child,
    facts: Value,
    http: reqwest::Client,
}

impl Server {
    /// Starts the program on free ports with its data in `folder`; returns once it is ready.
    pub async fn start(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.0.join("log"))
            .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["dev", "--json", "--ports", "auto", "--data"])
            .arg(folder.0.join(".switchboard"))
            .current_dir(&folder.0)
            .env_remove("SWITCHBOARD_NIGHTLY")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(SOON, line)
            .await
            .expect("the program is not ready")
            .unwrap()
            .unwrap();
        let facts: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error} in the first line: {line:?}"));
        assert_eq!(facts["ready"], true, "{facts}");
        // Fails harmlessly when another test of this process has done it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(SOON)
            .build()
            .unwrap();
        Self {
            process,
            facts,
            http,
        }
    }

    /// A fact of the first line.
    pub fn fact(&self, name: &str) -> &str {
        self.facts[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is no fact: {}", self.facts))
    }

    /// Number for a purpose.
    pub fn number(&self, purpose: &str) -> &str {
        self.facts["numbers"][purpose].as_str().unwrap()
    }

    /// Number of a virtual telephone.
    pub fn phone(&self, at: usize) -> &str {
        self.facts["phones"][at].as_str().unwrap()
    }

    /// Asks; `None` when no answer came.
    pub async fn try_request(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Option<(u16, Vec<u8>)> {
        let response = self
            .http
            .request(
                method.parse().unwrap(),
                format!("{}{path}", self.fact("api")),
            )
            .basic_auth(self.fact("account_sid"), Some(self.fact("auth_token")))
            .header("Content-Type", content_type)
            .body(body)
            .send()
            .await
            .ok()?;
        let status = response.status().as_u16();
        Some((status, response.bytes().await.ok()?.to_vec()))
    }

    /// A resource of the account as JSON, with its status.
    pub async fn api(&self, method: &str, below: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let path = format!("/2010-04-01/Accounts/{}{below}", self.fact("account_sid"));
        let (status, body) = self
            .try_request(
                method,
                &path,
                "application/x-www-form-urlencoded",
                encoded(form),
            )
            .await
            .expect("the API does not answer");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Begins a call; its SID.
    pub async fn call(&self, form: &[(&str, &str)]) -> String {
        let (status, call) = self.api("POST", "/Calls.json", form).await;
        assert_eq!(
            (status, call["status"].as_str()),
            (201, Some("queued")),
            "{call}"
        );
        call["sid"].as_str().unwrap().to_owned()
    }

    /// Changes a call.
    pub async fn change(&self, sid: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.api("POST", &format!("/Calls/{sid}.json"), form).await
    }

    /// A call's record.
    pub async fn record(&self, sid: &str) -> Value {
        let (status, call) = self.api("GET", &format!("/Calls/{sid}.json"), &[]).await;
        assert_eq!(status, 200, "{call}");
        call
    }

    /// The record once the call has this status.
    pub async fn reaches(&self, sid: &str, status: &str) -> Value {
        let mut seen = Vec::new();
        let begun = Instant::now();
        loop {
            let call = self.record(sid).await;
            let now = call["status"].as_str().unwrap().to_owned();
            if now == status {
                return call;
            }
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            let over = seen.last().is_some_and(|status| is_final(status));
            assert!(
                !over && begun.elapsed() < SOON,
                "{sid} never became {status}, but {seen:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sets the knobs of a telephone.
    pub async fn knobs(&self, number: &str, knobs: Value) {
        let path = format!("/_switchboard/v1/phones/{number}");
        let (status, body) = self
            .try_request(
                "POST",
                &path,
                "application/json",
                knobs.to_string().into_bytes(),
            )
            .await
            .unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// Lets a telephone dial.
    pub async fn dial(&self, number: &str, to: &str) {
        let path = format!("/_switchboard/v1/phones/{number}/calls");
        let body = json!({ "to": to }).to_string().into_bytes();
        let (status, body) = self
            .try_request("POST", &path, "application/json", body)
            .await
            .unwrap();
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    }

    /// What a telephone does.
    pub async fn phone_state(&self, number: &str) -> String {
        let (_, body) = self
            .try_request(
                "GET",
                &format!("/_switchboard/v1/phones/{number}"),
                "",
                Vec::new(),
            )
            .await
            .unwrap();
        let phone: Value = serde_json::from_slice(&body).unwrap();
        phone["state"].as_str().unwrap().to_owned()
    }

    /// What a telephone heard in its last call, once that is over.
    pub async fn heard(&self, number: &str) -> Vec<i16> {
        let path = format!("/_switchboard/v1/phones/{number}/heard.wav");
        let wav = eventually("what the telephone heard", SOON, async || {
            let (status, body) = self.try_request("GET", &path, "", Vec::new()).await?;
            (status == 200).then_some(body)
        })
        .await;
        let mut reader = hound::WavReader::new(wav.as_slice()).unwrap();
        assert_eq!(
            (reader.spec().sample_rate, reader.spec().channels),
            (8000, 1)
        );
        reader.samples::<i16>().map(Result::unwrap).collect()
    }

    /// Asks the program to end, as a service manager does; how it ended, and how long it took.
    pub async fn end(mut self) -> (ExitStatus, Duration) {
        let id = self.process.id().to_string();
        let begun = Instant::now();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
        let ended = eventually("the end of the program", SOON, async || {
            self.process.try_wait().unwrap()
        });
        (ended.await, begun.elapsed())
    }

    /// Ends the program as a power failure would.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already after `kill`.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A form as a body.
fn encoded(form: &[(&str, &str)]) -> Vec<u8> {
    Parameters(
        form.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
    .to_form()
    .into_bytes()
}

/// Whether a call with this status is over.
pub fn is_final(status: &str) -> bool {
    matches!(
        status,
        "completed" | "busy" | "failed" | "no-answer" | "canceled"
    )
}

/// One request that the receiver got.
#[derive(Debug, Clone)]
pub struct Got {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// The form.
    pub form: Parameters,
    /// The URL it was sent to.
    pub url: String,
    /// Whether it was answered with what was asked for.
    pub served: bool,
}

impl Got {
    /// A parameter; empty without it.
    pub fn get(&self, name: &str) -> &str {
        self.form
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Its idempotency token.
    pub fn token(&self) -> &str {
        self.headers
            .get("i-twilio-idempotency-token")
            .map_or("", String::as_str)
    }

    /// Whether the signature is right.
    pub fn is_signed(&self, token: &str) -> bool {
        let expected = signature::sign_form(token, &self.url, &self.form);
        self.headers
            .get("x-twilio-signature")
            .is_some_and(|received| signature::verify(&expected, received))
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// 200 with a TwiML document of these verbs.
    Twiml(String),
    /// 200 with this content type, these further headers (each with its line end) and this body.
    File(&'static str, String, Vec<u8>),
    /// 204.
    Empty,
    /// An answer with this status and no body.
    Status(u16),
    /// An answer with this status, these lines of the head, and this body.
    Answer(u16, String, String),
    /// The connection is closed without an answer.
    Silence,
}

type Reacts = dyn Fn(&Got, &[Got]) -> Reaction + Send + Sync;

/// A customer's server.
pub struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Got>>>,
    reacts: Arc<Reacts>,
    accepting: Option<JoinHandle<()>>,
}

impl Receiver {
    /// One that answers as told, given the request and those before it.
    pub async fn start(reacts: impl Fn(&Got, &[Got]) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut receiver = Self {
            address,
            requests: Arc::default(),
            reacts: Arc::new(reacts),
            accepting: None,
        };
        receiver.accept(listener);
        receiver
    }

    /// One that answers these paths with documents and everything else with 204.
    pub async fn with(documents: &[(&str, &str)]) -> Self {
        let documents: HashMap<String, String> = documents
            .iter()
            .map(|(path, verbs)| ((*path).to_owned(), (*verbs).to_owned()))
            .collect();
        Self::start(move |got, _| {
            let path = got.target.split('?').next().unwrap_or_default();
            documents
                .get(path)
                .map_or(Reaction::Empty, |verbs| Reaction::Twiml(verbs.clone()))
        })
        .await
    }

    /// URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Refuses connections from now on.
    pub async fn go_down(&mut self) {
        let accepting = self.accepting.take().expect("it is up");
        accepting.abort();
        // The socket is closed once the task is gone.
        let _ = accepting.await;
    }

    /// Is there again.
    pub async fn come_up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.accept(listener);
    }

    fn accept(&mut self, listener: TcpListener) {
        let (address, requests, reacts) =
            (self.address, self.requests.clone(), self.reacts.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that breaks shows as a request that is missing.
                tokio::spawn(serve(stream, address, requests.clone(), reacts.clone()));
            }
        }));
    }

    /// All requests for a path, oldest first.
    pub fn got(&self, path: &str) -> Vec<Got> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|got| got.target.split('?').next() == Some(path))
            .cloned()
            .collect()
    }

    /// The first request for a path.
    pub async fn first(&self, path: &str) -> Got {
        eventually(path, SOON, async || self.got(path).into_iter().next()).await
    }

    /// All requests for a path with this `CallSid` once one of them has this `CallStatus`.
    pub async fn until(&self, path: &str, sid: &str, status: &str) -> Vec<Got> {
        eventually(&format!("{path} about {sid}: {status}"), SOON, async || {
            let about: Vec<_> = self
                .got(path)
                .into_iter()
                .filter(|got| got.get("CallSid") == sid)
                .collect();
            about
                .iter()
                .any(|got| got.get("CallStatus") == status)
                .then_some(about)
        })
        .await
    }
}

/// One request, one answer, and the connection ends: an outage finds no open one.
async fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Got>>>,
    reacts: Arc<Reacts>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut request = lines.next()?.split(' ');
    let (method, target) = (request.next()?.to_owned(), request.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let form = Parameters::from_form(&bytes[head_end + 4..]);
    let mut got = Got {
        url: format!("http://{address}{target}"),
        method,
        target,
        headers,
        form,
        served: true,
    };
    let reaction = {
        let mut requests = requests.lock().unwrap();
        let reaction = reacts(&got, &requests);
        got.served = !matches!(reaction, Reaction::Status(_) | Reaction::Silence);
        requests.push(got);
        reaction
    };
    let xml = || "Content-Type: text/xml\r\n".to_owned();
    let (status, lines, (more, body)) = match reaction {
        Reaction::Silence => return None,
        Reaction::Status(status) => (status, xml(), (String::new(), Vec::new())),
        Reaction::Empty => (204, String::new(), (String::new(), Vec::new())),
        Reaction::File(kind, more, body) => {
            (200, format!("Content-Type: {kind}\r\n"), (more, body))
        }
        Reaction::Twiml(verbs) => {
            let document = format!("<Response>{verbs}</Response>");
            (200, xml(), (String::new(), document.into_bytes()))
        }
        Reaction::Answer(status, lines, body) => {
            (status, lines, (String::new(), body.into_bytes()))
        }
    };
    let length = if matches!(status, 204 | 304) {
        String::new()
    } else {
        format!("{lines}Content-Length: {}\r\n", body.len())
    };
    let head = format!("HTTP/1.1 {status} Answer\r\n{length}{more}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.shutdown().await.ok()
}
