//! `switchboard doctor`: is this computer fit, and if not, what is to be done.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::settings::{SettingFlags, resolve};
use super::{Failure, Outcome, say};
use crate::config::{Config, Mode};

/// The year in which this was written: no clock is right that says less. In seconds since 1970.
const WRITTEN: u64 = 1_767_225_600;
/// No certificate of today is valid then.
const FAR: u64 = 4_102_444_800;

/// Check whether this computer is fit to run Switchboard.
///
/// Each finding has a cure. Ends with 1 if something must be cured. Nothing is changed.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard doctor\nExample: switchboard doctor --config /etc/switchboard.toml --json"
)]
pub struct Doctor {
    /// The configuration file of a server; without one, the development mode is examined
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// It works, up to a point.
    Warning,
    /// It does not work.
    Wrong,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    finding: String,
    /// What is to be done; nothing if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Finding {
            check,
            state: State::Ok,
            finding: finding.into(),
            cure: None,
        }
    }

    fn ill(
        check: &'static str,
        state: State,
        finding: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding {
            check,
            state,
            finding: finding.into(),
            cure: Some(cure.into()),
        }
    }
}

impl Doctor {
    /// Examines.
    pub async fn run(self) -> Outcome {
        let mode = if self.config.is_some() {
            Mode::Production
        } else {
            Mode::Development
        };
        let findings = match resolve(mode, self.settings, self.config.as_deref()) {
            Ok(resolved) => tokio::task::spawn_blocking(move || examine(&resolved.config))
                .await
                .map_err(|error| {
                    Failure::new(
                        Failure::FAILED,
                        format!("the examination ended early: {error}"),
                    )
                })?,
            Err(failure) => vec![Finding::ill(
                "settings",
                State::Wrong,
                failure.text,
                "correct the setting; `switchboard config --example` shows all",
            )],
        };
        let well = findings.iter().all(|finding| finding.state != State::Wrong);
        if self.json {
            say(&serde_json::json!({ "ok": well, "findings": findings }).to_string());
        } else {
            for finding in &findings {
                let mark = match finding.state {
                    State::Ok => "ok",
                    State::Warning => "warning",
                    State::Wrong => "WRONG",
                };
                say(&format!(
                    "{mark:<8} {:<12} {}",
                    finding.check, finding.finding
                ));
                if let Some(cure) = &finding.cure {
                    say(&format!("{:<21} cure: {cure}", ""));
                }
            }
        }
        if well {
            Ok(())
        } else {
            Err(Failure::new(Failure::FAILED, ""))
        }
    }
}

fn examine(config: &Config) -> Vec<Finding> {
    let running = locked(&config.data);
    let mut findings = vec![Finding::ok("settings", "all can be used")];
    findings.extend(ports(config, running));
    findings.push(media_ports(config, running));
    findings.push(open_files(
        config,
        fs::read_to_string("/proc/self/limits").ok().as_deref(),
    ));
    findings.push(data(&config.data, running));
    findings.push(loopback());
    findings.push(clock());
    findings
}

/// Whether a process holds the lock beside the database.
fn locked(data: &Path) -> bool {
    let file = fs::File::open(data.join("switchboard.db.lock"));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn ports(config: &Config, running: bool) -> Vec<Finding> {
    let tcp = |address: SocketAddr| TcpListener::bind(address).map(drop);
    let udp = |address: SocketAddr| UdpSocket::bind(address).map(drop);
    let both = move |address: SocketAddr| tcp(address).and_then(|()| udp(address));
    let mut findings = vec![
        port("http", config.http, tcp(config.http), running),
        port("sip", config.sip, both(config.sip), running),
    ];
    findings.extend(
        config
            .https
            .map(|address| port("https", address, tcp(address), running)),
    );
    findings.extend(
        config
            .sips
            .map(|address| port("sips", address, tcp(address), running)),
    );
    findings
}

fn port(
    check: &'static str,
    address: SocketAddr,
    bound: std::io::Result<()>,
    running: bool,
) -> Finding {
    let Err(error) = bound else {
        return Finding::ok(
            check,
            if address.port() == 0 {
                "any free port".to_owned()
            } else {
                format!("{address} is free")
            },
        );
    };
    let finding = format!("{address}: {error}");
    match error.kind() {
        ErrorKind::AddrInUse if running => Finding::ok(
            check,
            format!("{address} is in use, and a Switchboard runs with this data folder"),
        ),
        ErrorKind::AddrInUse => Finding::ill(
            check,
            State::Wrong,
            finding,
            format!(
                "end the program that has the port, set --{check}, or use `switchboard dev --ports auto`"
            ),
        ),
        ErrorKind::PermissionDenied => Finding::ill(
            check,
            State::Wrong,
            finding,
            "use a port from 1024 on, or give the program the right to bind low ports",
        ),
        ErrorKind::AddrNotAvailable => Finding::ill(
            check,
            State::Wrong,
            finding,
            format!("set --{check} to an address that this computer has"),
        ),
        _ => Finding::ill(
            check,
            State::Wrong,
            finding,
            format!("set --{check} to an address that can be bound"),
        ),
    }
}

/// Tries a hundred ports of the range; all of them would take long.
fn media_ports(config: &Config, running: bool) -> Finding {
    let (first, last) = config.media_ports;
    let step = usize::from((last - first) / 100).max(1);
    let tried: Vec<u16> = (first..=last).step_by(step).collect();
    let taken = tried
        .iter()
        .filter(|port| UdpSocket::bind((config.sip.ip(), **port)).is_err())
        .count();
    let finding = format!(
        "{taken} of {} ports tried between {first} and {last} are taken",
        tried.len()
    );
    if taken * 10 > tried.len() && !running {
        return Finding::ill(
            "media-ports",
            State::Warning,
            finding,
            "set --media-ports to a range that other programs leave alone",
        );
    }
    Finding::ok("media-ports", finding)
}

/// Two sockets a leg, two legs a bridged call, and some for everything else.
fn open_files(config: &Config, limits: Option<&str>) -> Finding {
    let check = "open-files";
    let soft = limits.and_then(|limits| {
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace()
            .next()
            .map(|soft| soft.parse::<usize>().unwrap_or(usize::MAX))
    });
    let Some(soft) = soft else {
        return Finding::ill(
            check,
            State::Warning,
            "the limit cannot be read on this system",
            "look at `ulimit -n` yourself; 65536 is ample",
        );
    };
    let finding = format!("a process may open {soft} files");
    let wanted = match config.mode {
        Mode::Development => 1024,
        Mode::Production => config.max_calls * 4 + 1000,
    };
    let cure = format!(
        "`ulimit -n {wanted}`, or LimitNOFILE={wanted} in the service's unit, or a lower max-calls"
    );
    match soft {
        _ if soft >= wanted => Finding::ok(check, finding),
        _ if soft < 256 => Finding::ill(check, State::Wrong, finding, cure),
        _ => Finding::ill(
            check,
            State::Warning,
            format!(
                "{finding}, enough for about {} calls",
                soft.saturating_sub(200) / 4
            ),
            cure,
        ),
    }
}

/// The folder, or the nearest above it that is there, must take a file.
fn data(folder: &Path, running: bool) -> Finding {
    let check = "data";
    if running {
        let cure = "end the other Switchboard, or give this one a folder of its own with --data";
        return Finding::ill(
            check,
            State::Warning,
            format!("{} is in use by a running Switchboard", folder.display()),
            cure,
        );
    }
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute
        .ancestors()
        .find(|above| above.exists())
        .unwrap_or(Path::new("/"));
    let trial = there.join(format!(".switchboard-doctor-{}", std::process::id()));
    let written = fs::write(&trial, b"trial");
    let _ = fs::remove_file(&trial);
    match written {
        Ok(()) if there == absolute => Finding::ok(
            check,
            format!("{} can be written and is free", folder.display()),
        ),
        Ok(()) => Finding::ok(check, format!("{} can be made", folder.display())),
        Err(error) => Finding::ill(
            check,
            State::Wrong,
            format!("{}: {error}", there.display()),
            "set --data to a folder that this user can write",
        ),
    }
}

/// A datagram to ourselves.
fn loopback() -> Finding {
    let check = "loopback";
    let begun = Instant::now();
    let exchange = || {
        let (one, other) = (
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        );
        other.set_read_timeout(Some(Duration::from_secs(1)))?;
        one.send_to(b"hello", other.local_addr()?)?;
        let mut buffer = [0; 16];
        let (length, from) = other.recv_from(&mut buffer)?;
        Ok::<_, std::io::Error>(
            &buffer[..length] == b"hello" && from.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST),
        )
    };
    let cure = "let UDP pass on the loopback interface; firewalls and sandboxes sometimes stop it";
    match exchange() {
        Ok(true) => Finding::ok(
            check,
            format!(
                "UDP on 127.0.0.1 works ({:.1} ms)",
                begun.elapsed().as_secs_f64() * 1000.0
            ),
        ),
        Ok(false) => Finding::ill(check, State::Wrong, "a datagram came back changed", cure),
        Err(error) => Finding::ill(
            check,
            State::Wrong,
            format!("UDP on 127.0.0.1: {error}"),
            cure,
        ),
    }
}

/// Certificates, signatures and call records need the date; sound needs a clock that does not jump.
fn clock() -> Finding {
    let check = "clock";
    let cure = "set the clock, and let a time service keep it";
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    };
    let (wall, steady) = (now(), Instant::now());
    if !(WRITTEN..FAR).contains(&wall.as_secs()) {
        return Finding::ill(
            check,
            State::Wrong,
            format!("it says {} s since 1970", wall.as_secs()),
            cure,
        );
    }
    std::thread::sleep(Duration::from_millis(50));
    let apart = now().abs_diff(wall).abs_diff(steady.elapsed());
    if apart > Duration::from_millis(20) {
        return Finding::ill(
            check,
            State::Warning,
            format!("it jumped by {} ms while it was watched", apart.as_millis()),
            cure,
        );
    }
    Finding::ok(check, "the date is plausible, and the clock is steady")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ports;

    fn config() -> Config {
        Config::development(
            std::env::temp_dir().join("switchboard-doctor-none"),
            Ports::AUTO,
        )
    }

    #[test]
    fn a_taken_port_is_wrong_unless_it_is_our_own() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut config = config();
        config.http = taken.local_addr().unwrap();
        let found = |running| {
            ports(&config, running)
                .into_iter()
                .find(|finding| finding.check == "http")
                .unwrap()
        };
        assert_eq!(found(false).state, State::Wrong);
        assert!(found(false).cure.unwrap().contains("--ports auto"));
        assert_eq!(found(true).state, State::Ok);
    }

    #[test]
    fn an_address_of_another_computer_is_named() {
        let mut config = config();
        config.sip = "192.0.2.1:5060".parse().unwrap();
        let finding = ports(&config, false)
            .into_iter()
            .find(|finding| finding.check == "sip")
            .unwrap();
        assert_eq!(finding.state, State::Wrong);
        assert!(finding.cure.unwrap().contains("--sip"));
    }

    #[test]
    fn few_files_are_few_calls() {
        let limits = |soft: &str| {
            format!(
                "Limit   Soft Limit  Hard Limit  Units\nMax open files            {soft}                 1048576              files\n"
            )
        };
        let state = |soft: &str| open_files(&Config::production(), Some(&limits(soft))).state;
        assert_eq!(
            (
                state("100"),
                state("1024"),
                state("65536"),
                state("unlimited")
            ),
            (State::Wrong, State::Warning, State::Ok, State::Ok)
        );
        assert_eq!(open_files(&config(), None).state, State::Warning);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_wrong_and_a_locked_one_is_seen() {
        assert_eq!(
            data(Path::new("/proc/switchboard"), false).state,
            State::Wrong
        );
        assert_eq!(data(&std::env::temp_dir(), false).state, State::Ok);
        let folder =
            std::env::temp_dir().join(format!("switchboard-doctor-lock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let lock = fs::File::create(folder.join("switchboard.db.lock")).unwrap();
        assert!(!locked(&folder));
        lock.try_lock().unwrap();
        assert!(locked(&folder));
        assert_eq!(data(&folder, true).state, State::Warning);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_ill_finding_has_a_cure() {
        for finding in examine(&config()) {
            assert_eq!(
                finding.state == State::Ok,
                finding.cure.is_none(),
                "{finding:?}"
            );
        }
    }
}
