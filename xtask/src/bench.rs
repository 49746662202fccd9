//! `cargo xtask bench`: whole calls through the API, measured on the release build.
//!
//! One call is a REST request, an INVITE to sipp, the fetch of a document from a server of ours, the
//! answer, one short Say, the hang-up and four callbacks. The load comes from the same cores.
//! The first run after the start is thrown away.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::switchboard::Switchboard;
use crate::{command, test};

/// The document of every call.
const DOCUMENT: &str = "<Response><Say>Hello.</Say></Response>";
/// How long after the last request the last call may end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much load.
#[derive(Args)]
pub struct Options {
    /// Calls of the measured run.
    #[arg(long, default_value_t = 1000)]
    calls: u32,
    /// Calls begun per second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Use programs built already, in this folder, instead of building.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<std::path::PathBuf>,
}

/// What the application has been told: for each call, the statuses and when they came.
type Told = Arc<Mutex<HashMap<String, Vec<(String, Instant)>>>>;

/// Builds, loads, measures, prints.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let programs = match &options.programs {
        Some(folder) => folder.clone(),
        None => {
            let arguments = ["build", "--release", "--locked", "--package", "server"];
            command::run(test::cargo(root).args(arguments))?;
            std::env::var_os("CARGO_TARGET_DIR")
                .map_or(root.join("target"), Into::into)
                .join("release")
        }
    };
    let folder = programs.join("bench");
    let began = Instant::now();
    let settings = [
        ("SWITCHBOARD_CALLS_PER_SECOND", "1000"),
        ("SWITCHBOARD_MAX_CALLS", "100000"),
    ];
    let switchboard = Switchboard::start(&programs.join("switchboard"), &folder, &settings)?;
    let ready_ms = began.elapsed().as_millis();
    let ready: Value = serde_json::from_str(&std::fs::read_to_string(switchboard.ready())?)?;
    let sipp = Sipp::start(&folder)?;
    let (application, told) = application()?;

    let warm = load(
        &ready,
        &sipp,
        &application,
        &told,
        options.rate.min(20) * 2,
        options.rate.min(20),
    )?;
    println!("thrown away: {} calls, {} whole", warm.begun, warm.whole);
    let before = Usage::of(switchboard.id())?;
    let run = load(
        &ready,
        &sipp,
        &application,
        &told,
        options.calls,
        options.rate,
    )?;
    let after = Usage::of(switchboard.id())?;
    let cpu = (after.cpu_ms - before.cpu_ms) / f64::from(options.calls.max(1));
    let result = json!({
        "ready_ms": ready_ms,
        "calls": run.begun,
        "whole_calls": run.whole,
        "out_of_order": run.out_of_order,
        "rate": options.rate,
        "seconds": run.seconds,
        "cpu_ms_per_call": cpu,
        "request_to_ringing_ms_median": run.ringing_ms,
        "rss_kib_before": before.rss_kib,
        "rss_kib_after": after.rss_kib,
    });
    println!("\n{:<36} {:>12}", "start to ready, ms (P12: 300)", ready_ms);
    println!("{:<36} {:>12}", "calls begun", run.begun);
    println!("{:<36} {:>12}", "with four callbacks in order", run.whole);
    println!("{:<36} {:>12.2}", "CPU per call, ms (P4: 1)", cpu);
    println!(
        "{:<36} {:>12.1}",
        "request to ringing, ms, median", run.ringing_ms
    );
    println!("{:<36} {:>12}", "memory after, KiB", after.rss_kib);
    println!("{result}");
    drop(sipp);
    switchboard.end()?;
    if run.whole != run.begun {
        bail!(
            "{} of {} calls were not whole: the figures do not count",
            run.begun - run.whole,
            run.begun
        );
    }
    Ok(())
}

/// One run of calls.
struct Run {
    begun: u32,
    whole: u32,
    out_of_order: u32,
    seconds: f64,
    ringing_ms: f64,
}

fn load(
    ready: &Value,
    sipp: &Sipp,
    application: &str,
    told: &Told,
    calls: u32,
    rate: u32,
) -> anyhow::Result<Run> {
    let text = |name: &str| {
        ready[name]
            .as_str()
            .with_context(|| format!("the first line lacks {name}"))
    };
    let (api, sid, token) = (text("api")?, text("account_sid")?, text("auth_token")?);
    let from = ready["numbers"]
        .as_object()
        .and_then(|all| all.values().next())
        .and_then(Value::as_str);
    let from = from.context("the first line names no number")?;
    let form = format!(
        "To=sip:load%40127.0.0.1:{}&From={}&Url={application}/voice&StatusCallback={application}/told\
         &StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered&StatusCallbackEvent=completed",
        sipp.port,
        from.replace('+', "%2B"),
    );
    let mut client = Client::new(api, sid, token)?;
    told.lock().expect("nobody panics while holding it").clear();
    let began = Instant::now();
    let mut requested = HashMap::new();
    for number in 0..calls {
        let due = began + Duration::from_secs(1) * number / rate.max(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let at = Instant::now();
        let call = client.post(&format!("/2010-04-01/Accounts/{sid}/Calls.json"), &form)?;
        let sid = call["sid"]
            .as_str()
            .with_context(|| format!("refused: {call}"))?;
        requested.insert(sid.to_owned(), at);
    }
    let end = Instant::now() + PATIENCE;
    let ended = |told: &HashMap<String, Vec<(String, Instant)>>| {
        requested
            .keys()
            .all(|sid| told.get(sid).is_some_and(|told| told.len() >= 4))
    };
    while Instant::now() < end && !ended(&told.lock().expect("nobody panics while holding it")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64();
    let told = told.lock().expect("nobody panics while holding it");
    let mut ringing = Vec::new();
    let (mut whole, mut out_of_order) = (0, 0);
    for (sid, at) in &requested {
        let all = told.get(sid).map(Vec::as_slice).unwrap_or_default();
        let statuses: Vec<&str> = all.iter().map(|(status, _)| status.as_str()).collect();
        match statuses == ["initiated", "ringing", "in-progress", "completed"] {
            true => whole += 1,
            false if statuses.len() == 4 => out_of_order += 1,
            false => {}
        }
        let rang = all.iter().find(|(status, _)| status == "ringing");
        ringing.extend(rang.map(|(_, when)| when.duration_since(*at).as_secs_f64() * 1000.0));
    }
    ringing.sort_by(f64::total_cmp);
    let ringing_ms = ringing.get(ringing.len() / 2).copied().unwrap_or(f64::NAN);
    Ok(Run {
        begun: calls,
        whole,
        out_of_order,
        seconds,
        ringing_ms,
    })
}

/// CPU time and memory of a process so far.
struct Usage {
    cpu_ms: f64,
    rss_kib: u64,
}

impl Usage {
    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // Behind the name, which may hold anything: field 3 is first, 14 and 15 are the ticks of
        // 10 ms in user and system mode (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at - 3).and_then(|text| text.parse::<f64>().ok());
        let cpu_ms = (ticks(14).context("utime")? + ticks(15).context("stime")?) * 10.0;
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        let rss_kib = rss.trim().trim_end_matches("kB").trim().parse()?;
        Ok(Self { cpu_ms, rss_kib })
    }
}

/// sipp as the party that is called: answers everything, on a port of its own.
struct Sipp {
    child: Child,
    port: u16,
}

impl Sipp {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let port = std::net::UdpSocket::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let child = Command::new("sipp")
            .args([
                "-sn",
                "uas",
                "-i",
                "127.0.0.1",
                "-nostdin",
                "-p",
                &port.to_string(),
            ])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting sipp; `cargo xtask test` installs it")?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(Self { child, port })
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The application: hands out the document, keeps what it is told.
fn application() -> anyhow::Result<(String, Told)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let told = Told::default();
    let kept = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = Arc::clone(&kept);
            std::thread::spawn(move || serve(stream, &told));
        }
    });
    Ok((address, told))
}

fn serve(stream: TcpStream, told: &Told) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (first, body) = message(&mut reader)?;
        if first.contains(" /told") {
            let field = |name: &str| {
                body.split('&')
                    .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            };
            let (sid, status) = (
                field("CallSid")?.to_owned(),
                field("CallStatus")?.to_owned(),
            );
            told.lock()
                .ok()?
                .entry(sid)
                .or_default()
                .push((status, Instant::now()));
        }
        let length = DOCUMENT.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n"
        );
        writer
            .write_all(format!("{head}{DOCUMENT}").as_bytes())
            .ok()?;
    }
}

/// One HTTP/1.1 message with a known length: its first line and its body.
fn message(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8_lossy(&body).into_owned()))
}

/// A client of the API on one kept connection.
struct Client {
    reader: BufReader<TcpStream>,
    host: String,
    authorization: String,
}

impl Client {
    fn new(api: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let host = api
            .strip_prefix("http://")
            .context("the API has a plain address")?;
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        let authorization = base64(format!("{user}:{password}").as_bytes());
        Ok(Self {
            reader: BufReader::new(stream),
            host: host.to_owned(),
            authorization,
        })
    }

    fn post(&mut self, path: &str, form: &str) -> anyhow::Result<Value> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.host,
            self.authorization,
            form.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (first, body) = message(&mut self.reader).context("the API closed the connection")?;
        serde_json::from_str(&body).with_context(|| format!("{}: {body}", first.trim()))
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) as usize & 63;
            text.push(if at <= group.len() {
                char::from(ALPHABET[index])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn our_own_usage_can_be_read() {
        let usage = Usage::of(std::process::id()).expect("/proc is there");
        assert!(usage.rss_kib > 100 && usage.cpu_ms >= 0.0);
    }

    #[test]
    fn a_message_has_a_first_line_and_a_body() {
        let mut text: &[u8] = b"POST /told HTTP/1.1\r\nContent-Length: 3\r\n\r\na=bGET";
        assert_eq!(
            message(&mut text),
            Some(("POST /told HTTP/1.1\r\n".to_owned(), "a=b".to_owned()))
        );
        assert_eq!(message(&mut &b""[..]), None);
    }
}
