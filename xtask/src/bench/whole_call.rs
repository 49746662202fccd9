//! P4: whole calls through the API.
//!
//! One call is a REST request, an INVITE to sipp, the fetch of a document, the answer, one short
//! Say, the hang-up and four callbacks that must come in order.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::api::Client;
use super::application::Told;
use super::report::{Figure, Finding, Target, quantile};
use super::usage::Usage;
use super::{Bench, Options};

/// How long after the last request the last call may end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that share the requests: one that waits for its answers would be the limit itself.
const CLIENTS: u32 = 4;
/// Calls begun per second, one run each, until one is not clean.
const RATES: [u32; 7] = [50, 100, 200, 300, 400, 600, 800];
/// How long each of these runs begins calls, in seconds.
const SECONDS: u32 = 4;
/// 99 % of calls must be told to ring by then.
const PROMPT_MS: f64 = 500.0;

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
    let (mut clean, mut dirty) = (None, None);
    for rate in RATES {
        let run = load(bench, &sipp, rate * SECONDS, rate)?;
        bench.say(&format!("{rate}/s: {}", run.shown()));
        if !run.clean() {
            dirty = Some(run);
            break;
        }
        clean = Some(run);
    }
    let cpu = used.cpu_ms / f64::from(options.calls.max(1));
    let best = clean.as_ref().map_or(0.0, |run| run.rate);
    let mut figures = vec![
        Figure::new("cpu_per_call", "ms", cpu).against("P4", Target::Most(1.0)),
        Figure::new("calls_per_second_clean", "per s", best).against("P4", Target::Least(300.0)),
        Figure::new("calls_begun", "", run.begun.into()),
        Figure::new("calls_with_four_callbacks_in_order", "", run.whole.into()),
        // Not the post-dial delay: the callback that tells of the ringing has a way of its own.
        Figure::new(
            "request_to_callback_of_ringing_median",
            "ms",
            run.ringing_ms,
        ),
        Figure::new("seconds", "s", run.seconds),
        Figure::new("memory_grown", "KiB", used.rss_kib),
    ];
    if let Some(run) = clean {
        figures.push(Figure::new(
            "at_that_rate_request_to_callback_of_ringing_p99",
            "ms",
            run.ringing_p99_ms,
        ));
    }
    if let Some(run) = dirty {
        figures.push(Figure::new("not_clean_at", "per s", run.asked_rate.into()));
        figures.push(Figure::new("there_requested", "per s", run.rate));
        figures.push(Figure::new(
            "there_not_whole",
            "calls",
            (run.begun - run.whole).into(),
        ));
        figures.push(Figure::new(
            "there_request_to_callback_of_ringing_p99",
            "ms",
            run.ringing_p99_ms,
        ));
    }
    Ok(Finding {
        name: "whole-call".to_owned(),
        what: format!(
            "REST request, INVITE to sipp, signed fetch, Say, hang-up, 4 callbacks, record; {} calls at {}/s, then {SECONDS} s at rising rates from {CLIENTS} clients",
            options.calls, options.rate
        ),
        figures,
        faults,
    })
}

/// One run of calls.
struct Run {
    asked_rate: u32,
    /// Requests that were answered, per second, while there were some to send.
    rate: f64,
    begun: u32,
    whole: u32,
    out_of_order: u32,
    seconds: f64,
    ringing_ms: f64,
    ringing_p99_ms: f64,
}

impl Run {
    /// All calls were whole, told in time, and as many a second as they should have been.
    fn clean(&self) -> bool {
        let quick = self.rate >= f64::from(self.asked_rate) * 0.95;
        self.whole == self.begun && self.ringing_p99_ms < PROMPT_MS && quick
    }

    /// In one line.
    fn shown(&self) -> String {
        format!(
            "{} of {} calls whole, {:.0} requests answered per second, ringing told after {:.1} ms (p99 {:.1})",
            self.whole, self.begun, self.rate, self.ringing_ms, self.ringing_p99_ms
        )
    }
}

/// What one client requested, and when.
type Requested = Vec<(String, Instant)>;

fn load(bench: &Bench, sipp: &Sipp, calls: u32, rate: u32) -> anyhow::Result<Run> {
    let application = &bench.application.address;
    let form = format!(
        "To=sip:load%40127.0.0.1:{}&From={}&Url={application}/say&StatusCallback={application}/told\
         &StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered&StatusCallbackEvent=completed",
        sipp.port,
        bench.number()?.replace('+', "%2B"),
    );
    let path = bench.path("Calls.json")?;
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|_| bench.client())
        .collect::<anyhow::Result<_>>()?;
    bench.application.forget();
    let began = Instant::now();
    // Every client sends each CLIENTS-th request, when it is due.
    let requests = |mut client: Client, first: u32| -> anyhow::Result<Requested> {
        let mut requested = Vec::new();
        for number in (first..calls).step_by(CLIENTS as usize) {
            let due = began + Duration::from_secs(1) * number / rate.max(1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let at = Instant::now();
            let call = client.post(&path, &form)?;
            let sid = call["sid"]
                .as_str()
                .with_context(|| format!("refused: {call}"))?;
            requested.push((sid.to_owned(), at));
        }
        Ok(requested)
    };
    let all = std::thread::scope(|scope| {
        let requests = &requests;
        let clients: Vec<_> = (0..)
            .zip(clients)
            .map(|(first, client)| scope.spawn(move || requests(client, first)))
            .collect();
        clients
            .into_iter()
            .map(|client| match client.join() {
                Ok(requested) => requested,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<anyhow::Result<Vec<Requested>>>()
    })?;
    let requesting = began.elapsed().as_secs_f64();
    let requested: HashMap<String, Instant> = all.into_iter().flatten().collect();
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
    // The last request is due a little before the end of its second.
    let due = f64::from(calls.saturating_sub(1)) / f64::from(rate.max(1));
    Ok(Run {
        asked_rate: rate,
        rate: f64::from(rate) * (due / requesting.max(0.001)).min(1.0),
        begun: calls,
        whole,
        out_of_order,
        seconds,
        ringing_ms: quantile(&mut ringing, 0.5),
        ringing_p99_ms: quantile(&mut ringing, 0.99),
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
