//! The command line: what people and scripts type. Data goes to the standard output, talk and logs
//! to the standard error output.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::Invalid;

mod account;
mod adopt;
mod call;
mod client;
mod completions;
mod config;
mod dev;
mod doctor;
mod dotenv;
mod logs;
mod open;
mod phone;
mod run;
mod serve;
mod settings;
mod trust;

/// The help names every code once.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the call was not answered,
4 no server to talk to, 78 a setting cannot be used, 130 interrupted.

Example: switchboard dev --json --ports auto";

/// Switchboard connects telephones to programs, in the way of Twilio's programmable voice.
#[derive(Parser)]
#[command(name = "switchboard", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this computer, with an account, numbers and virtual phones (the default)
    Dev(dev::Dev),
    /// Start a server with settings from a file
    Serve(serve::Serve),
    /// Run a program whose requests to the vendor reach Switchboard instead
    Run(run::Run),
    /// Open a page in a browser whose requests to the vendor reach Switchboard instead
    Open(open::Open),
    /// Make the account, key, application and number of a program's .env known here
    Adopt(adopt::Adopt),
    /// Let this computer's programs and browsers accept Switchboard's certificate
    Trust(trust::Trust),
    /// Undo `trust`
    Untrust(trust::Untrust),
    /// Make a call and watch it
    Call(call::Call),
    /// Work the virtual phones
    Phone(phone::Phone),
    /// Show what went wrong, or every exchange about one call
    Logs(logs::Logs),
    /// Make an account on a server that is not running
    Account(account::Account),
    /// Check whether this computer is fit to run Switchboard
    Doctor(doctor::Doctor),
    /// Show the settings that are in force, or the commented example
    Config(config::ShowConfig),
    /// Write completions for a shell
    Completions(completions::Completions),
}

/// Why a command did not do what it was asked. The text names the cure.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    code: u8,
    /// For people; may be empty where everything is said.
    text: String,
}

impl Failure {
    /// It did not work.
    const FAILED: u8 = 1;
    /// What was typed makes no sense.
    const USAGE: u8 = 2;
    /// The call was not answered.
    const NOT_ANSWERED: u8 = 3;
    /// No server to talk to.
    const UNREACHABLE: u8 = 4;
    /// A setting cannot be used (`EX_CONFIG` of sysexits).
    const CONFIGURATION: u8 = 78;
    /// Ended by the person (128 + SIGINT).
    const INTERRUPTED: u8 = 130;

    fn new(code: u8, text: impl Into<String>) -> Self {
        Failure {
            code,
            text: text.into(),
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Failure::new(Self::CONFIGURATION, invalid.0)
    }
}

/// What a command ends with.
type Outcome = Result<(), Failure>;

/// Runs what was typed.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(arguments(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and clap knows which output and code each gets.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Failure::USAGE));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(crate::memory::doze)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!(
                "switchboard: no threads to work with: {error}; `switchboard doctor` looks for the cause"
            );
            return ExitCode::from(Failure::FAILED);
        }
    };
    let outcome = runtime.block_on(run(cli.command));
    // A thread that waits for a disk does not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("switchboard: {}", failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Dev(dev) => dev.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::Run(run) => run.run().await,
        Command::Open(open) => open.run().await,
        Command::Adopt(adopt) => adopt.run().await,
        Command::Trust(trust) => trust.run().await,
        Command::Untrust(untrust) => untrust.run().await,
        Command::Call(call) => call.run().await,
        Command::Phone(phone) => phone.run().await,
        Command::Logs(logs) => logs.run().await,
        Command::Account(account) => account.run().await,
        Command::Doctor(doctor) => doctor.run().await,
        Command::Config(config) => config.run(),
        Command::Completions(completions) => completions.run(),
    }
}

/// Without a command, `dev` is meant.
fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut given: Vec<OsString> = given.into_iter().collect();
    if given.is_empty() {
        given.push("switchboard".into());
    }
    let first = given.get(1).and_then(|first| first.to_str());
    let meant = match first {
        None => given.len() == 1,
        Some(first) => {
            first.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&first)
        }
    };
    if meant {
        given.insert(1, "dev".into());
    }
    given
}

/// One line of data. Whoever closed the pipe does not want to know more.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes a file that somebody asked for.
fn save(path: &Path, bytes: &[u8]) -> Outcome {
    std::fs::write(path, bytes).map_err(|error| {
        let cure = "name a file in a folder that can be written";
        Failure::new(
            Failure::FAILED,
            format!("{}: {error}; {cure}", path.display()),
        )
    })
}

/// The folder of the running development server, for the commands that look for it.
#[derive(clap::Args)]
struct DataFolder {
    /// The data folder of the running `switchboard dev`, where the facts about it are
    #[arg(
        long,
        value_name = "DIR",
        env = "SWITCHBOARD_DATA",
        default_value = ".switchboard"
    )]
    data: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn typed(line: &str) -> Vec<String> {
        let given = line.split(' ').map(OsString::from);
        arguments(given)
            .into_iter()
            .map(|argument| argument.into_string().unwrap())
            .collect()
    }

    #[test]
    fn without_a_command_dev_is_meant() {
        assert_eq!(typed("switchboard"), ["switchboard", "dev"]);
        assert_eq!(
            typed("switchboard --json"),
            ["switchboard", "dev", "--json"]
        );
        assert_eq!(typed("switchboard --help"), ["switchboard", "--help"]);
        assert_eq!(
            typed("switchboard call --to x"),
            ["switchboard", "call", "--to", "x"]
        );
    }

    #[test]
    fn the_grammar_is_sound_and_every_command_and_flag_has_help_and_an_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        fn examine(command: &clap::Command) {
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            let below: Vec<_> = command
                .get_subcommands()
                .filter(|below| below.get_name() != "help")
                .collect();
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let example = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                example.contains("Example"),
                "{} has no example",
                command.get_name()
            );
            below.into_iter().for_each(examine);
        }
        examine(&cli);
    }

    #[test]
    fn the_documented_lines_are_understood() {
        let lines = [
            "switchboard dev --json --data DIR --ports auto",
            "switchboard dev --lang ja --http 127.0.0.1:9000",
            "switchboard serve --config /etc/switchboard.toml --log-format json",
            "switchboard call --to +15005550120 --speak hello --wav out.wav",
            "switchboard call --to +15005550120 --twiml - --json",
            "switchboard phone set +15005550121 --answer-after 500 --press 1000:12# --press 3000:4",
            "switchboard phone dial +15005550120 --to +15005550101",
            "switchboard phone heard +15005550120 --wav out.wav",
            "switchboard logs --follow --json",
            "switchboard doctor --json",
            "switchboard config --example",
            "switchboard completions bash",
        ];
        for line in lines {
            Cli::try_parse_from(line.split(' '))
                .map(drop)
                .unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            "switchboard call --to x",
            "switchboard call --to x --speak a --url b",
            "switchboard serve",
            "switchboard dev --ports some",
        ] {
            let error = Cli::try_parse_from(line.split(' '))
                .map(drop)
                .expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_page_about_the_command_line_names_every_command_and_setting() {
        let page = include_str!("../../../docs/command-line.md");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(page.contains(&format!("| `switchboard {name}")), "{name}");
        }
        for setting in &crate::config::SETTINGS {
            assert!(
                page.contains(&format!("`{}`", setting.key)),
                "{}",
                setting.key
            );
        }
    }
}
