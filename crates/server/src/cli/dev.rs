//! `switchboard dev`: everything on this computer, ready to be called.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::doctor::holder;
use super::settings::{SettingFlags, resolve};
use super::{Failure, Outcome, say};
use crate::banner::{self, Language};
use crate::config::{Config, Mode, Ports};
use crate::facts::Facts;
use crate::run;
use crate::telemetry;

/// Where the seeded application's program is to be, and how long is looked for it.
const YOURS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);
const GLANCE: Duration = Duration::from_millis(50);
/// Longest that calls may take to end when the process is told to end.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// Start everything on this computer, with an account, numbers and virtual phones.
///
/// Only this computer can connect. The account, its token and the numbers are the same on every
/// computer, so that scripts can name them.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard dev\nExample: switchboard dev --json --ports auto --data /tmp/one"
)]
pub struct Dev {
    /// `usual` (8460 to 8462, 5070, 5071) or nothing else, or `auto`: whichever ports are free.
    /// Without it, the usual ones, and free ones in place of those that are taken
    #[arg(long, value_name = "PORTS", value_parser = ["auto", "usual"])]
    ports: Option<String>,
    /// Print one JSON object with all facts as the first line, once every socket is open
    #[arg(long)]
    json: bool,
    /// Language of the banner, `en` or `ja`; without it, that of LANG
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// Read settings from this file, too
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Dev {
    /// Runs until a signal ends it.
    pub async fn run(mut self) -> Outcome {
        let ports = match self.ports.as_deref() {
            Some("auto") => Some(Ports::AUTO),
            Some(_) => Some(Ports::USUAL),
            None => None,
        };
        // A flag for one port is more exact than the flag for all.
        for (key, address) in ports.into_iter().flat_map(Ports::flags) {
            self.settings.0.entry(key).or_insert(address);
        }
        let resolved = resolve(Mode::Development, self.settings, self.config.as_deref())?;
        let mut config = resolved.config;
        let taken = make_way(&mut config, |key| resolved.origins.contains_key(key));
        let language = Language::wanted(self.lang.as_deref(), |name| std::env::var(name).ok());
        let data = config.data.clone();
        live(config, |facts| {
            let line = ready_line(facts);
            let kept = data.join("facts.json");
            if let Err(error) = keep(&kept, &line) {
                tracing::warn!(%error, file = %kept.display(), "other commands will not find this server by themselves");
            }
            if self.json {
                say(&line);
            } else {
                let around = banner::Surroundings {
                    data: data.display().to_string(),
                    program: banner::program(),
                    listens: TcpStream::connect_timeout(&YOURS, GLANCE).is_ok(),
                    taken,
                };
                say(&banner::banner(facts, &around, language, banner::colour()));
            }
            Some(Kept(kept))
        })
        .await
    }
}

/// Takes a free port for each usual one that another program has, unless somebody asked for just
/// that one. A newcomer's first start works, and the banner says what was changed.
fn make_way(
    config: &mut Config,
    asked_for: impl Fn(&str) -> bool,
) -> Vec<(SocketAddr, Option<String>)> {
    let in_use = |bound: std::io::Result<()>| {
        bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    };
    let tcp = |address: SocketAddr| in_use(TcpListener::bind(address).map(drop));
    let udp = |address: SocketAddr| in_use(UdpSocket::bind(address).map(drop));
    let mut taken = Vec::new();
    let mut look = |key: &str, address: &mut SocketAddr, datagrams: bool| {
        if !asked_for(key) && (tcp(*address) || datagrams && udp(*address)) {
            taken.push((*address, holder::of_port(*address)));
            address.set_port(0);
        }
    };
    look("http", &mut config.http, false);
    look("sip", &mut config.sip, true);
    for (key, address) in [("https", &mut config.https), ("sips", &mut config.sips)] {
        if let Some(address) = address {
            look(key, address, false);
        }
    }
    taken
}

/// The file with the facts, for as long as they are true.
pub struct Kept(PathBuf);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts, lets `ready` tell, and ends on SIGTERM, SIGINT or SIGHUP. A second signal ends at once.
pub async fn live(config: Config, ready: impl FnOnce(&Facts) -> Option<Kept>) -> Outcome {
    telemetry::start(&config, std::env::var("RUST_LOG").ok().as_deref())?;
    let mut end = Signals::new()
        .map_err(|error| Failure::new(Failure::FAILED, format!("no signals: {error}")))?;
    let development = config.mode == Mode::Development;
    let wanted = [
        Some(config.http),
        config.https,
        Some(config.sip),
        config.sips,
    ];
    let running = tokio::select! {
        started = run::start(config) => {
            started.map_err(|error| not_started(&error, development, wanted))?
        }
        // Nothing was promised to anybody yet.
        () = end.next() => return Ok(()),
    };
    let kept = ready(&running.facts);
    end.next().await;
    tracing::info!("ending: calls are hung up; a second signal ends at once");
    drop(kept);
    tokio::select! {
        stopped = tokio::time::timeout(LONGEST_STOP, running.stop()) => {
            stopped.map_err(|_| Failure::new(Failure::FAILED, format!("calls did not end within {} s", LONGEST_STOP.as_secs())))
        }
        () = end.next() => Err(Failure::new(Failure::INTERRUPTED, "")),
    }
}

/// Why it could not start, and what to do about it. `wanted` are the addresses to listen on.
fn not_started(
    error: &anyhow::Error,
    development: bool,
    wanted: [Option<SocketAddr>; 4],
) -> Failure {
    let in_use = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::AddrInUse);
    let locked = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<store::Error>())
        .any(|cause| matches!(cause, store::Error::Locked { .. }));
    // All of our own are closed by now.
    let holder = || {
        let mut fixed = wanted
            .into_iter()
            .flatten()
            .filter(|address| address.port() != 0);
        fixed.find_map(holder::of_port)
    };
    let cure = match (in_use, development) {
        _ if locked => "`--data DIR` names one".to_owned(),
        (true, development) => {
            let holder = holder().unwrap_or_else(|| "another program".to_owned());
            let cure = match development {
                true => "`switchboard dev --ports auto` takes free ones",
                false => "end it, or set another address",
            };
            format!("{holder} has the port; {cure}")
        }
        (false, _) => "`switchboard doctor` looks for the cause".to_owned(),
    };
    Failure::new(Failure::FAILED, format!("{error:#}; {cure}"))
}

/// The signals that ask a process to end.
struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The facts as one line, `ready` first.
fn ready_line(facts: &Facts) -> String {
    let mut line = serde_json::Map::from_iter([("ready".to_owned(), true.into())]);
    if let Ok(serde_json::Value::Object(facts)) = serde_json::to_value(facts) {
        line.extend(facts);
    }
    serde_json::Value::Object(line).to_string()
}

/// Writes the facts where other commands look for them, for the owner's eyes only: they hold the
/// token. A reader sees the old file or the new one, never a half.
fn keep(path: &Path, line: &str) -> std::io::Result<()> {
    let next = path.with_extension("json.next");
    // What a killed process left behind may have other rights.
    let _ = fs::remove_file(&next);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    writeln!(file, "{line}")?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_port_of_another_program_is_left_to_it_unless_it_is_asked_for() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let mut config = Config::development("unused".into(), Ports::AUTO);
        config.http = address;
        assert!(make_way(&mut config, |key| key == "http").is_empty());
        assert_eq!(config.http, address);
        let taken = make_way(&mut config, |_| false);
        assert_eq!((taken.len(), taken[0].0), (1, address));
        assert_eq!(config.http.port(), 0);
    }

    #[test]
    fn the_first_line_is_one_object_with_all_facts() {
        let line = ready_line(&crate::banner::tests::facts());
        assert!(
            line.starts_with(r#"{"ready":true,"#) && !line.contains('\n'),
            "{line}"
        );
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        for key in [
            "api",
            "sip",
            "account_sid",
            "auth_token",
            "api_key_sid",
            "api_key_secret",
            "application_sid",
        ] {
            assert!(
                value[key].as_str().is_some_and(|text| !text.is_empty()),
                "{key}: {line}"
            );
        }
        assert!(
            value["api_tls"].is_string()
                && value["numbers"]["echo"].is_string()
                && value["phones"][9].is_string(),
            "{line}"
        );
    }

    #[test]
    fn the_facts_are_for_the_owner_only_and_go_when_they_are_no_longer_true() {
        let folder = std::env::temp_dir().join(format!("switchboard-facts-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("facts.json");
        keep(&path, "old").unwrap();
        keep(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(Kept(path.clone()));
        assert!(!path.exists());
        fs::remove_dir(folder).unwrap();
    }
}
