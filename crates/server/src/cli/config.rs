//! `switchboard config`: which settings are in force, and why.

use std::path::PathBuf;

use super::settings::{SettingFlags, resolve};
use super::{Outcome, say};
use crate::config::{self, Mode};

/// Show the settings that are in force as TOML, each with where it comes from.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard config --config /etc/switchboard.toml\nExample: switchboard config --example > switchboard.toml"
)]
pub struct ShowConfig {
    /// Print the commented example instead
    #[arg(long)]
    example: bool,
    /// The configuration file; without one, what `switchboard dev` would use is shown
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl ShowConfig {
    /// Prints, or says what is wrong with the settings.
    pub fn run(self) -> Outcome {
        if self.example {
            say(config::example().trim_end());
            return Ok(());
        }
        let mode = if self.config.is_some() {
            Mode::Production
        } else {
            Mode::Development
        };
        say(resolve(mode, self.settings, self.config.as_deref())?
            .toml()
            .trim_end());
        Ok(())
    }
}
