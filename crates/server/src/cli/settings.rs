//! Settings as flags, and the layers that they come from.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, ArgMatches};

use super::Failure;
use crate::config::{Config, Layers, Mode, Resolved, SETTINGS};

/// Those settings that were given as flags. The flags are made from the table of settings, so that
/// none can be forgotten.
#[derive(Debug, Clone, Default)]
pub struct SettingFlags(pub BTreeMap<&'static str, String>);

impl clap::FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            Some((setting.key, matches.get_one::<String>(setting.key)?.clone()))
        });
        self.0.extend(given);
        Ok(())
    }
}

impl clap::Args for SettingFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        SETTINGS.iter().fold(command, |command, setting| {
            let help = setting.doc[0].trim().trim_end_matches('.');
            let long = setting
                .doc
                .iter()
                .map(|line| line.trim())
                .collect::<Vec<_>>()
                .join(" ");
            let long = format!(
                "{long}\nIn the environment: {}. Example: --{} {}",
                setting.env(),
                setting.key,
                setting.sample
            );
            command.arg(
                Arg::new(setting.key)
                    .long(setting.key)
                    .value_name("VALUE")
                    .help(help)
                    .long_help(long)
                    .help_heading("Settings"),
            )
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// Reads all layers and puts them on top of each other.
pub fn resolve(mode: Mode, flags: SettingFlags, file: Option<&Path>) -> Result<Resolved, Failure> {
    let file = match file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let cure = "name a file that can be read; `switchboard config --example` writes one to start from";
                Failure::new(Failure::CONFIGURATION, format!("{}: {error}; {cure}", path.display()))
            })?;
            Some((path.to_owned(), text))
        }
    };
    // A variable that is not text cannot be one of ours.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let layers = Layers {
        flags: flags.0,
        env: env.collect(),
        file,
    };
    for (misspelt, meant) in layers.misspelt() {
        eprintln!("switchboard: the variable {misspelt} means nothing; did you mean {meant}?");
    }
    Ok(Config::resolve(mode, &layers)?)
}
