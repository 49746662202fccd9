//! Log lines: to the standard error output, so that the standard output stays for data.
//!
//! Secrets do not get this far: the types that carry them print as `[hidden]` (`model::pii`).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, Invalid, LogFormat};

/// What is written when nobody asked for anything. The database and HTTP libraries speak only of
/// trouble.
const USUAL: &str = "info,hyper=warn,reqwest=warn,h2=warn,rustls=warn,store::migrations=warn";

/// Starts logging as the settings say. Called once.
pub fn start(config: &Config, rust_log: Option<&str>) -> Result<(), Invalid> {
    let filter = filter(config.log.as_deref(), rust_log)?;
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter);
    let started = match config.log_format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
            lines.with_ansi(colour).try_init()
        }
    };
    started.map_err(|error| Invalid(format!("logging cannot start: {error}")))
}

/// The setting, else `RUST_LOG`, else the usual.
fn filter(setting: Option<&str>, rust_log: Option<&str>) -> Result<EnvFilter, Invalid> {
    let given = [("log", setting), ("RUST_LOG", rust_log)];
    let given = given
        .into_iter()
        .find_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)));
    let (name, text) = given.unwrap_or(("log", USUAL));
    // `info` alone means the usual, with the libraries kept quiet.
    let text = if text == "info" { USUAL } else { text };
    EnvFilter::try_new(text).map_err(|error| {
        Invalid(format!("{name}: `{text}` will not do ({error}); write a level, or levels for parts, like info,sip=debug"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_wins_then_rust_log_then_info() {
        let shown = |setting, rust_log| filter(setting, rust_log).unwrap().to_string();
        assert_eq!(shown(Some("debug"), Some("trace")), "debug");
        assert_eq!(shown(None, Some("trace")), "trace");
        assert!(shown(None, None).contains("info"));
        assert!(shown(Some(""), None).contains("hyper=warn"));
    }

    #[test]
    fn a_filter_that_cannot_be_read_names_the_cure() {
        let error = filter(Some("sip=loud"), None).expect_err("no such level");
        assert!(error.0.contains("info,sip=debug"), "{error}");
    }
}
