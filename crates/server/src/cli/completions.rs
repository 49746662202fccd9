//! `switchboard completions`: so that the shell finishes the words.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Outcome, say};

/// Write completions for a shell to the standard output.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard completions bash > ~/.local/share/bash-completion/completions/switchboard"
)]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "switchboard", &mut script);
        say(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
