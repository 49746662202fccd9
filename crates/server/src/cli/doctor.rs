//! `switchboard doctor`: is this computer fit, and if not, what is to be done.
//!
//! Each check is a function from what it looks at to a [`Finding`], in the language asked for.

use std::path::PathBuf;

use serde::Serialize;

use super::settings::{SettingFlags, resolve};
use super::{Failure, Outcome, say};
use crate::banner::Language;
use crate::config::{Config, Mode};

mod computer;
mod folder;
pub mod holder;
mod ports;
mod receivers;

/// Check whether this computer is fit to run Switchboard.
///
/// Each finding says what it is, how bad it is, and its cure. Ends with 1 if something must be
/// cured. Nothing is changed.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard doctor\nExample: switchboard doctor --config /etc/switchboard.toml --json\nExample: switchboard doctor --url http://localhost:3000/voice"
)]
pub struct Doctor {
    /// The configuration file of a server; without one, the development mode is examined
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    /// A program's address that must be reachable; may be repeated. The voice URLs of a running
    /// `switchboard dev` are tried without being named
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Language of the findings, `en` or `ja`; without it, that of LANG
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ja"])]
    lang: Option<String>,
    #[command(flatten)]
    settings: SettingFlags,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// It works, up to a point.
    Warning,
    /// It does not work.
    Wrong,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    finding: String,
    /// What is to be done; nothing if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Finding {
            check,
            state: State::Ok,
            finding: finding.into(),
            cure: None,
        }
    }

    fn ill(
        check: &'static str,
        state: State,
        finding: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding {
            check,
            state,
            finding: finding.into(),
            cure: Some(cure.into()),
        }
    }
}

/// A text in the language asked for. Both are made: a report is a few lines.
fn t(language: Language, en: impl Into<String>, ja: impl Into<String>) -> String {
    match language {
        Language::En => en.into(),
        Language::Ja => ja.into(),
    }
}

impl Doctor {
    /// Examines.
    pub async fn run(self) -> Outcome {
        let language = Language::wanted(self.lang.as_deref(), |name| std::env::var(name).ok());
        let mode = if self.config.is_some() {
            Mode::Production
        } else {
            Mode::Development
        };
        let findings = match resolve(mode, self.settings, self.config.as_deref()) {
            Ok(resolved) => examine(resolved.config, self.url, language).await?,
            Err(failure) => vec![Finding::ill(
                "settings",
                State::Wrong,
                failure.text,
                t(
                    language,
                    "correct the setting; `switchboard config --example` shows all",
                    "設定を直してください。`switchboard config --example` で全項目を確認できます",
                ),
            )],
        };
        let well = findings.iter().all(|finding| finding.state != State::Wrong);
        if self.json {
            say(&serde_json::json!({ "ok": well, "findings": findings }).to_string());
        } else {
            findings.iter().for_each(|finding| show(finding, language));
        }
        if well {
            Ok(())
        } else {
            Err(Failure::new(Failure::FAILED, ""))
        }
    }
}

fn show(finding: &Finding, language: Language) {
    // Words of one width, so that the columns stand in both languages.
    let mark = match (finding.state, language) {
        (State::Ok, Language::En) => "ok      ",
        (State::Warning, Language::En) => "warning ",
        (State::Wrong, Language::En) => "WRONG   ",
        (State::Ok, Language::Ja) => "正常    ",
        (State::Warning, Language::Ja) => "注意    ",
        (State::Wrong, Language::Ja) => "要対処  ",
    };
    say(&format!("{mark} {:<12} {}", finding.check, finding.finding));
    if let Some(cure) = &finding.cure {
        let word = t(language, "cure:", "対処:");
        say(&format!("{:<21} {word} {cure}", ""));
    }
}

async fn examine(
    config: Config,
    urls: Vec<String>,
    language: Language,
) -> Result<Vec<Finding>, Failure> {
    let running = folder::locked(&config.data);
    let own = config.clone();
    // These block: they bind, write and wait.
    let local = move || {
        let mut findings = vec![Finding::ok(
            "settings",
            t(language, "all can be used", "すべて使用できます"),
        )];
        findings.extend(ports::listening(&own, running, language));
        findings.push(ports::sound(&own, running, language));
        findings.push(computer::files(
            &own,
            std::fs::read_to_string("/proc/self/limits").ok().as_deref(),
            language,
        ));
        findings.push(folder::writable(&own.data, running, language));
        findings.extend(folder::room(&own.data, language));
        findings.push(computer::loopback(language));
        findings.push(computer::clock(language));
        findings
    };
    let mut findings = tokio::task::spawn_blocking(local).await.map_err(|error| {
        Failure::new(
            Failure::FAILED,
            format!("the examination ended early: {error}"),
        )
    })?;
    findings.extend(receivers::names(&config, language).await);
    findings.extend(receivers::programs(&config, urls, running, language).await);
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ports;

    pub fn config() -> Config {
        Config::development(
            std::env::temp_dir().join("switchboard-doctor-none"),
            Ports::AUTO,
        )
    }

    #[tokio::test]
    async fn every_ill_finding_has_a_cure_in_both_languages() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = config();
        config.http = taken.local_addr().unwrap();
        config.data = "/proc/switchboard".into();
        let urls = vec!["http://127.0.0.1:1/voice".to_owned(), "nonsense".to_owned()];
        for language in [Language::En, Language::Ja] {
            let findings = examine(config.clone(), urls.clone(), language)
                .await
                .unwrap();
            for finding in &findings {
                assert_eq!(
                    finding.state == State::Ok,
                    finding.cure.is_none(),
                    "{finding:?}"
                );
                let japanese = |text: &str| text.chars().any(|c| ('ぁ'..='ん').contains(&c));
                let cure = finding.cure.as_deref().unwrap_or("");
                assert_eq!(
                    japanese(&finding.finding) || japanese(cure),
                    language == Language::Ja,
                    "{finding:?}"
                );
            }
            let wrong: Vec<_> = findings
                .iter()
                .filter(|finding| finding.state == State::Wrong)
                .map(|finding| finding.check)
                .collect();
            assert_eq!(
                wrong,
                ["http", "data", "receiver", "receiver"],
                "{findings:?}"
            );
        }
    }
}
