//! Whether memory and files come back after many calls: every table must let go of what is over.

use std::time::Duration;

use super::bridge::Callable;
use super::phone::{End, Load};
use super::report::{Figure, Finding, Target};
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
    // Half of the calls say something, and the end of each is told.
    bench.answer_with(&format!(
        "/mixed&StatusCallback={}/told",
        bench.application.address
    ))?;
    let ours = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: true,
    };
    let not_whole = load(bench, &ours, WARM_UP, options.short_rate)?;
    bench.say(&format!(
        "warmed up with {WARM_UP} calls, {not_whole} not whole; waiting {} s",
        LINGER.as_secs()
    ));
    std::thread::sleep(LINGER);
    let base = Usage::of(bench.server())?;
    let most = base.rss_kib * (1.0 + SHARE) + SLACK_KIB;
    let mut faults = Vec::new();
    let mut rounds = Vec::new();
    for round in 1..=2 {
        let not_whole = load(bench, &ours, options.short_calls, options.short_rate)?;
        if not_whole > 0 {
            faults.push(format!("{not_whole} calls were not whole"));
        }
        let found = rest(bench, round, base, most)?;
        rounds.push(found);
    }
    let (first, second) = (&rounds[0], &rounds[1]);
    if first.after.rss_kib > most {
        faults.push(format!(
            "{} KiB a minute after the last call, {most:.0} may remain",
            first.after.rss_kib
        ));
    }
    // The connections to the application are kept open for a while and come and go.
    if second.after.files > base.files + 16.0 {
        faults.push(format!(
            "{} files were not closed",
            second.after.files - base.files
        ));
    }
    let calls = options.short_calls as f64;
    Ok(Finding {
        name: "memory".to_owned(),
        what: format!(
            "{calls} short calls at {}/s, half of them with a Say, all with a callback, a minute of rest, and both again; back is at most a tenth and 8 MiB above the base line",
            options.short_rate
        ),
        figures: vec![
            Figure::new("base_line", "KiB", base.rss_kib),
            Figure::new("after_the_last_call", "KiB", first.peak.rss_kib),
            Figure::new("a_minute_later", "KiB", first.after.rss_kib)
                .against("", Target::Most(most)),
            Figure::new("back_after", "s", first.back_after),
            Figure::new(
                "a_minute_after_the_second_round",
                "KiB",
                second.after.rss_kib,
            ),
            // What the allocator only kept is used again in the second round; what leaks is not.
            Figure::new(
                "grown_in_the_second_round_by_call",
                "B",
                (second.after.rss_kib - first.after.rss_kib) * 1024.0 / calls,
            ),
            Figure::new("files_at_the_base_line", "", base.files),
            Figure::new("files_at_the_end", "", second.after.files),
        ],
        faults,
    })
}

/// What a minute of rest showed.
struct Rest {
    peak: Usage,
    after: Usage,
    back_after: f64,
}

fn rest(bench: &Bench, round: u32, base: Usage, most: f64) -> anyhow::Result<Rest> {
    let peak = Usage::of(bench.server())?;
    let (mut after, mut back_after) = (peak, f64::NAN);
    for seconds in (0..=LIMIT.as_secs()).step_by(5) {
        after = Usage::of(bench.server())?;
        bench.say(&format!(
            "round {round}, {seconds} s after the last call: {} KiB (base line {}), {} files ({})",
            after.rss_kib, base.rss_kib, after.files, base.files
        ));
        if after.rss_kib <= most && back_after.is_nan() {
            back_after = seconds as f64;
        }
        if seconds < LIMIT.as_secs() {
            std::thread::sleep(Duration::from_secs(5));
        }
    }
    Ok(Rest {
        peak,
        after,
        back_after,
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
    // What the application was told is ours, and of no use here.
    bench.application.forget();
    let all = bench.phones.calls();
    Ok(all
        .iter()
        .filter(|call| call.answered.is_none() || call.ended.is_none())
        .count())
}
