//! `switchboard run -- PROGRAM`: a customer's program as it is, with its requests to the vendor led
//! to this computer by environment variables and a proxy. No file and no system setting is touched.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::client::{Found, facts};
use super::dotenv::DotEnv;
use super::{DataFolder, Failure, Outcome, say};
use crate::authority::Authority;
use crate::banner::Language;

mod environment;
pub use environment::quoted;
mod kill;
mod proxy;

/// How long a server that is started for the program may take.
const START: Duration = Duration::from_secs(20);

/// Run a program whose requests to the vendor's API reach Switchboard instead.
///
/// The program needs no change: helper libraries find the way by the environment. Requests to
/// twilio.com and twiliocdn.com are led to the running `switchboard dev` (one is started if there is
/// none), all others go where they should. Ends with the program's exit code.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard run -- npm start\nExample: switchboard run --show",
    trailing_var_arg = true
)]
pub struct Run {
    /// Print the variables that a program would get, as a shell takes them, and end; the proxy in
    /// them is another in each run
    #[arg(long)]
    show: bool,
    /// Do not say which hosts were led here
    #[arg(long)]
    quiet: bool,
    /// Language of what is said, `en` or `ja`; without it, that of LANG
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ja"])]
    lang: Option<String>,
    #[command(flatten)]
    data: DataFolder,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", required_unless_present = "show")]
    program: Vec<String>,
}

impl Run {
    /// Runs it.
    pub async fn run(self) -> Outcome {
        let language = Language::wanted(self.lang.as_deref(), |name| std::env::var(name).ok());
        let data = self.data.data.as_path();
        let (server, found) = match facts(data) {
            Ok(found) => (None, found),
            Err(missing) if self.show => return Err(missing),
            Err(_) => {
                if !self.quiet {
                    eprintln!(
                        "switchboard: {}",
                        language.pick(
                            "no server runs here: one is started for the program",
                            "サーバーが動いていないため、プログラム用に起動します"
                        )
                    );
                }
                let (server, found) = Server::start(data).await?;
                (Some(server), found)
            }
        };
        let outcome = self.with(&found, language).await;
        if let Some(server) = server {
            server.stop().await;
        }
        outcome
    }

    async fn with(&self, found: &Found, language: Language) -> Outcome {
        let failed = |error: anyhow::Error| Failure::new(Failure::FAILED, format!("{error:#}"));
        let Some(https) = found.api_tls.as_deref().and_then(address_of) else {
            let cure = "the server does not serve HTTPS, which helper libraries insist on; start it without `--https off`";
            return Err(Failure::new(Failure::FAILED, cure));
        };
        let http = address_of(&found.api).ok_or_else(|| {
            Failure::new(
                Failure::UNREACHABLE,
                format!("{} is no address; restart `switchboard dev`", found.api),
            )
        })?;
        let data = absolute(&self.data.data);
        let authority = Authority::find_or_make(&data).map_err(failed)?;
        let surroundings: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let bundles =
            environment::Bundles::write(&data, &authority, &surroundings).map_err(failed)?;
        let tell = !self.quiet;
        let proxy = proxy::Proxy::start(http, https, move |host| {
            if tell {
                let here = language.pick("is led to Switchboard", "を Switchboard につなぎます");
                eprintln!("switchboard: {host} {here}");
            }
        })
        .await
        .map_err(|error| Failure::new(Failure::FAILED, format!("no proxy: {error}")))?;
        let dotenv = std::fs::read_to_string(".env")
            .map(|text| DotEnv::parse(&text))
            .unwrap_or_default();
        let variables = environment::variables(&surroundings, &dotenv, found, &proxy.url, &bundles);
        if self.show {
            for (name, value) in &variables {
                say(&format!("export {name}={}", environment::quoted(value)));
            }
            return Ok(());
        }
        let code = self.supervise(variables).await?;
        if !self.quiet {
            for (host, connections) in proxy.counted() {
                let text = match language {
                    Language::En => format!("{host}: {connections} connections"),
                    Language::Ja => format!("{host}: 接続 {connections} 件"),
                };
                eprintln!("switchboard: {text}");
            }
        }
        match code {
            0 => Ok(()),
            code => Err(Failure::new(code, "")),
        }
    }

    /// Runs the program to its end, passes signals on, and gives its exit code.
    async fn supervise(&self, variables: Vec<(String, String)>) -> Result<u8, Failure> {
        let no_signals =
            |error: std::io::Error| Failure::new(Failure::FAILED, format!("no signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
        // A terminal sends this one to the program, too.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
        let (program, arguments) = self.program.split_first().expect("clap asks for a program");
        // What starts programs of its own (npm, sh) does not always pass signals on. Where no
        // terminal sends them to all, the program leads a group, which gets them.
        let alone = !std::io::IsTerminal::is_terminal(&std::io::stdin());
        let mut command = Command::new(program);
        if alone {
            command.process_group(0);
        }
        let mut child = command
            .args(arguments)
            .envs(variables)
            .spawn()
            .map_err(|error| {
                let cure = "name a program that can be started, after `--`";
                Failure::new(Failure::FAILED, format!("{program}: {error}; {cure}"))
            })?;
        loop {
            let passed = tokio::select! {
                ended = child.wait() => {
                    let status = ended.map_err(|error| Failure::new(Failure::FAILED, format!("{program}: {error}")))?;
                    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
                    return Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Failure::FAILED));
                }
                _ = terminate.recv() => Some(libc::SIGTERM),
                _ = hangup.recv() => Some(libc::SIGHUP),
                _ = interrupt.recv() => alone.then_some(libc::SIGINT),
            };
            if let (Some(signal), Some(pid)) = (passed, child.id()) {
                kill::send(pid, signal, alone);
            }
        }
    }
}

/// A development server that lives as long as the program.
struct Server(Child);

impl Server {
    async fn start(data: &Path) -> Result<(Self, Found), Failure> {
        let failed = |why: String| {
            Failure::new(
                Failure::UNREACHABLE,
                format!("the server did not start: {why}; `switchboard dev` tells more"),
            )
        };
        let own = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = std::process::Command::new(own);
        command
            .args(["dev", "--json", "--log", "error", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What is typed at the terminal is meant for the program.
            .process_group(0);
        let mut child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START, lines.next_line()).await;
        let line = match line {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Err(failed("it ended".to_owned())),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed(format!("not within {} s", START.as_secs()))),
        };
        let found =
            serde_json::from_str(&line).map_err(|error| failed(format!("{line}: {error}")))?;
        Ok((Server(child), found))
    }

    async fn stop(mut self) {
        if let Some(pid) = self.0.id() {
            kill::send(pid, libc::SIGTERM, true);
        }
        let _ = tokio::time::timeout(START, self.0.wait()).await;
    }
}

/// Address and port of a URL of ours.
pub fn address_of(url: &str) -> Option<std::net::SocketAddr> {
    url.split_once("://")?.1.parse().ok()
}

/// The program may go to another folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
