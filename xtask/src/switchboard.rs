//! A Switchboard of its own for each suite: started fresh, ended with SIGTERM.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A debug build may need this long to make its database and open its sockets.
const READY: Duration = Duration::from_secs(60);
/// How long it may take to end.
const END: Duration = Duration::from_secs(20);

/// A running `switchboard dev`.
pub struct Switchboard {
    child: Child,
    folder: PathBuf,
}

impl Switchboard {
    /// Starts one with its data under `folder`, which is emptied first, and waits for its first
    /// line; that line is kept in `ready.json` there. Settings go by environment.
    pub fn start(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        Ok(Self::resume(program, folder, settings)?.0)
    }

    /// The same with the data that is there; also how long it took, in milliseconds.
    pub fn resume(
        program: &Path,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Self, f64)> {
        std::fs::create_dir_all(folder)?;
        let began = Instant::now();
        let log = File::create(folder.join("log"))?;
        let child = Command::new(program)
            .args(["dev", "--json", "--ports", "auto", "--data"])
            .arg(folder.join("data"))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        // From here on it is ended whatever happens.
        let mut switchboard = Self {
            child,
            folder: folder.to_owned(),
        };
        let output = switchboard
            .child
            .stdout
            .take()
            .expect("stdout was asked for as a pipe");
        let (send, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            send.send(lines.next()).ok();
            // A full pipe would stop the server.
            lines.for_each(drop);
        });
        let line = match first.recv_timeout(READY) {
            Ok(Some(line)) => line,
            Ok(None) => bail!(
                "switchboard ended before it was ready\n{}",
                switchboard.log()
            ),
            Err(_) => bail!(
                "switchboard was not ready within {} s\n{}",
                READY.as_secs(),
                switchboard.log()
            ),
        };
        let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
        let ready: serde_json::Value = serde_json::from_str(&line)
            .with_context(|| format!("the first line is no JSON: {line}"))?;
        if ready["ready"] != true {
            bail!("the first line does not say ready: {line}");
        }
        std::fs::write(switchboard.ready(), &line)?;
        Ok((switchboard, milliseconds))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with the first line.
    pub fn ready(&self) -> PathBuf {
        self.folder.join("ready.json")
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Asks it to end and waits; an error when it does not end, or not well.
    pub fn end(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("switchboard ended by itself with {status}\n{}", self.log());
        }
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        let limit = Instant::now() + END;
        while Instant::now() < limit {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    bail!("switchboard ended on SIGTERM with {status}\n{}", self.log());
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!(
            "switchboard did not end within {} s of SIGTERM\n{}",
            END.as_secs(),
            self.log()
        )
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
