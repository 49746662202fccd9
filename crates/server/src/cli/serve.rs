//! `switchboard serve`: a server for others.

use std::path::PathBuf;

use super::dev::live;
use super::settings::{SettingFlags, resolve};
use super::{Outcome, say};
use crate::config::Mode;

/// Start a server with settings from a file.
///
/// Nothing is seeded: make an account first with `switchboard account`. There are no virtual
/// phones, and webhooks reach public addresses only, besides those that `egress-allow` names.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard serve --config /etc/switchboard.toml\nExample: switchboard serve --config s.toml --log-format json --sip 192.0.2.1:5060"
)]
pub struct Serve {
    /// The configuration file; `switchboard config --example` writes one to start from
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: PathBuf,
    /// Print one JSON object with the addresses, once every socket is open
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Serve {
    /// Runs until a signal ends it.
    pub async fn run(self) -> Outcome {
        let config = resolve(Mode::Production, self.settings, Some(&self.config))?.config;
        live(config, |facts| {
            tracing::info!(api = facts.api, api_tls = facts.api_tls, sip = facts.sip, sip_tls = facts.sip_tls, "ready");
            if self.json {
                // Addresses only: a server's secrets are nobody's first line.
                let line = serde_json::json!({ "ready": true, "api": facts.api, "api_tls": facts.api_tls, "sip": facts.sip, "sip_tls": facts.sip_tls });
                say(&line.to_string());
            }
            None
        })
        .await
    }
}
