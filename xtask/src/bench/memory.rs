//! Whether memory and files come back after many calls: every table must let go of what is over.

use std::time::Duration;

use super::bridge::Callable;
use super::phone::{End, Load};
use super::report::{Figure, Finding};
use super::usage::Usage;
use super::{Bench, Options};

/// Calls before the base line is taken: what is made once (threads, caches, pools) is there then.
const WARM_UP: usize = 1_000;
/// SIP keeps a finished call's transactions for 32 s (RFC 3261 section 17.2.2, 64*T1).
const LINGER: Duration = Duration::from_secs(35);
/// By when memory must be back.
const LIMIT: Duration = Duration::from_secs(60);
/// What may remain: a tenth and 8 MiB. The allocator and the database's page cache keep some pages
/// on purpose; a leak of 1 kB a call would exceed it.
const SHARE: f64 = 0.10;
const SLACK_KIB: f64 = 8.0 * 1024.0;

/// Measures.
pub fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    bench.answer_with("/hangup")?;
    let ours = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
    };
    let not_whole = load(bench, &ours, WARM_UP, options.short_rate)?;
    bench.say(&format!(
        "warmed up with {WARM_UP} calls, {not_whole} not whole; waiting {} s",
        LINGER.as_secs()
    ));
    std::thread::sleep(LINGER);
    let base = Usage::of(bench.server())?;
    let not_whole = load(bench, &ours, options.short_calls, options.short_rate)?;
    let most = base.rss_kib * (1.0 + SHARE) + SLACK_KIB;
    let peak = Usage::of(bench.server())?;
    let mut now = peak;
    let mut back_after = f64::NAN;
    for seconds in (0..=LIMIT.as_secs()).step_by(5) {
        now = Usage::of(bench.server())?;
        bench.say(&format!(
            "{seconds} s after the last call: {} KiB (base line {}), {} files ({})",
            now.rss_kib, base.rss_kib, now.files, base.files
        ));
        if now.rss_kib <= most && back_after.is_nan() {
            back_after = seconds as f64;
        }
        if seconds < LIMIT.as_secs() {
            std::thread::sleep(Duration::from_secs(5));
        }
    }
    let mut faults = Vec::new();
    if not_whole > 0 {
        faults.push(format!("{not_whole} calls were not whole"));
    }
    if now.rss_kib > most {
        faults.push(format!(
            "{} KiB a minute after the last call, {most:.0} may remain",
            now.rss_kib
        ));
    }
    // The connections to the application are kept open for a while and come and go.
    if now.files > base.files + 16.0 {
        faults.push(format!("{} files were not closed", now.files - base.files));
    }
    Ok(Finding {
        name: "memory".to_owned(),
        what: format!(
            "{} short calls at {}/s, then a minute of rest; back is at most a tenth and 8 MiB above the base line",
            options.short_calls, options.short_rate
        ),
        figures: vec![
            Figure::new("base_line", "KiB", base.rss_kib),
            Figure::new("after_the_last_call", "KiB", peak.rss_kib),
            Figure::new("a_minute_later", "KiB", now.rss_kib),
            Figure::new(
                "a_minute_later_by_call",
                "B",
                (now.rss_kib - base.rss_kib) * 1024.0 / options.short_calls as f64,
            ),
            Figure::new("back_after", "s", back_after),
            Figure::new("files_at_the_base_line", "", base.files),
            Figure::new("files_a_minute_later", "", now.files),
        ],
        faults,
    })
}

/// Short calls; how many of them were not whole.
fn load(bench: &Bench, ours: &Callable, calls: usize, rate: f64) -> anyhow::Result<usize> {
    bench.phones.begin(Load {
        calls,
        rate,
        server: ours.server,
        dial: ours.dial.clone(),
        end: End::Server,
        sound: None,
    })?;
    bench
        .phones
        .wait(Duration::from_secs(20), |call| call.ended.is_some());
    let all = bench.phones.calls();
    Ok(all
        .iter()
        .filter(|call| call.answered.is_none() || call.ended.is_none())
        .count())
}
