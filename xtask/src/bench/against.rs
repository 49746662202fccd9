//! The same load on our server and on another, by turns.
//!
//! Both are given calls that go through them to our called party: ours answers a number with a
//! document that dials, the other does what it is set up for. What the other one is, a proxy or
//! a back-to-back user agent, with or without sound, decides what the ratio says.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::bridge::{self, Callable};
use super::phone::End;
use super::report::{Figure, Finding, quantile};
use super::{Bench, Options, signalling};

/// Measured turns of each server; one turn of each before them is thrown away.
const TURNS: usize = 3;

/// Measures.
pub fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Finding> {
    let Some(wanted) = &options.against else {
        bail!("name the other server: --against ADDRESS, or --against kamailio");
    };
    let kamailio = match wanted.as_str() {
        "kamailio" => Some(Kamailio::start(&bench.folder, bench.phones.callee)?),
        _ => None,
    };
    let other = match &kamailio {
        Some(kamailio) => kamailio.callable(),
        None => {
            let server: SocketAddr = wanted
                .parse()
                .with_context(|| format!("{wanted} is no address like 127.0.0.1:5060"))?;
            if !server.ip().is_loopback() {
                bail!("{server} is not on this computer; the load stays on it");
            }
            Callable {
                server,
                dial: options
                    .against_dial
                    .clone()
                    .unwrap_or(format!("sip:bench@{server}")),
                process: options.against_pid,
                called: true,
            }
        }
    };
    bench.answer_with("/bridge")?;
    let ours = Callable {
        server: bench.sip()?,
        dial: bench.dial()?,
        process: Some(bench.server()),
        called: true,
    };
    let mut figures = Vec::new();
    let mut faults = Vec::new();
    signalling(bench, &ours, &other, options, &mut figures, &mut faults)?;
    // A proxy does not carry sound: there is nothing to compare then.
    if kamailio.is_none() {
        bridged(bench, &ours, &other, options, &mut figures, &mut faults)?;
    }
    let what = match kamailio {
        Some(_) => {
            "Kamailio as a proxy (no second dialog, no fetch, no record, no sound)".to_owned()
        }
        None => format!("the server at {}", other.server),
    };
    Ok(Finding {
        name: "against".to_owned(),
        what: format!(
            "ours and {what}, by turns; two-leg calls at {}/s; CPU ratio is ours by theirs",
            options.against_rate
        ),
        figures,
        faults,
    })
}

fn signalling(
    bench: &Bench,
    ours: &Callable,
    other: &Callable,
    options: &Options,
    figures: &mut Vec<Figure>,
    faults: &mut Vec<String>,
) -> anyhow::Result<()> {
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    let (mut our_wait, mut their_wait) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        for (who, callable) in [("ours", ours), ("theirs", other)] {
            let run = signalling::run(bench, callable, End::Caller, options.against_rate)?;
            bench.say(&format!("turn {turn}, {who}: {}", run.shown()));
            if turn == 0 {
                continue;
            }
            if !run.clean() {
                faults.push(format!("{who}: {}", run.shown()));
            }
            let (cpu, wait) = match who {
                "ours" => (&mut our_cpu, &mut our_wait),
                _ => (&mut their_cpu, &mut their_wait),
            };
            cpu.push(run.cpu_ms_per_call());
            wait.push(run.median_ms);
        }
    }
    let median = |values: &mut Vec<f64>| quantile(values, 0.5);
    let (ours_ms, theirs_ms) = (median(&mut our_cpu), median(&mut their_cpu));
    figures.push(Figure::new("our_cpu_per_call", "ms", ours_ms));
    if other.process.is_some() {
        figures.push(Figure::new("their_cpu_per_call", "ms", theirs_ms));
        figures.push(Figure::new("cpu_ratio", "", ours_ms / theirs_ms));
    }
    figures.push(Figure::new(
        "our_invite_to_200_median",
        "ms",
        median(&mut our_wait),
    ));
    figures.push(Figure::new(
        "their_invite_to_200_median",
        "ms",
        median(&mut their_wait),
    ));
    Ok(())
}

fn bridged(
    bench: &Bench,
    ours: &Callable,
    other: &Callable,
    options: &Options,
    figures: &mut Vec<Figure>,
    faults: &mut Vec<String>,
) -> anyhow::Result<()> {
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    let (mut our_delay, mut their_delay) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        for (who, callable) in [("ours", ours), ("theirs", other)] {
            let run = bridge::run(bench, callable, options.bridged, options.seconds)?;
            let cpu = run.cpu_percent_per_call();
            bench.say(&format!(
                "turn {turn}, {who}: {cpu:.3} % of a core per call"
            ));
            if turn == 0 {
                continue;
            }
            let wrong = run.faults();
            faults.extend(wrong.iter().map(|fault| format!("{who}: {fault}")));
            let (cpus, delays) = match who {
                "ours" => (&mut our_cpu, &mut our_delay),
                _ => (&mut their_cpu, &mut their_delay),
            };
            cpus.push(cpu);
            delays.push(run.delay_added_p99());
        }
    }
    let (ours_percent, theirs_percent) =
        (quantile(&mut our_cpu, 0.5), quantile(&mut their_cpu, 0.5));
    figures.push(Figure::new(
        "our_cpu_per_bridged_call",
        "% of a core",
        ours_percent,
    ));
    if other.process.is_some() {
        figures.push(Figure::new(
            "their_cpu_per_bridged_call",
            "% of a core",
            theirs_percent,
        ));
        figures.push(Figure::new(
            "bridged_cpu_ratio",
            "",
            ours_percent / theirs_percent,
        ));
    }
    figures.push(Figure::new(
        "our_delay_added_p99",
        "ms",
        quantile(&mut our_delay, 0.5),
    ));
    figures.push(Figure::new(
        "their_delay_added_p99",
        "ms",
        quantile(&mut their_delay, 0.5),
    ));
    Ok(())
}

/// Kamailio, started here as a proxy that stays in the path and sends every call to our called
/// party.
struct Kamailio {
    child: Child,
    address: SocketAddr,
}

impl Kamailio {
    fn start(folder: &Path, callee: SocketAddr) -> anyhow::Result<Self> {
        let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let folder = folder.join("kamailio");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("kamailio.cfg");
        let (ip, port) = (callee.ip(), callee.port());
        std::fs::write(
            &file,
            format!(
                r#"#!KAMAILIO
debug=-1
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
listen=udp:{address}
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "maxfwd.so"
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    if (is_method("INVITE")) {{ record_route(); }}
    t_relay_to_udp("{ip}", "{port}");
}}
"#
            ),
        )?;
        let log = std::fs::File::create(folder.join("log"))?;
        let mut child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "256", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting kamailio; install the Debian package of that name")?;
        std::thread::sleep(Duration::from_secs(2));
        if let Some(status) = child.try_wait()? {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            bail!("kamailio ended with {status}\n{log}");
        }
        Ok(Self { child, address })
    }

    fn callable(&self) -> Callable {
        Callable {
            server: self.address,
            dial: format!("sip:bench@{}", self.address),
            process: Some(self.child.id()),
            called: true,
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // SIGTERM: its first process ends the others.
        Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .ok();
        self.child.wait().ok();
    }
}
