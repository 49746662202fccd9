//! `cargo xtask bench`: what a call costs, measured on the release build.
//!
//! The load comes from the same cores. The first run after a start is thrown away. What was lost on
//! the way makes the figures not count, and the task fail.

mod against;
mod api;
mod application;
mod bridge;
mod browser;
mod endpoint;
mod memory;
mod packets;
mod phone;
mod ready;
mod report;
mod signalling;
mod sound;
mod usage;
mod whole_call;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use crate::switchboard::Switchboard;
use crate::test;

use api::Client;
use application::Application;
use phone::Phones;
use report::Finding;

/// What to measure, and with how much load.
#[derive(Args)]
pub struct Options {
    /// Only this measurement; may be repeated. Without it, all that are not long.
    #[arg(long, value_name = "NAME", value_parser = MEASUREMENTS.map(|one| one.name))]
    only: Vec<String>,
    /// Print the JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// whole-call: calls of the measured run.
    #[arg(long, default_value_t = 1000)]
    calls: u32,
    /// whole-call: calls begun per second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// bridge: calls held at once.
    #[arg(long, default_value_t = 200, value_name = "CALLS")]
    bridged: usize,
    /// bridge, browser: how long they talk, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// browser: calls held at once.
    #[arg(long, default_value_t = 50, value_name = "CALLS")]
    browsers: usize,
    /// browser: registered pages that do nothing.
    #[arg(long, default_value_t = 2000, value_name = "PAGES")]
    idle: usize,
    /// memory: how many calls.
    #[arg(long, default_value_t = 10_000, value_name = "CALLS")]
    short_calls: usize,
    /// memory: calls begun per second.
    #[arg(long, default_value_t = 200.0, value_name = "RATE")]
    short_rate: f64,
    /// against: another SIP server on this computer, or `kamailio`, which is then started.
    #[arg(long, value_name = "ADDRESS")]
    against: Option<String>,
    /// against: what to dial there, so that it calls our called party at `--callee`; without it,
    /// `sip:bench@ADDRESS`.
    #[arg(long, value_name = "URI")]
    against_dial: Option<String>,
    /// against: its process, whose CPU time counts together with that of its children.
    #[arg(long, value_name = "PID")]
    against_pid: Option<u32>,
    /// against: calls begun per second.
    #[arg(long, default_value_t = 100.0, value_name = "RATE")]
    against_rate: f64,
    /// The port where our called party listens; any free one without it. Another server must be
    /// set up to send its calls there.
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    callee: u16,
    /// Use programs built already, in this folder, instead of building.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// One measurement.
#[derive(Clone, Copy)]
struct Measurement {
    name: &'static str,
    /// Whether it is left out unless it is asked for.
    long: bool,
    measure: fn(&Bench, &Options) -> anyhow::Result<Finding>,
}

impl Measurement {
    const fn short(
        name: &'static str,
        measure: fn(&Bench, &Options) -> anyhow::Result<Finding>,
    ) -> Self {
        Self {
            name,
            long: false,
            measure,
        }
    }

    const fn long(
        name: &'static str,
        measure: fn(&Bench, &Options) -> anyhow::Result<Finding>,
    ) -> Self {
        Self {
            long: true,
            ..Self::short(name, measure)
        }
    }
}

/// What can be measured, in this order, each on a server of its own.
const MEASUREMENTS: [Measurement; 10] = [
    Measurement::short("ready", ready::empty),
    Measurement::short("endpoint", endpoint::measure),
    Measurement::short("whole-call", whole_call::measure),
    Measurement::short("signalling", signalling::measure),
    Measurement::short("bridge", bridge::measure),
    Measurement::short("browser", browser::measure),
    Measurement::long("bridge-2000", bridge::two_thousand),
    Measurement::long("against", against::measure),
    Measurement::long("memory", memory::measure),
    Measurement::long("ready-full", ready::full),
];

/// What all measurements share.
pub struct Bench {
    program: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    switchboard: Switchboard,
    ready: Value,
    ready_ms: f64,
    application: Application,
    phones: Phones,
    quiet: bool,
}

/// Builds, loads, measures, prints.
pub fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let programs = match &options.programs {
        Some(folder) => folder.clone(),
        None => return again_when_built(root),
    };
    let mut findings = Vec::new();
    for Measurement {
        name,
        long,
        measure,
    } in MEASUREMENTS
    {
        let asked = options.only.iter().any(|only| only == name)
            || name == "against" && options.only.is_empty() && options.against.is_some();
        if !asked && (long || !options.only.is_empty()) {
            continue;
        }
        let bench = Bench::start(&programs, options)?;
        bench.say(&format!("{name} …"));
        let mut finding = measure(&bench, options)
            .with_context(|| format!("{name}\n{}", bench.switchboard.log()))?;
        if let Err(error) = bench.switchboard.end() {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            finding.faults.push(first.to_owned());
        }
        findings.push(finding);
    }
    if !options.json {
        println!("{}", report::table(&findings));
    }
    println!("{}", report::json(&findings));
    let faults: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.faults.is_empty())
        .map(|finding| finding.name.as_str())
        .collect();
    if !faults.is_empty() {
        bail!("the figures of {} do not count", faults.join(", "));
    }
    Ok(())
}

/// Builds the server and this program for release, and runs that: an unoptimised load would take
/// the CPU from what it measures.
fn again_when_built(root: &Path) -> anyhow::Result<()> {
    built(root, std::env::args_os().skip(1))
}

/// One measurement with its usual load; fails when its figures do not count.
pub fn alone(root: &Path, name: &str) -> anyhow::Result<()> {
    built(root, ["bench", "--only", name].map(Into::into))
}

fn built(root: &Path, arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let packages = ["--package", "server", "--package", "xtask"];
    let build = ["build", "--release", "--locked", "--quiet"];
    let status = test::cargo(root).args(build).args(packages).status()?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    let programs = std::env::var_os("CARGO_TARGET_DIR")
        .map_or(root.join("target"), PathBuf::from)
        .join("release");
    let mut again = Command::new(programs.join("xtask"));
    again.args(arguments);
    again.arg("--programs").arg(&programs);
    let status = again.status().context("starting the release build")?;
    if !status.success() {
        bail!("measuring ended with {status}");
    }
    Ok(())
}

impl Bench {
    fn start(programs: &Path, options: &Options) -> anyhow::Result<Self> {
        let folder = programs.join("bench");
        let program = programs.join("switchboard");
        let phones = Phones::start(options.callee)?;
        let application = Application::start(phones.callee)?;
        // Our callers are a carrier: known by address and port, as every program on this computer
        // shares the address.
        let config = programs.join("bench.toml");
        let trunk = format!(
            "[[trunk]]\nname = \"load\"\nhost = \"127.0.0.1\"\nport = {}\nsources = [\"127.0.0.1/32\"]\n",
            phones.caller.port()
        );
        std::fs::write(&config, trunk)?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let settings = settings(&config);
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (switchboard, ready_ms) = Switchboard::resume(&program, &folder, &settings)?;
        let ready = serde_json::from_str(&std::fs::read_to_string(switchboard.ready())?)?;
        Ok(Self {
            program,
            folder,
            config,
            switchboard,
            ready,
            ready_ms,
            application,
            phones,
            quiet: options.json,
        })
    }

    /// What the server is told by environment.
    fn settings(&self) -> [(&'static str, String); 4] {
        settings(&self.config)
    }

    /// Tells a person who waits.
    fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// The server's process.
    fn server(&self) -> u32 {
        self.switchboard.id()
    }

    fn fact(&self, name: &str) -> anyhow::Result<&str> {
        self.ready[name]
            .as_str()
            .with_context(|| format!("the first line lacks {name}"))
    }

    /// A number of the account, whose document the application decides.
    fn number(&self) -> anyhow::Result<&str> {
        self.ready["numbers"]["yours"]
            .as_str()
            .context("the first line lacks the number of one's own program")
    }

    /// Where the server takes SIP.
    fn sip(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.fact("sip")?.parse()?)
    }

    /// The Request-URI of that number.
    fn dial(&self) -> anyhow::Result<String> {
        Ok(format!("sip:{}@{}", self.number()?, self.sip()?))
    }

    /// The path of a resource of the account.
    fn path(&self, resource: &str) -> anyhow::Result<String> {
        let account = self.fact("account_sid")?;
        Ok(format!("/2010-04-01/Accounts/{account}/{resource}"))
    }

    fn client(&self) -> anyhow::Result<Client> {
        Client::new(
            self.fact("api")?,
            self.fact("account_sid")?,
            self.fact("auth_token")?,
        )
    }

    /// From now on, calls to the number get this document of the application's.
    fn answer_with(&self, document: &str) -> anyhow::Result<()> {
        let resource = format!("Applications/{}.json", self.fact("application_sid")?);
        let url = format!("VoiceUrl={}{document}", self.application.address);
        self.client()?.post(&self.path(&resource)?, &url)?;
        Ok(())
    }
}

fn settings(config: &Path) -> [(&'static str, String); 4] {
    [
        ("SWITCHBOARD_CALLS_PER_SECOND", "1000".to_owned()),
        ("SWITCHBOARD_MAX_CALLS", "100000".to_owned()),
        ("SWITCHBOARD_LOG", "warn".to_owned()),
        ("SWITCHBOARD_CONFIG", config.display().to_string()),
    ]
}
