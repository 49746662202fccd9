//! P4: whole calls through the API.
//!
//! One call is a REST request, an INVITE to sipp, the fetch of a document, the answer, one short
//! Say, the hang-up and four callbacks that must come in order.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::application::Told;
use super::report::{Figure, Finding, Target, quantile};
use super::usage::Usage;
use super::{Bench, Options};

/// How long after the last request the last call may end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures.
pub fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    let sipp = Sipp::start(&bench.folder)?;
    let gentle = options.rate.min(20);
    let warm = load(bench, &sipp, gentle * 2, gentle)?;
    bench.say(&format!(
        "thrown away: {} calls, {} whole",
        warm.begun, warm.whole
    ));
    let before = Usage::of(bench.server())?;
    let run = load(bench, &sipp, options.calls, options.rate)?;
    let used = Usage::of(bench.server())? - before;
    let mut faults = Vec::new();
    if run.whole != run.begun {
        faults.push(format!(
            "{} of {} calls were not whole, {} of them out of order",
            run.begun - run.whole,
            run.begun,
            run.out_of_order
        ));
    }
    let cpu = used.cpu_ms / f64::from(options.calls.max(1));
    Ok(Finding {
        name: "whole-call".to_owned(),
        what: format!(
            "REST request, INVITE to sipp, signed fetch, Say, hang-up, 4 callbacks, record; {} calls at {}/s",
            options.calls, options.rate
        ),
        figures: vec![
            Figure::new("cpu_per_call", "ms", cpu).against("P4", Target::Most(1.0)),
            Figure::new("calls_begun", "", run.begun.into()),
            Figure::new("calls_with_four_callbacks_in_order", "", run.whole.into()),
            Figure::new("request_to_ringing_median", "ms", run.ringing_ms),
            Figure::new("seconds", "s", run.seconds),
            Figure::new("memory_grown", "KiB", used.rss_kib),
        ],
        faults,
    })
}

/// One run of calls.
struct Run {
    begun: u32,
    whole: u32,
    out_of_order: u32,
    seconds: f64,
    ringing_ms: f64,
}

fn load(bench: &Bench, sipp: &Sipp, calls: u32, rate: u32) -> anyhow::Result<Run> {
    let application = &bench.application.address;
    let form = format!(
        "To=sip:load%40127.0.0.1:{}&From={}&Url={application}/say&StatusCallback={application}/told\
         &StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered&StatusCallbackEvent=completed",
        sipp.port,
        bench.number()?.replace('+', "%2B"),
    );
    let path = bench.path("Calls.json")?;
    let mut client = bench.client()?;
    bench.application.forget();
    let began = Instant::now();
    let mut requested = HashMap::new();
    for number in 0..calls {
        let due = began + Duration::from_secs(1) * number / rate.max(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let at = Instant::now();
        let call = client.post(&path, &form)?;
        let sid = call["sid"]
            .as_str()
            .with_context(|| format!("refused: {call}"))?;
        requested.insert(sid.to_owned(), at);
    }
    let end = Instant::now() + PATIENCE;
    let ended = |told: &Told| {
        requested
            .keys()
            .all(|sid| told.get(sid).is_some_and(|told| told.len() >= 4))
    };
    while Instant::now() < end && !bench.application.told(ended) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut ringing = Vec::new();
    let (mut whole, mut out_of_order) = (0, 0);
    bench.application.told(|told| {
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
    });
    Ok(Run {
        begun: calls,
        whole,
        out_of_order,
        seconds,
        ringing_ms: quantile(&mut ringing, 0.5),
    })
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
            .args(["-sn", "uas", "-i", "127.0.0.1", "-nostdin"])
            .args(["-p", &port.to_string()])
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
