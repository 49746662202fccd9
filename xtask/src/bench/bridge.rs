//! P1, P5, P6, P10: bridged G.711 calls, held, with sound both ways.
//!
//! Our caller calls a number whose document dials our called party: two legs, each with RTP of its
//! own. Every packet is counted at the far end by its number. Sound that goes past the server at
//! the same time tells what the path costs without it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::phone::{Call, End, Load};
use super::report::{Figure, Finding, Target, quantile};
use super::sound::{Phase, Sound, Tally};
use super::usage::{self, Usage};
use super::{Bench, Options};

/// Calls begun in a second while the load grows.
const RAMP: f64 = 100.0;
/// How long after the last INVITE the last call may be answered, and end after the last BYE.
const PATIENCE: Duration = Duration::from_secs(20);
/// How late a packet may come before it is taken for lost.
const LATEST: Duration = Duration::from_secs(5);
/// When more of the packets than this left late, the load was not what it says it was.
const UNEVEN: f64 = 0.05;
/// What goes on before the first counted packet, so that nothing of the set-up is in it.
const SETTLE: Duration = Duration::from_secs(1);

/// Measures on our own server.
pub fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    held(bench, options.bridged, options.seconds, "bridge")
}

/// The load that P1 names: 2,000 calls held, and no packet lost.
pub fn two_thousand(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    held(bench, 2_000, options.seconds, "bridge-2000")
}

fn held(bench: &Bench, calls: usize, seconds: f64, name: &str) -> anyhow::Result<Finding> {
    bench.answer_with("/bridge")?;
    let ours = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: true,
    };
    run(bench, &ours, calls.min(20), 2.0)?;
    bench.say("thrown away: the first run");
    let run = run(bench, &ours, calls, seconds)?;
    Ok(run.finding(name))
}

/// A server that can be called, and how.
pub struct Callable {
    /// Where the requests go.
    pub server: SocketAddr,
    /// The Request-URI.
    pub dial: String,
    /// Whose CPU time and memory count; none when it is not on this computer.
    pub process: Option<u32>,
    /// Whether it calls our called party.
    pub called: bool,
}

/// What one run found.
pub struct Run {
    calls: Vec<Call>,
    fetches: Vec<f64>,
    tally: Tally,
    used: Usage,
    held: Usage,
    left: Usage,
    drops: (u64, u64),
    own_cpu_ms: f64,
    seconds: f64,
    process: bool,
    called: bool,
}

/// Sets up so many calls, lets them talk for so long, and hangs up.
pub fn run(bench: &Bench, callable: &Callable, calls: usize, seconds: f64) -> anyhow::Result<Run> {
    let us = std::process::id();
    let usage = || callable.process.map_or(Ok(Usage::default()), Usage::of);
    let drops = || {
        (
            callable.process.map_or(0, usage::dropped),
            usage::dropped(us),
        )
    };
    let sound = Arc::new(Sound::start(calls)?);
    bench.application.forget();
    let empty = usage()?;
    bench.phones.begin(Load {
        calls,
        rate: RAMP,
        server: callable.server,
        dial: callable.dial.clone(),
        end: End::Later,
        sound: Some(Arc::clone(&sound)),
    })?;
    let over = |call: &Call| call.answered.is_some() || call.refused.is_some();
    bench.phones.wait(PATIENCE, over);
    std::thread::sleep(SETTLE);

    let drops_before = drops();
    let (before, own_before) = (usage()?, Usage::of(us)?);
    sound.enter(Phase::Counted);
    std::thread::sleep(Duration::from_secs_f64(seconds));
    sound.enter(Phase::After);
    let (after, own_after) = (usage()?, Usage::of(us)?);
    // The last counted packets are still on their way: what comes late is late, not lost.
    let late = Instant::now() + LATEST;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let tally = sound.tally();
        if tally.received >= tally.sent || Instant::now() > late {
            break;
        }
    }
    let drops_after = drops();
    sound.hush();
    std::thread::sleep(Duration::from_millis(100));
    let tally = sound.tally();
    bench.phones.hang_up(RAMP * 5.0);
    bench.phones.wait(PATIENCE, |call| {
        call.answered.is_none()
            || call.ended.is_some() && (!callable.called || call.callee_ended.is_some())
    });
    let asked = bench.application.asked().into_values();
    Ok(Run {
        calls: bench.phones.calls(),
        fetches: asked
            .map(|(came, left)| (left - came).as_secs_f64() * 1000.0)
            .collect(),
        tally,
        used: after - before,
        held: after - empty,
        left: usage()? - empty,
        drops: (
            drops_after.0.saturating_sub(drops_before.0),
            drops_after.1.saturating_sub(drops_before.1),
        ),
        own_cpu_ms: (own_after - own_before).cpu_ms,
        seconds,
        process: callable.process.is_some(),
        called: callable.called,
    })
}

impl Run {
    /// As figures; those of the server's process only if it is ours to look at.
    pub fn finding(&self, name: &str) -> Finding {
        let (tally, calls) = (&self.tally, self.calls.len() as f64);
        let ms =
            |from: Option<Instant>, to: Option<Instant>| Some((to? - from?).as_secs_f64() * 1000.0);
        let gather = |to: fn(&Call) -> Option<Instant>| -> Vec<f64> {
            let all = self.calls.iter();
            all.filter_map(|call| ms(call.began, to(call))).collect()
        };
        let mut to_callee = gather(|call| call.reached);
        let mut to_answer = gather(|call| call.answered);
        let mut fetches = self.fetches.clone();
        let percent = |cpu_ms: f64| cpu_ms / (self.seconds * 1000.0) * 100.0;
        let count = |is: fn(&Call) -> bool| self.calls.iter().filter(|call| is(call)).count();
        let answered = count(|call| call.answered.is_some());
        let bridged = &tally.bridged_delay;
        let direct = &tally.direct_delay;
        let lost = tally.sent.saturating_sub(tally.received);
        let fetch = quantile(&mut fetches, 0.5);

        let mut figures = Vec::new();
        if self.process {
            figures.extend([
                Figure::new(
                    "cpu_per_call",
                    "% of a core",
                    percent(self.used.cpu_ms) / calls,
                )
                .against("P1", Target::Most(0.05)),
                Figure::new("server_cpu", "% of a core", percent(self.used.cpu_ms)),
            ]);
        }
        figures.extend([
            Figure::new("lost_packets", "", lost as f64).against("P1", Target::Most(0.0)),
            Figure::new("bridged_calls", "", answered as f64),
            Figure::new("packets_sent", "", tally.sent as f64),
            Figure::new("packets_received_once", "", tally.received as f64),
            Figure::new("packets_received_again", "", tally.duplicates as f64),
            Figure::new("packets_out_of_order", "", tally.reordered as f64),
            Figure::new("other_datagrams", "RTCP mostly", tally.foreign as f64),
            Figure::new(
                "dropped_by_the_kernel_at_the_server",
                "",
                self.drops.0 as f64,
            ),
            Figure::new("dropped_by_the_kernel_at_the_load", "", self.drops.1 as f64),
            Figure::new(
                "lost_while_setting_up",
                "packets",
                tally.before.0.saturating_sub(tally.before.1) as f64,
            ),
            Figure::new("invite_to_200_median", "ms", quantile(&mut to_answer, 0.5))
                .against("P5", Target::Most(3.0)),
            Figure::new("invite_to_200_p99", "ms", quantile(&mut to_answer, 0.99)),
            Figure::new(
                "post_dial_delay_median",
                "ms to the called party",
                quantile(&mut to_callee, 0.5),
            ),
        ]);
        if !fetches.is_empty() {
            figures.push(Figure::new("of_it_the_application_median", "ms", fetch));
        }
        figures.extend([
            Figure::new(
                "delay_added_median",
                "ms",
                bridged.quantile(0.5) - direct.quantile(0.5),
            ),
            Figure::new(
                "delay_added_p99",
                "ms",
                bridged.quantile(0.99) - direct.quantile(0.99),
            )
            .against("P6", Target::Most(0.5)),
            Figure::new("delay_bridged_median", "ms", bridged.quantile(0.5)),
            Figure::new("delay_bridged_p99", "ms", bridged.quantile(0.99)),
            Figure::new("delay_bridged_longest", "ms", bridged.quantile(1.0)),
            Figure::new("delay_direct_median", "ms", direct.quantile(0.5)),
            Figure::new("delay_direct_p99", "ms", direct.quantile(0.99)),
        ]);
        if self.process {
            let per_call = |kib: f64| kib / 1024.0 / calls;
            figures.extend([
                Figure::new("memory_per_call", "MiB", per_call(self.held.rss_kib))
                    .against("P10", Target::Most(0.1)),
                Figure::new("memory_left_after", "KiB", self.left.rss_kib),
                Figure::new("files_per_call", "", self.held.files / calls),
                Figure::new("files_left_after", "", self.left.files),
            ]);
        }
        figures.push(Figure::new(
            "load_cpu",
            "% of a core",
            percent(self.own_cpu_ms),
        ));
        figures.push(Figure::new(
            "packets_the_load_sent_late",
            "% by more than 5 ms",
            tally.late as f64 / tally.sent.max(1) as f64 * 100.0,
        ));
        Finding {
            name: name.to_owned(),
            what: format!(
                "{calls} calls of two legs, PCMU both ways every 20 ms, held {} s",
                self.seconds
            ),
            figures,
            faults: self.faults(),
        }
    }

    /// Server CPU, percent of a core by call.
    pub fn cpu_percent_per_call(&self) -> f64 {
        self.used.cpu_ms / (self.seconds * 10.0) / self.calls.len().max(1) as f64
    }

    /// Server CPU of one call until its sound is counted, in milliseconds.
    pub fn set_up_cpu_ms(&self) -> f64 {
        (self.held.cpu_ms - self.used.cpu_ms) / self.calls.len().max(1) as f64
    }

    /// 99 % of one-way delays through the server against those past it, in milliseconds.
    pub fn delay_added_p99(&self) -> f64 {
        self.tally.bridged_delay.quantile(0.99) - self.tally.direct_delay.quantile(0.99)
    }

    /// Datagrams that our callers got and that were none of theirs: sound that was coded anew.
    pub fn recoded(&self) -> u64 {
        self.tally.foreign
    }

    /// Why the figures do not count.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_besides_loss();
        let lost = self.tally.sent.saturating_sub(self.tally.received);
        if lost > 0 {
            faults.push(format!("{lost} packets were lost"));
        }
        faults
    }

    /// The same where sound is coded anew on the way, so that packets cannot be told apart.
    pub fn faults_besides_loss(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let count = |is: fn(&Call) -> bool| self.calls.iter().filter(|call| is(call)).count();
        let mut fault = |count: usize, what: &str| {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        };
        fault(
            count(|call| call.answered.is_none()),
            "calls were not answered",
        );
        fault(
            count(|call| call.answered.is_some() && call.ended.is_none()),
            "callers' BYEs were not answered",
        );
        if self.called {
            fault(
                count(|call| call.answered.is_some() && call.callee_ended.is_none()),
                "called parties were not hung up on",
            );
        }
        fault(
            count(|call| call.past),
            "calls had their sound past the server",
        );
        let tally = &self.tally;
        let direct = tally.direct.0.saturating_sub(tally.direct.1);
        fault(
            direct as usize,
            "direct packets were lost by the load itself",
        );
        if tally.late as f64 > tally.sent as f64 * UNEVEN {
            faults.push(format!(
                "{} of {} packets left late: too much load for this computer, or it was busy with something else",
                tally.late, tally.sent
            ));
        }
        if tally.sent == 0 {
            faults.push("no sound was sent".to_owned());
        }
        faults
    }
}
