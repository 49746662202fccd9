//! P8, P9, P10: browser legs bridged to SIP, and what a registered page costs that does nothing.
//!
//! Our callers call a number whose document dials a page. The pages speak the SDKs' signalling over
//! a WebSocket and DTLS-SRTP over UDP (`str0m`, full ICE, DTLS client). Each sends back every packet
//! that it hears: a caller hears its own sound after two passages through the server. Pages that speak
//! Opus send that back; what telephones then hear was coded anew twice and cannot be told apart, so
//! that packets are counted, not named. Where one page calls another and both speak Opus, every packet
//! must come as it was sent.

mod page;
mod tls;

use std::time::{Duration, Instant};

use anyhow::Context;

use super::bridge::{self, Callable};
use super::phone::{End, Load};
use super::report::{Figure, Finding, Target, quantile};
use super::usage::Usage;
use super::{Bench, Options};
use page::{Pages, Socket, Speech, token};

/// How long registered pages are left alone before their memory is looked at.
const REST: Duration = Duration::from_secs(1);
/// Calls to pages set up per second, one run each, until one is not clean.
const RATES: [f64; 8] = [10.0, 20.0, 40.0, 80.0, 120.0, 160.0, 240.0, 320.0];
/// How long each of these runs begins calls, in seconds.
const SECONDS: f64 = 3.0;
/// By when the last of them must have its media connected.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the call of a page may take to begin while others do.
const BEGINNING: Duration = Duration::from_millis(20);
/// What goes on before the first counted packet, so that nothing of the set-up is in it.
const SETTLE: Duration = Duration::from_secs(1);
/// The share of the packets of sound coded anew that must arrive.
const WHOLE: f64 = 0.98;

/// Measures idle pages, then calls.
pub fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    allow_files();
    let mut figures = idle(bench, options.idle, false)?;
    figures.extend(idle(bench, options.idle, true)?);
    let mut faults = Vec::new();
    bench.answer_with("/client")?;
    let callable = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: false,
    };
    let pages = Pages::start(bench, options.browsers, Speech::Pcmu)?;
    bridge::run(bench, &callable, options.browsers.min(5), 1.0)?;
    bench.say("thrown away: the first run");
    pages.forget_delays();
    let run = bridge::run(bench, &callable, options.browsers, options.seconds)?;
    faults.extend(run.faults());
    let [mut there, mut direct] = pages.delays();
    figures.extend([
        Figure::new(
            "cpu_per_call",
            "% of a core, one browser leg and one SIP leg",
            run.cpu_percent_per_call(),
        )
        .against("P8", Target::Most(0.10)),
        Figure::new(
            "cpu_per_set_up",
            "ms, with the sound of the first second",
            run.set_up_cpu_ms(),
        ),
        Figure::new(
            "delay_added_both_ways_p99",
            "ms, there and back, against a bare datagram",
            run.delay_added_p99(),
        ),
        Figure::new(
            "delay_one_way_median",
            "ms, telephone to page",
            quantile(&mut there, 0.5),
        ),
        Figure::new("delay_one_way_p99", "ms", quantile(&mut there, 0.99)),
        Figure::new(
            "delay_direct_median",
            "ms, two peers without a server",
            quantile(&mut direct, 0.5),
        ),
        Figure::new("delay_direct_p99", "ms", quantile(&mut direct, 0.99)),
        Figure::new(
            "delay_one_way_added_p99",
            "ms, against the direct peers",
            quantile(&mut there, 0.99) - quantile(&mut direct, 0.99),
        ),
        Figure::new("pages_that_talked", "", pages.connected() as f64),
    ]);
    faults.extend(pages.fault());
    drop(pages);
    figures.extend(passed_on(bench, options, &mut faults)?);
    figures.extend(opus(bench, &callable, options, &mut faults)?);
    figures.extend(set_ups(bench, &callable, &mut faults)?);
    Ok(Finding {
        name: "browser".to_owned(),
        what: format!(
            "{} registered pages at rest; {} SIP calls to pages that send back what they hear, PCMU, then Opus, and {} calls from page to page, Opus, held {} s each; calls set up at rising rates",
            options.idle, options.browsers, options.browsers, options.seconds
        ),
        figures,
        faults,
    })
}

/// Calls from page to page, both Opus: nothing is coded, every packet comes as it was sent.
fn passed_on(
    bench: &Bench,
    options: &Options,
    faults: &mut Vec<String>,
) -> anyhow::Result<Vec<Figure>> {
    let usage = || Usage::of(bench.server());
    let calls = options.browsers;
    let pages = Pages::start_pairs(bench, calls, Speech::Opus)?;
    let end = Instant::now() + PATIENCE + BEGINNING * calls as u32;
    while pages.connected() < 2 * calls && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let connected = pages.connected();
    if connected < 2 * calls {
        faults.push(format!(
            "page to page: {connected} of {} pages connected",
            2 * calls
        ));
    }
    std::thread::sleep(SETTLE);
    let (before, counted) = (usage()?, pages.passed_on());
    std::thread::sleep(Duration::from_secs_f64(options.seconds));
    let (used, passed) = (usage()? - before, pages.passed_on());
    let [said, heard, returned] =
        std::array::from_fn(|at| passed[at].saturating_sub(counted[at]) as f64);
    let least = calls as f64 * options.seconds * 50.0;
    for (came, of, what) in [
        (said, least, "said"),
        (heard, said, "heard as they were said"),
        (returned, said, "heard as they were sent back"),
    ] {
        if came < of * WHOLE {
            faults.push(format!("page to page: {came} packets of {of} were {what}"));
        }
    }
    faults.extend(pages.fault());
    Ok(vec![
        Figure::new(
            "opus_bridge_cpu_per_call",
            "% of a core, page to page, Opus passed on",
            used.cpu_ms / (options.seconds * 10.0) / calls as f64,
        ),
        Figure::new("opus_bridge_packets_said", "", said),
        Figure::new("opus_bridge_packets_heard_unchanged", "", heard),
        Figure::new("opus_bridge_packets_back_unchanged", "", returned),
    ])
}

/// Calls to pages that speak Opus: coded anew in both directions.
fn opus(
    bench: &Bench,
    callable: &Callable,
    options: &Options,
    faults: &mut Vec<String>,
) -> anyhow::Result<Vec<Figure>> {
    let pages = Pages::start(bench, options.browsers, Speech::Opus)?;
    bridge::run(bench, callable, options.browsers.min(5), 1.0)?;
    let before = pages.heard();
    let run = bridge::run(bench, callable, options.browsers, options.seconds)?;
    faults.extend(run.faults_besides_loss());
    let expected = options.browsers as f64 * options.seconds * 50.0;
    let heard = (pages.heard() - before) as f64;
    let back = run.recoded() as f64;
    // What is said before and after the counted time comes on top.
    let ways = [
        (heard, expected, "pages"),
        (back, expected.max(heard * 0.97), "telephones"),
    ];
    for (came, least, whom) in ways {
        if came < least * WHOLE {
            faults.push(format!(
                "Opus: {whom} heard {came} packets of at least {least}"
            ));
        }
    }
    faults.extend(pages.fault());
    Ok(vec![
        Figure::new(
            "opus_cpu_per_call",
            "% of a core, Opus to PCMU and back",
            run.cpu_percent_per_call(),
        )
        .against("P9", Target::Most(0.25)),
        Figure::new("opus_packets_to_pages", "", heard),
        Figure::new("opus_packets_to_telephones", "", back),
    ])
}

/// Calls that are set up and hung up, at rising rates: ICE, DTLS, and the answer of the page.
fn set_ups(
    bench: &Bench,
    callable: &Callable,
    faults: &mut Vec<String>,
) -> anyhow::Result<Vec<Figure>> {
    let most = RATES.iter().fold(0.0_f64, |most, rate| most.max(*rate)) * SECONDS;
    let pages = Pages::start(bench, most as usize, Speech::Pcmu)?;
    let (mut clean, mut dirty) = (0.0, None);
    for rate in RATES {
        let calls = (rate * SECONDS) as usize;
        let before = pages.connected();
        bench.phones.begin(Load {
            calls,
            rate,
            server: callable.server,
            dial: callable.dial.clone(),
            end: End::Later,
            sound: None,
        })?;
        let answered = bench
            .phones
            .wait(Duration::from_secs_f64(SECONDS) + PATIENCE, |call| {
                call.answered.is_some() || call.refused.is_some()
            });
        let end = Instant::now() + PATIENCE;
        while pages.connected() - before < calls && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let connected = pages.connected() - before;
        let late = bench.phones.calls().iter().any(|call| call.repeated > 0);
        bench.phones.hang_up(1000.0);
        bench.phones.wait(PATIENCE, |call| {
            call.answered.is_none() || call.ended.is_some()
        });
        bench.say(&format!(
            "{rate} set-ups/s: {connected} of {calls} connected"
        ));
        if !answered || late || connected < calls {
            dirty = Some((rate, calls - connected.min(calls)));
            break;
        }
        clean = rate;
    }
    faults.extend(pages.fault());
    if clean == 0.0 {
        faults.push("no rate of set-ups was clean".to_owned());
    }
    let mut figures = vec![Figure::new(
        "set_ups_per_second_clean",
        "per s, answered in time and connected",
        clean,
    )];
    if let Some((rate, missing)) = dirty {
        figures.push(Figure::new("set_ups_not_clean_at", "per s", rate));
        figures.push(Figure::new("there_not_connected", "calls", missing as f64));
    }
    Ok(figures)
}

/// What registered pages cost that do nothing.
fn idle(bench: &Bench, count: usize, secure: bool) -> anyhow::Result<Vec<Figure>> {
    let usage = || Usage::of(bench.server());
    let open = |from: usize, count: usize| -> anyhow::Result<Vec<Socket>> {
        (from..from + count)
            .map(|at| {
                let identity = format!("idle{at}");
                Socket::registered(bench, &token(bench, &identity)?, secure)
                    .with_context(|| format!("registering {identity}"))
            })
            .collect()
    };
    // Thrown away: what the first pages make the server load.
    drop(open(0, count.min(50))?);
    std::thread::sleep(REST);
    let (before, began) = (usage()?, Instant::now());
    let sockets = open(50, count)?;
    let took = began.elapsed();
    std::thread::sleep(REST);
    let used = usage()? - before;
    drop(sockets);
    let each = |sum: f64| sum / count as f64;
    let (memory, cpu, rate) = match secure {
        // SDKs always speak TLS: this is what a page costs.
        true => (
            "memory_per_registered_page_over_tls",
            "cpu_per_registration_over_tls",
            "registrations_per_second_over_tls",
        ),
        false => (
            "memory_per_registered_page",
            "cpu_per_registration",
            "registrations_per_second",
        ),
    };
    Ok(vec![
        Figure::new(memory, "KiB", each(used.rss_kib)).against("P10", Target::Most(20.0)),
        Figure::new(cpu, "ms", each(used.cpu_ms)),
        Figure::new(
            rate,
            "one after the other",
            count as f64 / took.as_secs_f64(),
        ),
    ])
}

/// A socket for each page: more than a program is given unless it asks.
fn allow_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls get a pointer to a whole rlimit that lives across them.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
