//! Flags over variables over the file over the defaults: where each value comes from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::trunk::{self, TrunkSetting};
use super::{Config, Invalid, Mode, Ports, SETTINGS, Setting};

/// Where values come from, before they are put on top of each other.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Flags of the command line, by setting.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The configuration file: its path, and what is in it.
    pub file: Option<(PathBuf, String)>,
}

impl Layers {
    /// Variables of the environment that look like a misspelt setting, and what was meant. Not an
    /// error as in the file: container platforms put variables of their own beside ours.
    pub fn misspelt(&self) -> Vec<(String, String)> {
        let known: Vec<String> = SETTINGS.iter().map(Setting::env).collect();
        let near = |name: &String| {
            known
                .iter()
                .find(|known| (1..=2).contains(&distance(name, known)))
                .cloned()
        };
        let of_commands = [
            "SWITCHBOARD_CONFIG",
            "SWITCHBOARD_API",
            "SWITCHBOARD_ACCOUNT",
            "SWITCHBOARD_TOKEN",
        ];
        let ours = self.env.keys().filter(|name| {
            name.starts_with("SWITCHBOARD_")
                && !known.contains(name)
                && !of_commands.contains(&name.as_str())
        });
        ours.filter_map(|name| Some((name.clone(), near(name)?)))
            .collect()
    }
}

impl Config {
    /// Puts the layers on top of each other.
    pub fn resolve(mode: Mode, layers: &Layers) -> Result<Resolved, Invalid> {
        let mut config = match mode {
            Mode::Development => Self::development(PathBuf::from(".switchboard"), Ports::USUAL),
            Mode::Production => Self::production(),
        };
        let mut origins = BTreeMap::new();
        let (from_file, trunks) = match &layers.file {
            Some((path, text)) => {
                read_file(text).map_err(|invalid| invalid.within(&path.display().to_string()))?
            }
            None => Default::default(),
        };
        config.trunks = trunks;
        for setting in &SETTINGS {
            let twin = setting.env();
            let from_env = layers.env.get(&twin).filter(|text| !text.is_empty());
            let (text, origin) = match (
                layers.flags.get(setting.key),
                from_env,
                from_file.get(setting.key),
            ) {
                (Some(text), _, _) => (text, format!("--{}", setting.key)),
                (None, Some(text), _) => (text, twin),
                (None, None, Some(text)) => {
                    let file = layers
                        .file
                        .as_ref()
                        .map(|(path, _)| path.display().to_string());
                    (text, file.unwrap_or_default())
                }
                (None, None, None) => continue,
            };
            config.set(setting.key, text).map_err(|cure| {
                Invalid(format!(
                    "{} (from {origin}): `{text}` will not do; {cure}",
                    setting.key
                ))
            })?;
            origins.insert(setting.key, origin);
        }
        config.check()?;
        Ok(Resolved { config, origins })
    }
}

/// The settings that are in force.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Their values.
    pub config: Config,
    /// Flag, variable or file of each that is not the default.
    pub origins: BTreeMap<&'static str, String>,
}

impl Resolved {
    /// As a configuration file, each with where it comes from. Passwords are not shown.
    pub fn toml(&self) -> String {
        let mut out = String::new();
        for setting in &SETTINGS {
            let origin = self
                .origins
                .get(setting.key)
                .map_or("default", String::as_str);
            let _ = match self.config.shown(setting.key) {
                Some(value) => writeln!(out, "{} = {value}  # {origin}", setting.key),
                None => writeln!(out, "# {} is not set", setting.key),
            };
        }
        for trunk in &self.config.trunks {
            trunk.write(&mut out);
        }
        out
    }
}

/// Reads the file: settings as text by key, and the trunks.
fn read_file(text: &str) -> Result<(BTreeMap<String, String>, Vec<TrunkSetting>), Invalid> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| Invalid(error.to_string().trim_end().to_owned()))?;
    let (mut settings, mut trunks) = (BTreeMap::new(), Vec::new());
    for (key, value) in table {
        if key == "trunk" {
            trunks = trunk::read(value)?;
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let known = SETTINGS.iter().map(|setting| setting.key).chain(["trunk"]);
            return Err(Invalid(unknown_key(&key, known)));
        };
        let text = match value {
            toml::Value::String(text) => Some(text),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Float(number) => Some(number.to_string()),
            toml::Value::Array(all) => {
                let texts: Option<Vec<&str>> = all.iter().map(toml::Value::as_str).collect();
                texts.map(|texts| texts.join(","))
            }
            _ => None,
        };
        let text = text.ok_or_else(|| {
            Invalid(format!(
                "{key}: this kind of value will not do; write it like {}",
                setting.sample
            ))
        })?;
        settings.insert(key, text);
    }
    Ok((settings, trunks))
}

/// Says so, and what was probably meant.
pub(super) fn unknown_key<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = known
        .into_iter()
        .min_by_key(|known| distance(unknown, known));
    let nearest =
        nearest.filter(|known| distance(unknown, known) <= known.len().max(unknown.len()) / 2);
    match nearest {
        Some(known) => format!("there is no setting `{unknown}`; did you mean `{known}`?"),
        None => format!(
            "there is no setting `{unknown}`; `switchboard config --example` shows all of them"
        ),
    }
}

/// How many letters must be added, removed or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (at, &theirs) in other.iter().enumerate() {
            let replaced = corner + usize::from(letter != theirs);
            corner = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file with this text.
    pub fn file(text: &str) -> Layers {
        Layers {
            file: Some((PathBuf::from("s.toml"), text.to_owned())),
            ..Layers::default()
        }
    }

    /// Why it cannot be used.
    pub fn refused(mode: Mode, layers: &Layers) -> String {
        Config::resolve(mode, layers)
            .expect_err("must be refused")
            .0
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let mut layers = Layers::default();
        let calls = |layers: &Layers| {
            let resolved = Config::resolve(Mode::Production, layers).unwrap();
            (
                resolved.config.max_calls,
                resolved.origins.get("max-calls").cloned(),
            )
        };
        assert_eq!(calls(&layers), (10_000, None));
        layers.file = file("max-calls = 1").file;
        assert_eq!(calls(&layers), (1, Some("s.toml".into())));
        layers
            .env
            .insert("SWITCHBOARD_MAX_CALLS".into(), "2".into());
        assert_eq!(calls(&layers), (2, Some("SWITCHBOARD_MAX_CALLS".into())));
        layers.flags.insert("max-calls", "3".into());
        assert_eq!(calls(&layers), (3, Some("--max-calls".into())));
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let mut layers = Layers::default();
        layers.env.insert("SWITCHBOARD_HTTP".into(), String::new());
        assert_eq!(
            Config::resolve(Mode::Development, &layers)
                .unwrap()
                .config
                .http
                .port(),
            8460
        );
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let message = refused(Mode::Production, &file("media_ports = \"1-2\""));
        assert_eq!(
            message,
            "s.toml: there is no setting `media_ports`; did you mean `media-ports`?"
        );
        let message = refused(Mode::Production, &file("zzzzzzzzzzzzzzz = 1"));
        assert!(
            message.contains("switchboard config --example"),
            "{message}"
        );
        let message = refused(
            Mode::Production,
            &file("[[trunk]]\nname = \"a\"\nhots = \"b\""),
        );
        assert!(message.contains("did you mean `host`?"), "{message}");
    }

    #[test]
    fn misspelt_variables_are_noticed_and_strange_ones_left_alone() {
        let mut layers = Layers::default();
        for name in [
            "SWITCHBOARD_HTPP",
            "SWITCHBOARD_SERVICE_HOST",
            "SWITCHBOARD_SIP",
            "HTTP",
        ] {
            layers.env.insert(name.into(), "x".into());
        }
        assert_eq!(
            layers.misspelt(),
            [("SWITCHBOARD_HTPP".to_owned(), "SWITCHBOARD_HTTP".to_owned())]
        );
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let resolved = Config::resolve(
            Mode::Production,
            &file("log = \"debug\"\n[[trunk]]\nname = \"a\"\nhost = \"h\"\n"),
        )
        .unwrap();
        let again = Config::resolve(Mode::Production, &file(&resolved.toml())).unwrap();
        assert_eq!(again.config.log.as_deref(), Some("debug"));
        assert_eq!(again.config.trunks[0].port, Some(5060));
    }
}
