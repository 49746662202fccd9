//! Installing what the counterpart suites need: Debian, npm and PyPI packages, by name, and programs
//! that others published as source.
//!
//! Libraries go into `.tools/`, one folder each, with a stamp that names what is in it. A library
//! asked for by a range ("the newest") is looked for again when its stamp is a day old.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::command;

/// Something a suite needs and the project does not bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// A program of a Debian package.
    Debian {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// A helper library of node.
    Node {
        /// The folder under `.tools`.
        folder: &'static str,
        /// What npm installs.
        package: &'static str,
    },
    /// A helper library of python, in an environment of its own.
    Python {
        /// The folder under `.tools`.
        folder: &'static str,
        /// What pip installs.
        package: &'static str,
    },
    /// A program of node that others published as source, with its packages.
    Git {
        /// The folder under `.tools`.
        folder: &'static str,
        /// Where it is published.
        repository: &'static str,
        /// Its commit.
        commit: &'static str,
        /// The variable by which a checkout elsewhere, packages installed, takes its place.
        variable: &'static str,
    },
}

/// A host that is out of reach must not hold the tests up for longer.
const REACH: Duration = Duration::from_secs(120);

/// A stamp older than this no longer proves that the newest release is in place.
const FRESH: Duration = Duration::from_secs(24 * 3600);

impl Tool {
    /// The folder the tool is installed into.
    pub fn folder(self, root: &Path) -> PathBuf {
        let tools = root.join(".tools");
        match self {
            Tool::Debian { .. } => tools,
            Tool::Node { folder, .. } | Tool::Python { folder, .. } | Tool::Git { folder, .. } => {
                tools.join(folder)
            }
        }
    }

    /// Whether the tool can be used now.
    pub fn present(self, root: &Path) -> bool {
        match self {
            Tool::Debian { program, .. } => on_path(program),
            Tool::Node { .. } => on_path("node") && self.stamped(root),
            Tool::Python { .. } => self.stamped(root),
            Tool::Git { variable, .. } => {
                std::env::var_os(variable).is_some() || on_path("npm") && self.stamped(root)
            }
        }
    }

    /// What to do for who lacks it.
    pub fn missing(self) -> String {
        match self {
            Tool::Git {
                repository,
                commit,
                variable,
                ..
            } => format!(
                "{repository} could not be had; check {commit} of it out, run `npm ci` in it, and name the folder by {variable}=FOLDER"
            ),
            _ => format!("no {self:?}"),
        }
    }

    /// The variable and the folder of a checkout.
    pub fn checkout(self, root: &Path) -> Option<(&'static str, PathBuf)> {
        let Tool::Git { variable, .. } = self else {
            return None;
        };
        let elsewhere = std::env::var_os(variable).map(PathBuf::from);
        let folder = elsewhere.unwrap_or_else(|| self.folder(root).join("checkout"));
        Some((variable, folder))
    }

    fn stamp(self, root: &Path) -> PathBuf {
        self.folder(root).join("installed")
    }

    fn stamped(self, root: &Path) -> bool {
        self.stamp(root).is_file()
    }

    fn fresh(self, root: &Path) -> bool {
        // One commit never changes.
        if let Tool::Git {
            commit, variable, ..
        } = self
        {
            let stamp = std::fs::read_to_string(self.stamp(root));
            return std::env::var_os(variable).is_some()
                || stamp.is_ok_and(|stamp| stamp.trim() == commit);
        }
        let age = std::fs::metadata(self.stamp(root))
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age < FRESH)
    }
}

/// Installs what is missing and says what it does. A tool that cannot be had is named and left
/// out: the suites that need it then say "not run".
pub fn install(root: &Path, tools: &[Tool]) -> anyhow::Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    for tool in tools {
        match *tool {
            Tool::Debian { program, package } if !on_path(program) => packages.push(package),
            Tool::Git { .. } if !on_path("git") => packages.push("git"),
            Tool::Node { .. } | Tool::Git { .. } if !on_path("npm") => {
                packages.extend(["nodejs", "npm"])
            }
            Tool::Python { .. } if !has_venv() => packages.extend(["python3", "python3-venv"]),
            _ => {}
        }
    }
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        println!("Debian packages: all there");
    } else if let Err(error) = debian(&packages) {
        println!("could not install {}: {error:#}", packages.join(" "));
    }
    for tool in tools {
        let (kind, package) = match *tool {
            Tool::Debian { .. } => continue,
            Tool::Node { package, .. } => ("npm", package),
            Tool::Python { package, .. } => ("PyPI", package),
            Tool::Git { repository, .. } => ("git", repository),
        };
        if tool.present(root) && tool.fresh(root) {
            println!("{kind} {package}: there");
            continue;
        }
        println!(
            "{kind} {package}: installing into {}",
            tool.folder(root).display()
        );
        if let Err(error) = library(root, *tool) {
            match tool.present(root) {
                true => println!("keeping the one installed before: {error:#}"),
                false => println!("could not install {package}: {error:#}"),
            }
        }
    }
    Ok(())
}

fn debian(packages: &[&str]) -> anyhow::Result<()> {
    println!("Debian packages: installing {}", packages.join(" "));
    command::run(apt().args(["-q", "update"]))?;
    command::run(
        apt()
            .args(["-q", "-y", "--no-install-recommends", "install"])
            .args(packages),
    )
}

/// `apt-get`, through sudo for those who are not root.
fn apt() -> Command {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    let mut command = match root {
        true => Command::new("apt-get"),
        false => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "apt-get"]);
            sudo
        }
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn library(root: &Path, tool: Tool) -> anyhow::Result<()> {
    let folder = tool.folder(root);
    std::fs::create_dir_all(&folder)?;
    let package = match tool {
        Tool::Debian { .. } => return Ok(()),
        Tool::Node { package, .. } => {
            let flags = [
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
            ];
            command::run(Command::new("npm").args(flags).arg(&folder).arg(package))?;
            package
        }
        Tool::Git {
            repository, commit, ..
        } => {
            let checkout = folder.join("checkout");
            if checkout.exists() {
                std::fs::remove_dir_all(&checkout)?;
            }
            std::fs::create_dir_all(&checkout)?;
            let git = |words: &[&str]| {
                let mut git = Command::new("git");
                git.arg("-C").arg(&checkout).args(words);
                command::run_within(git.env("GIT_TERMINAL_PROMPT", "0"), REACH)
            };
            git(&["init", "-q"])?;
            git(&["fetch", "-q", "--depth", "1", repository, commit])?;
            git(&["checkout", "-q", "--detach", "FETCH_HEAD"])?;
            let flags = [
                "ci",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--omit=dev",
            ];
            command::run(Command::new("npm").current_dir(&checkout).args(flags))?;
            commit
        }
        Tool::Python { package, .. } => {
            if !folder.join("bin/python").is_file() {
                command::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            }
            let flags = [
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--upgrade",
            ];
            command::run(
                Command::new(folder.join("bin/python"))
                    .args(flags)
                    .arg(package),
            )?;
            package
        }
    };
    std::fs::write(tool.stamp(root), format!("{package}\n")).context("the stamp")
}

fn has_venv() -> bool {
    quiet(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn quiet(command: &mut Command) -> bool {
    let silent = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}
