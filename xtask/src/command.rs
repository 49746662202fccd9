//! Running a program: its output goes on to the terminal and its test results are counted.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::report::Tally;

/// How long a program may take to end when it is asked to.
const GOODBYE: Duration = Duration::from_secs(5);

/// Runs a program to its end; an error unless it succeeds.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    println!("$ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| shown(command))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// The same, ended when it takes longer than `limit`.
pub fn run_within(command: &mut Command, limit: Duration) -> anyhow::Result<()> {
    println!("$ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| shown(command))?;
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("{} ended with {status}", shown(command));
            }
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().ok();
    child.wait().ok();
    bail!("{} ended after {} s", shown(command), limit.as_secs())
}

/// Runs a program that tests something and counts what it says it tested. It is ended, and
/// counted as failed, when it takes longer than `limit`.
pub fn count(command: &mut Command, limit: Duration) -> anyhow::Result<Tally> {
    println!("$ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| shown(command))?;
    let output = child.stdout.take().expect("stdout was asked for as a pipe");
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let end = Instant::now() + limit;
    let mut tally = Tally::default();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                tally.add(tested(&line));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                stop(&mut child);
                println!(
                    "not ok {}: ended after {} s",
                    shown(command),
                    limit.as_secs()
                );
                tally.failed += 1;
                return Ok(tally);
            }
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        println!("not ok {}: {status}", shown(command));
        tally.failed += 1;
    }
    Ok(tally)
}

/// Ends a program that took too long: it is asked first, so that it can end those that it started.
fn stop(child: &mut Child) {
    let asked = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    let limit = Instant::now() + GOODBYE;
    while asked.is_ok() && Instant::now() < limit {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().ok();
    child.wait().ok();
}

/// What one line of output says was tested: cargo's summary, or a line of one of our suites.
fn tested(line: &str) -> Tally {
    if let Some(summary) = line.strip_prefix("test result: ") {
        let number = |word: &str| {
            summary
                .split(['.', ';'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
                .unwrap_or(0)
        };
        return Tally {
            passed: number("passed"),
            failed: number("failed"),
            skipped: number("ignored"),
        };
    }
    match line {
        line if line.starts_with("ok ") => Tally {
            passed: 1,
            ..Tally::default()
        },
        line if line.starts_with("not ok ") => Tally {
            failed: 1,
            ..Tally::default()
        },
        line if line.starts_with("not run ") => Tally {
            skipped: 1,
            ..Tally::default()
        },
        _ => Tally::default(),
    }
}

/// The program and its arguments as one would type them.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(
            tested(line),
            Tally {
                passed: 12,
                failed: 3,
                skipped: 2
            }
        );
        assert_eq!(
            tested("ok calls are listed"),
            Tally {
                passed: 1,
                failed: 0,
                skipped: 0
            }
        );
        assert_eq!(
            tested("not ok cancel: 400"),
            Tally {
                passed: 0,
                failed: 1,
                skipped: 0
            }
        );
        assert_eq!(
            tested("not run cancel: no peer"),
            Tally {
                passed: 0,
                failed: 0,
                skipped: 1
            }
        );
        assert_eq!(tested("okay"), Tally::default());
    }

    #[test]
    fn a_program_that_fails_silently_is_a_failure() {
        let tally = count(
            Command::new("sh").args(["-c", "echo ok one; exit 3"]),
            Duration::from_secs(9),
        );
        assert_eq!(
            tally.expect("sh runs"),
            Tally {
                passed: 1,
                failed: 1,
                skipped: 0
            }
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let limit = Duration::from_millis(50);
        assert!(run_within(Command::new("sleep").arg("20"), limit).is_err());
        assert!(run_within(&mut Command::new("false"), Duration::from_secs(9)).is_err());
        assert!(run_within(&mut Command::new("true"), Duration::from_secs(9)).is_ok());
    }

    #[test]
    fn a_program_that_hangs_is_a_failure() {
        let tally = count(Command::new("sleep").arg("20"), Duration::from_millis(50));
        assert_eq!(
            tally.expect("sleep runs"),
            Tally {
                passed: 0,
                failed: 1,
                skipped: 0
            }
        );
    }
}
