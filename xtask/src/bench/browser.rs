//! P8, P10: browser legs bridged to SIP, and what a registered page costs that does nothing.
//!
//! Our callers call a number whose document dials a page. The pages speak the SDKs' signalling over
//! a WebSocket and DTLS-SRTP over UDP (`str0m`, full ICE, DTLS client). Each sends back every packet
//! that it hears: a caller hears its own sound after two passages through the server.

mod page;

use std::time::{Duration, Instant};

use anyhow::Context;

use super::bridge::{self, Callable};
use super::report::{Figure, Finding, Target};
use super::usage::Usage;
use super::{Bench, Options};
use page::{Pages, Socket, token};

/// How long registered pages are left alone before their memory is looked at.
const REST: Duration = Duration::from_secs(1);

/// Measures idle pages, then calls.
pub fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    allow_files();
    let mut figures = idle(bench, options.idle)?;
    let mut faults = Vec::new();
    bench.answer_with("/client")?;
    let pages = Pages::start(bench, options.browsers)?;
    let callable = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: false,
    };
    bridge::run(bench, &callable, options.browsers.min(5), 1.0)?;
    bench.say("thrown away: the first run");
    let run = bridge::run(bench, &callable, options.browsers, options.seconds)?;
    faults.extend(run.faults());
    let per_set_up = run.set_up_cpu_ms();
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
            per_set_up,
        ),
        Figure::new(
            "set_ups_per_second",
            "of one core",
            1000.0 / per_set_up.max(f64::MIN_POSITIVE),
        ),
        Figure::new(
            "delay_added_both_ways_p99",
            "ms, there and back, against a direct path",
            run.delay_added_p99(),
        ),
        Figure::new("pages_that_talked", "", pages.connected() as f64),
    ]);
    if let Some(fault) = pages.fault() {
        faults.push(fault);
    }
    Ok(Finding {
        name: "browser".to_owned(),
        what: format!(
            "{} registered pages at rest; {} SIP calls to pages that send back what they hear, PCMU, held {} s",
            options.idle, options.browsers, options.seconds
        ),
        figures,
        faults,
    })
}

/// What registered pages cost that do nothing.
fn idle(bench: &Bench, count: usize) -> anyhow::Result<Vec<Figure>> {
    let usage = || Usage::of(bench.server());
    let open = |from: usize, count: usize| -> anyhow::Result<Vec<Socket>> {
        (from..from + count)
            .map(|at| {
                let identity = format!("idle{at}");
                Socket::registered(bench, &token(bench, &identity)?)
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
    Ok(vec![
        Figure::new("memory_per_registered_page", "KiB", each(used.rss_kib))
            .against("P10", Target::Most(20.0)),
        Figure::new("cpu_per_registration", "ms", each(used.cpu_ms)),
        Figure::new(
            "registrations_per_second",
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
