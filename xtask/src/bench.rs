//! `cargo xtask bench`: what a call costs, measured on the release build.
//!
//! The load comes from the same cores. The first run after a start is thrown away. What was lost on
//! the way makes the figures not count, and the task fail.

mod api;
mod application;
mod bridge;
mod packets;
mod phone;
mod report;
mod signalling;
mod sound;
mod usage;
mod whole_call;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use crate::switchboard::Switchboard;
use crate::test;

use api::Client;
use application::Application;
use phone::Phones;
use report::{Figure, Finding, Target};

/// How much load.
#[derive(Args)]
pub struct Options {
    /// Only this measurement; may be repeated. Without it, all that are not long.
    #[arg(long, value_name = "NAME", value_parser = ["ready", "whole-call", "signalling", "bridge"])]
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
    /// bridge: how long they talk, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Use programs built already, in this folder, instead of building.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// Measures one thing.
type Measure = fn(&Bench, &Options) -> anyhow::Result<Finding>;

/// What can be measured, in this order.
const MEASUREMENTS: [(&str, Measure); 4] = [
    ("ready", ready),
    ("whole-call", whole_call::measure),
    ("signalling", signalling::measure),
    ("bridge", bridge::measure),
];

/// What all measurements share.
pub struct Bench {
    folder: PathBuf,
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
    let bench = Bench::start(&programs, options)?;
    let mut findings = Vec::new();
    for (name, measure) in MEASUREMENTS {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            bench.say(&format!("{name} …"));
            let finding = measure(&bench, options)
                .with_context(|| format!("{name}\n{}", bench.switchboard.log()))?;
            findings.push(finding);
        }
    }
    bench.switchboard.end()?;
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
    again.args(std::env::args_os().skip(1));
    again.arg("--programs").arg(&programs);
    let status = again.status().context("starting the release build")?;
    if !status.success() {
        bail!("measuring ended with {status}");
    }
    Ok(())
}

/// P12: from the start of the process to its first line, by which every socket is open.
fn ready(bench: &Bench, _options: &Options) -> anyhow::Result<Finding> {
    Ok(Finding {
        name: "ready".to_owned(),
        what: "start to ready, with an empty database".to_owned(),
        figures: vec![
            Figure::new("start_to_ready", "ms", bench.ready_ms).against("P12", Target::Most(300.0)),
        ],
        faults: Vec::new(),
    })
}

impl Bench {
    fn start(programs: &Path, options: &Options) -> anyhow::Result<Self> {
        let folder = programs.join("bench");
        let phones = Phones::start()?;
        let application = Application::start(phones.callee)?;
        // Our callers are a carrier: known by address and port, as every program on this computer
        // shares the address.
        std::fs::create_dir_all(programs.join("bench.d"))?;
        let config = programs.join("bench.d/switchboard.toml");
        let trunk = format!(
            "[[trunk]]\nname = \"load\"\nhost = \"127.0.0.1\"\nport = {}\nsources = [\"127.0.0.1/32\"]\n",
            phones.caller.port()
        );
        std::fs::write(&config, trunk)?;
        let settings = [
            ("SWITCHBOARD_CALLS_PER_SECOND", "1000"),
            ("SWITCHBOARD_MAX_CALLS", "100000"),
            ("SWITCHBOARD_LOG", "warn"),
            (
                "SWITCHBOARD_CONFIG",
                config.to_str().context("a path in UTF-8")?,
            ),
        ];
        let began = Instant::now();
        let switchboard = Switchboard::start(&programs.join("switchboard"), &folder, &settings)?;
        let ready_ms = began.elapsed().as_secs_f64() * 1000.0;
        let ready = serde_json::from_str(&std::fs::read_to_string(switchboard.ready())?)?;
        Ok(Self {
            folder,
            switchboard,
            ready,
            ready_ms,
            application,
            phones,
            quiet: options.json,
        })
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
