//! `switchboard adopt .env`: a program's own account, key, application and number, known here, so
//! that it runs with the file it has.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use model::phone_number::PhoneNumber;
use model::sid::{AccountSid, ApplicationSid, KeySid};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::dotenv::DotEnv;
use super::{DataFolder, Failure, Outcome, say};
use crate::adopted::{Adopted, Wanted};
use crate::banner::Language;
use crate::tls::write_secret;

/// Names of each thing, in the order in which they are looked for.
const ACCOUNT: &[&str] = &["TWILIO_ACCOUNT_SID", "TWILIO_SID"];
const TOKEN: &[&str] = &["TWILIO_AUTH_TOKEN", "TWILIO_TOKEN"];
const KEY: &[&str] = &["TWILIO_API_KEY", "TWILIO_API_KEY_SID", "TWILIO_API_SID"];
const SECRET: &[&str] = &["TWILIO_API_SECRET", "TWILIO_API_KEY_SECRET"];
const APPLICATION: &[&str] = &[
    "TWILIO_TWIML_APP_SID",
    "TWILIO_TWIML_APPLICATION_SID",
    "TWILIO_APP_SID",
    "TWILIO_APPLICATION_SID",
    "TWILIO_VOICE_APP_SID",
];
const NUMBER: &[&str] = &[
    "TWILIO_CALLER_ID",
    "TWILIO_PHONE_NUMBER",
    "TWILIO_NUMBER",
    "TWILIO_FROM_NUMBER",
    "TWILIO_CALLER_NUMBER",
];

/// Make the account, key, application and number of a program's .env known to the running server.
///
/// A file with real-looking values is only read: the same identifiers and secrets are made here, so
/// that tokens and signatures are verified, and the file stays as it is. Values that are missing or
/// placeholders are filled in with ones of this server; a copy of the file is kept before that.
/// Doing it again changes nothing. Only for `switchboard dev`.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard adopt .env\nExample: switchboard adopt .env --voice-url http://localhost:3000/voice\nExample: switchboard adopt .env --undo"
)]
pub struct Adopt {
    /// The file
    #[arg(value_name = "FILE", default_value = ".env")]
    file: PathBuf,
    /// Where the TwiML application asks; without it, http://localhost:PORT/voice for a new one,
    /// with the PORT of the file, else 3000
    #[arg(long, value_name = "URL")]
    voice_url: Option<String>,
    /// Take back what was made, and restore the file as it was
    #[arg(long, conflicts_with = "voice_url")]
    undo: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Language, `en` or `ja`; without it, that of LANG
    #[arg(long, value_name = "LANGUAGE", value_parser = ["en", "ja"])]
    lang: Option<String>,
    #[command(flatten)]
    data: DataFolder,
}

/// What is kept in the data folder for `--undo`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    file: PathBuf,
    /// Resources that were made, oldest first.
    made: Vec<String>,
    /// The file before it was first changed, and after it was last changed.
    before: Option<String>,
    after: Option<String>,
}

/// What a file asks for: the names under which values are to be filled in, and the request.
#[derive(Debug, Default)]
struct Reading {
    wanted: Wanted,
    fill: Vec<(String, Thing)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Account,
    Token,
    Key,
    Secret,
    Application,
    Number,
}

impl Adopt {
    /// Adopts, or takes it back.
    pub async fn run(self) -> Outcome {
        let language = Language::wanted(self.lang.as_deref(), |name| std::env::var(name).ok());
        let client = Client::of_folder(&self.data.data)?;
        let kept_path = kept_path(&self.data.data, &self.file);
        if self.undo {
            return self.take_back(&client, &kept_path, language).await;
        }
        let text = std::fs::read_to_string(&self.file).map_err(|error| {
            let cure = "name the file with the program's TWILIO_ variables";
            Failure::new(
                Failure::FAILED,
                format!("{}: {error}; {cure}", self.file.display()),
            )
        })?;
        let mut file = DotEnv::parse(&text);
        let mut reading = read(&file);
        if !file.names().any(|name| name.starts_with("TWILIO_")) {
            let cure = "it sets no variable that begins with TWILIO_, so there is nothing to adopt";
            return Err(Failure::new(
                Failure::FAILED,
                format!("{}: {cure}", self.file.display()),
            ));
        }
        reading.wanted.voice_url = self.voice_url.clone();
        let production = looks_like_production(&self.file, &file);
        let body = serde_json::to_value(&reading.wanted)
            .map_err(|error| Failure::new(Failure::FAILED, error.to_string()))?;
        let answer = client.post_json("/_switchboard/v1/adopt", &body).await?;
        let adopted: Adopted = serde_json::from_value(answer).map_err(|error| {
            let cure = "is the running server of this version?";
            Failure::new(Failure::FAILED, format!("{error}; {cure}"))
        })?;
        for (name, thing) in &reading.fill {
            if let Some(value) = adopted.value(*thing) {
                file.set(name, value);
            }
        }
        let changed = file.text() != text;
        let mut kept = Kept::read(&kept_path);
        kept.file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        kept.made.extend(adopted.made.iter().cloned());
        if changed {
            kept.before.get_or_insert(text);
            kept.after = Some(file.text());
        }
        // The copy first: a file is never changed without one.
        kept.write(&kept_path)?;
        if changed {
            super::save(&self.file, file.text().as_bytes())?;
        }
        let filled: Vec<_> = reading.fill.iter().map(|(name, _)| name).collect();
        if self.json {
            let line = json!({
                "account_sid": adopted.account_sid,
                "api_key_sid": adopted.api_key_sid,
                "application_sid": adopted.application_sid,
                "voice_url": adopted.voice_url,
                "number": adopted.number,
                "made": adopted.made,
                "filled": filled,
                "changed": changed,
                "kept": kept_path,
                "looks_like_production": production,
            });
            say(&line.to_string());
            return Ok(());
        }
        if production {
            eprintln!(
                "switchboard: {}",
                language.pick(
                    "this file looks like production; its secrets are now in the data folder, too, for its owner's eyes only",
                    "本番用のファイルのようです。中の秘密情報はデータフォルダーにも（所有者のみ読める形で）保存されました"
                )
            );
        }
        self.tell(&adopted, &filled, changed, language);
        Ok(())
    }

    fn tell(&self, adopted: &Adopted, filled: &[&String], changed: bool, language: Language) {
        let t = |en: &'static str, ja: &'static str| language.pick(en, ja);
        let rows = [
            ("Account SID", Some(&adopted.account_sid)),
            ("API Key", adopted.api_key_sid.as_ref()),
            ("TwiML App", adopted.application_sid.as_ref()),
            (t("  asks", "  接続先"), adopted.voice_url.as_ref()),
            (t("Number", "電話番号"), adopted.number.as_ref()),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                say(&format!("{name:<13}{value}"));
            }
        }
        let file = self.file.display();
        let text = match (changed, adopted.made.is_empty(), language) {
            (true, _, Language::En) => format!(
                "{file}: filled in {}; `switchboard adopt {file} --undo` restores it",
                list(filled)
            ),
            (true, _, Language::Ja) => format!(
                "{file}: {} を設定しました。`switchboard adopt {file} --undo` で元に戻せます",
                list(filled)
            ),
            (false, true, Language::En) => format!("{file}: all of this was here already"),
            (false, true, Language::Ja) => format!("{file}: すべて登録済みです"),
            (false, false, Language::En) => {
                format!("{file}: known here now; the file was not changed")
            }
            (false, false, Language::Ja) => {
                format!("{file}: 登録しました。ファイルは変更していません")
            }
        };
        say(&text);
    }

    async fn take_back(&self, client: &Client, path: &Path, language: Language) -> Outcome {
        let kept = Kept::read(path);
        if kept.made.is_empty() && kept.before.is_none() {
            let text = language.pick("there is nothing to take back", "元に戻すものはありません");
            if self.json {
                say(&json!({ "removed": [], "restored": false }).to_string());
            } else {
                say(text);
            }
            return Ok(());
        }
        let restored = match (&kept.before, &kept.after) {
            (Some(before), Some(after)) => {
                let now = std::fs::read_to_string(&self.file).unwrap_or_default();
                if now != *after && now != *before {
                    let cure = "it was changed since it was filled in; the copy from before is `before` in";
                    return Err(Failure::new(
                        Failure::FAILED,
                        format!("{}: {cure} {}", self.file.display(), path.display()),
                    ));
                }
                super::save(&self.file, before.as_bytes())?;
                true
            }
            _ => false,
        };
        // What was made last depends on what was made first.
        for made in kept.made.iter().rev() {
            let below = made.trim_start_matches("/2010-04-01/Accounts/");
            if below.contains('/') {
                client.delete(made).await?;
            } else {
                client.post_form(made, &[("Status", "closed")]).await?;
            }
        }
        std::fs::remove_file(path).map_err(|error| {
            Failure::new(Failure::FAILED, format!("{}: {error}", path.display()))
        })?;
        if self.json {
            say(&json!({ "removed": kept.made, "restored": restored }).to_string());
        } else {
            say(language.pick(
                "taken back: the file and the server are as they were",
                "元に戻しました。ファイルとサーバーは以前の状態です",
            ));
        }
        Ok(())
    }
}

fn list(names: &[&String]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}

/// One file of notes for each file that was adopted.
fn kept_path(data: &Path, file: &Path) -> PathBuf {
    let whole = std::fs::canonicalize(file)
        .or_else(|_| std::path::absolute(file))
        .unwrap_or_else(|_| file.to_owned());
    let mut hasher = DefaultHasher::new();
    whole.hash(&mut hasher);
    data.join(format!("adopted-{:016x}.json", hasher.finish()))
}

impl Kept {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn write(&self, path: &Path) -> Outcome {
        let failed = |error: String| {
            let cure = "the data folder must be one that can be written";
            Failure::new(
                Failure::FAILED,
                format!("{}: {error}; {cure}", path.display()),
            )
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        write_secret(path, text.as_bytes()).map_err(|error| failed(error.to_string()))
    }
}

/// What the file has, and what is to be filled in. A name that is not there is not wanted, except
/// that a key's secret and an account's token are of no use alone.
fn read(file: &DotEnv) -> Reading {
    let mut reading = Reading::default();
    let usable = |names: &[&'static str], thing: Thing, fill: &mut Vec<(String, Thing)>| {
        let (name, value) = file.first_of(names)?;
        let good = is_good(thing, value);
        if !good {
            fill.push((name.to_owned(), thing));
        }
        Some(good.then(|| value.to_owned()))
    };
    let fill = &mut reading.fill;
    let account = usable(ACCOUNT, Thing::Account, fill).flatten();
    let mut token = usable(TOKEN, Thing::Token, fill).flatten();
    let key = usable(KEY, Thing::Key, fill);
    let mut secret = usable(SECRET, Thing::Secret, fill).flatten();
    // A secret of an identifier that is filled in is not its secret.
    let mut replace = |names: &[&'static str], thing: Thing| {
        if let Some((name, _)) = file.first_of(names)
            && !fill.iter().any(|(_, there)| *there == thing)
        {
            fill.push((name.to_owned(), thing));
        }
    };
    if account.is_none() && token.take().is_some() {
        replace(TOKEN, Thing::Token);
    }
    if key == Some(None) && secret.take().is_some() {
        replace(SECRET, Thing::Secret);
    }
    let application = usable(APPLICATION, Thing::Application, fill);
    let number = usable(NUMBER, Thing::Number, fill);
    let port = file
        .first_of(&["PORT"])
        .and_then(|(_, port)| port.parse::<u16>().ok())
        .unwrap_or(3000);
    reading.wanted = Wanted {
        account_sid: account,
        auth_token: token,
        api_key_sid: key,
        api_key_secret: secret,
        application_sid: application,
        number,
        voice_url: None,
        usual_voice_url: format!("http://localhost:{port}/voice"),
    };
    reading
}

/// Whether a value can be what its name says; what stands in examples (`ACXXXX`, `+1XXXYYYZZZZ`,
/// `your_auth_token`) cannot.
fn is_good(thing: Thing, value: &str) -> bool {
    match thing {
        Thing::Account => value.parse::<AccountSid>().is_ok(),
        Thing::Key => value.parse::<KeySid>().is_ok(),
        Thing::Application => value.parse::<ApplicationSid>().is_ok(),
        Thing::Number => value.parse::<PhoneNumber>().is_ok(),
        Thing::Token | Thing::Secret => {
            let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let first = value.bytes().next();
            let varied = value.bytes().any(|byte| Some(byte) != first);
            value.len() >= 16 && plain && varied
        }
    }
}

fn looks_like_production(path: &Path, file: &DotEnv) -> bool {
    let named = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains("prod"));
    let said = file
        .first_of(&["NODE_ENV", "RAILS_ENV", "APP_ENV", "ENVIRONMENT"])
        .is_some_and(|(_, value)| value.starts_with("prod"));
    named || said
}

impl Adopted {
    fn value(&self, thing: Thing) -> Option<&str> {
        match thing {
            Thing::Account => Some(&self.account_sid),
            Thing::Token => Some(&self.auth_token),
            Thing::Key => self.api_key_sid.as_deref(),
            Thing::Secret => self.api_key_secret.as_deref(),
            Thing::Application => self.application_sid.as_deref(),
            Thing::Number => self.number.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_file_with_real_values_is_only_read() {
        let text = format!(
            "PORT=4000\nTWILIO_ACCOUNT_SID=AC{ONE}\nTWILIO_API_KEY=SK{ONE}\nTWILIO_API_SECRET={ONE}\nTWILIO_TWIML_APP_SID=AP{ONE}\nTWILIO_CALLER_ID=+15005550111\n"
        );
        let reading = read(&DotEnv::parse(&text));
        assert!(reading.fill.is_empty(), "{reading:?}");
        let wanted = reading.wanted;
        assert_eq!(wanted.account_sid, Some(format!("AC{ONE}")));
        assert_eq!(wanted.auth_token, None);
        assert_eq!(wanted.api_key_sid, Some(Some(format!("SK{ONE}"))));
        assert_eq!(wanted.number, Some(Some("+15005550111".to_owned())));
        assert_eq!(wanted.usual_voice_url, "http://localhost:4000/voice");
    }

    #[test]
    fn placeholders_are_filled_in_and_what_is_not_named_is_not_wanted() {
        let text = format!(
            "TWILIO_ACCOUNT_SID=ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\nTWILIO_AUTH_TOKEN={ONE}\nTWILIO_API_KEY=\nTWILIO_API_SECRET=XXXXXXXXXXXXXXXXX\nTWILIO_CALLER_ID=+1XXXYYYZZZZ\n"
        );
        let reading = read(&DotEnv::parse(&text));
        let things: Vec<_> = reading.fill.iter().map(|(_, thing)| *thing).collect();
        // The token goes with the account that it is not of.
        assert_eq!(
            things,
            [
                Thing::Account,
                Thing::Key,
                Thing::Secret,
                Thing::Token,
                Thing::Number
            ]
        );
        assert_eq!(reading.wanted.account_sid, None);
        assert_eq!(reading.wanted.auth_token, None);
        assert_eq!(reading.wanted.api_key_sid, Some(None));
        assert_eq!(reading.wanted.application_sid, None);
        assert_eq!(reading.wanted.number, Some(None));
        // The server is told the difference.
        let sent = serde_json::to_value(&reading.wanted).unwrap();
        assert!(sent.get("application_sid").is_none() && sent["number"].is_null());
        let heard: Wanted = serde_json::from_value(sent).unwrap();
        assert_eq!((heard.application_sid, heard.number), (None, Some(None)));
    }

    #[test]
    fn production_is_recognised_by_its_name_and_by_what_it_says() {
        let file = DotEnv::parse("NODE_ENV=production\n");
        assert!(looks_like_production(Path::new(".env"), &file));
        let plain = DotEnv::parse("");
        assert!(looks_like_production(Path::new("a/.env.prod"), &plain));
        assert!(!looks_like_production(Path::new("prod/.env"), &plain));
    }
}
