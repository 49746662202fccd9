//! `switchboard config`: which settings are in force, and why.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::settings::{SettingFlags, resolve};
use super::{Failure, Outcome, say};
use crate::config::{self, Mode, Resolved, SETTINGS};

/// Show the settings that are in force as TOML, each with where it comes from.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard config --config /etc/switchboard.toml\nExample: switchboard config --example > switchboard.toml"
)]
pub struct ShowConfig {
    /// Print the commented example instead
    #[arg(long)]
    example: bool,
    /// Print one JSON object instead: each setting with `value` and `from`, and the trunks
    #[arg(long, conflicts_with = "example")]
    json: bool,
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
        let resolved = resolve(mode, self.settings, self.config.as_deref())?;
        match self.json {
            true => say(&as_json(&resolved)?.to_string()),
            false => say(resolved.toml().trim_end()),
        }
        Ok(())
    }
}

/// What the TOML says, for programs.
fn as_json(resolved: &Resolved) -> Result<Value, Failure> {
    let own = |error: String| Failure::new(Failure::FAILED, format!("the settings: {error}"));
    let table: toml::Table =
        (resolved.toml().parse()).map_err(|e: toml::de::Error| own(e.to_string()))?;
    let values = serde_json::to_value(table).map_err(|error| own(error.to_string()))?;
    let mut settings = Map::new();
    for setting in &SETTINGS {
        let from = (resolved.origins.get(setting.key)).map_or("default", String::as_str);
        let one = json!({ "value": values.get(setting.key), "from": from });
        settings.insert(setting.key.to_owned(), one);
    }
    let trunks = values.get("trunk").cloned();
    let trunks = trunks.unwrap_or_else(|| json!([]));
    Ok(json!({ "settings": settings, "trunks": trunks }))
}
