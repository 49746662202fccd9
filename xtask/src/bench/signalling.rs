//! P3: calls that are answered and hung up, without sound.
//!
//! On our server that is a whole incoming call: INVITE, signed fetch of the document, 200, ACK, BYE,
//! record. The rate grows until a run is not clean.

use std::time::{Duration, Instant};

use super::bridge::Callable;
use super::phone::{Call, End, Load};
use super::report::{Figure, Finding, Target, quantile};
use super::usage::Usage;
use super::{Bench, Options};

/// Calls begun per second, one run each.
const RATES: [f64; 8] = [50.0, 100.0, 200.0, 400.0, 800.0, 1200.0, 2000.0, 3000.0];
/// How long each run begins calls.
const SECONDS: f64 = 4.0;
/// How long after the last INVITE the last call may end. Longer ones are as good as lost.
const PATIENCE: Duration = Duration::from_secs(4);
/// 99 % of calls must be answered by then: RFC 3261's T1, after which an unhurried caller repeats.
const PROMPT_MS: f64 = 500.0;

/// Measures on our own server.
pub fn measure(bench: &Bench, _options: &Options) -> anyhow::Result<Finding> {
    bench.answer_with("/hangup")?;
    let ours = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: true,
    };
    once(bench)?;
    bench.say("thrown away: the first run");
    let mut clean: Option<Run> = None;
    let mut dirty = None;
    for rate in RATES {
        let run = run(bench, &ours, End::Server, rate)?;
        bench.say(&format!("{rate}/s: {}", run.shown()));
        if !run.clean() {
            dirty = Some(run);
            break;
        }
        clean = Some(run);
    }
    let Some(best) = clean else {
        return Ok(Finding {
            name: "signalling".to_owned(),
            what: format!("answer and hang up at {}/s", RATES[0]),
            figures: Vec::new(),
            faults: vec![dirty.map_or(String::new(), |run| run.shown())],
        });
    };
    let mut figures = vec![
        Figure::new("calls_per_second_clean", "per s", best.rate)
            .against("P3 (whole)", Target::Least(3000.0)),
        // With the fetch and the record, which the target leaves out: `endpoint` is SIP alone.
        Figure::new("cpu_per_call", "ms", best.cpu_ms_per_call())
            .against("P3 (whole)", Target::Most(0.15)),
        Figure::new("invite_to_200_median", "ms", best.median_ms),
        Figure::new("invite_to_200_p99", "ms", best.p99_ms),
        Figure::new(
            "load_cpu_per_call",
            "ms",
            best.own_cpu_ms / best.calls as f64,
        ),
    ];
    if let Some(run) = dirty {
        figures.push(Figure::new("not_clean_at", "per s", run.rate));
        figures.push(Figure::new(
            "there_not_whole",
            "calls",
            run.not_whole() as f64,
        ));
        figures.push(Figure::new("there_refused", "calls", run.refused as f64));
        figures.push(Figure::new(
            "there_too_slow",
            "messages twice",
            run.repeated as f64,
        ));
    }
    Ok(Finding {
        name: "signalling".to_owned(),
        what: "incoming call, answered and hung up, no sound: INVITE, signed fetch, 200, ACK, BYE, record"
            .to_owned(),
        figures,
        faults: Vec::new(),
    })
}

/// What one rate gave.
pub struct Run {
    /// Calls begun per second.
    pub rate: f64,
    /// Calls begun.
    pub calls: usize,
    whole: usize,
    refused: usize,
    repeated: u32,
    used: Usage,
    own_cpu_ms: f64,
    /// INVITE to 200.
    pub median_ms: f64,
    p99_ms: f64,
}

/// One small run on our own server.
pub fn once(bench: &Bench) -> anyhow::Result<Run> {
    let ours = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: true,
    };
    run(bench, &ours, End::Server, RATES[0])
}

/// Begins calls at one rate for four seconds, and waits for their end.
pub fn run(bench: &Bench, callable: &Callable, end: End, rate: f64) -> anyhow::Result<Run> {
    let us = std::process::id();
    let usage = || callable.process.map_or(Ok(Usage::default()), Usage::of);
    bench.application.forget();
    let (before, own_before) = (usage()?, Usage::of(us)?);
    let calls = (rate * SECONDS) as usize;
    bench.phones.begin(Load {
        calls,
        rate,
        server: callable.server,
        dial: callable.dial.clone(),
        end,
        sound: None,
    })?;
    let whole = |call: &Call| {
        let callee = call.reached.is_none() || call.callee_ended.is_some();
        call.answered.is_some() && call.ended.is_some() && callee
    };
    bench
        .phones
        .wait(PATIENCE, |call| whole(call) || call.refused.is_some());
    // What a call leaves to be done, its record for example, belongs to it.
    std::thread::sleep(Duration::from_millis(500));
    let (used, own) = (usage()? - before, Usage::of(us)? - own_before);
    let all = bench.phones.calls();
    let mut answers: Vec<f64> = all
        .iter()
        .filter_map(|call| Some(milliseconds(call.began?, call.answered?)))
        .collect();
    Ok(Run {
        rate,
        calls,
        whole: all.iter().filter(|call| whole(call)).count(),
        refused: all.iter().filter(|call| call.refused.is_some()).count(),
        repeated: all.iter().map(|call| call.repeated).sum(),
        used,
        own_cpu_ms: own.cpu_ms,
        median_ms: quantile(&mut answers, 0.5),
        p99_ms: quantile(&mut answers, 0.99),
    })
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64() * 1000.0
}

impl Run {
    /// Every call was answered in time and ended, and nothing had to be sent twice.
    pub fn clean(&self) -> bool {
        self.whole == self.calls && self.repeated == 0 && self.p99_ms < PROMPT_MS
    }

    /// CPU time of the server by call.
    pub fn cpu_ms_per_call(&self) -> f64 {
        self.used.cpu_ms / self.calls.max(1) as f64
    }

    fn not_whole(&self) -> usize {
        self.calls - self.whole
    }

    /// In one line.
    pub fn shown(&self) -> String {
        format!(
            "{} of {} calls whole, {} refused, {} messages twice, {:.3} ms CPU per call, INVITE to 200 {:.1} ms (p99 {:.1})",
            self.whole,
            self.calls,
            self.refused,
            self.repeated,
            self.cpu_ms_per_call(),
            self.median_ms,
            self.p99_ms
        )
    }
}
