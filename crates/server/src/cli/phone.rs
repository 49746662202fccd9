//! `switchboard phone`: the virtual phones of the development mode.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::client::{Client, Server};
use super::{Failure, Outcome, say};

/// The virtual phones' place in the control plane.
const PHONES: &str = "/_switchboard/v1/phones";

/// Work the virtual phones of the running `switchboard dev`.
#[derive(clap::Args)]
#[command(after_help = "Example: switchboard phone list")]
pub struct Phone {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show all phones, what they do and how they will behave
    #[command(after_help = "Example: switchboard phone list --json")]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Set how a phone behaves from its next call on; without flags, as at first
    #[command(after_help = "\
Example: switchboard phone set +15005550120 --busy
Example: switchboard phone set +15005550120 --answer-after 500 --speak \"Hello\" --press 2000:12#")]
    Set(Box<Set>),
    /// Let a phone dial
    #[command(after_help = "Example: switchboard phone dial +15005550120 --to +15005550101")]
    Dial {
        /// The phone
        number: String,
        /// Whom it dials
        #[arg(long, value_name = "NUMBER")]
        to: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Save what a phone heard in its last call
    #[command(after_help = "Example: switchboard phone heard +15005550120 --wav heard.wav")]
    Heard {
        /// The phone
        number: String,
        /// The WAV file to write
        #[arg(long, value_name = "FILE")]
        wav: PathBuf,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(clap::Args)]
struct Set {
    /// The phone; a new one is made if there is none of this number
    number: String,
    #[command(flatten)]
    knobs: Knobs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(clap::Args)]
struct Knobs {
    /// Milliseconds until it answers
    #[arg(long, value_name = "MS")]
    answer_after: Option<u64>,
    /// It is busy
    #[arg(long, conflicts_with_all = ["reject", "no_answer"])]
    busy: bool,
    /// It declines
    #[arg(long, conflicts_with = "no_answer")]
    reject: bool,
    /// It rings, and nobody answers
    #[arg(long)]
    no_answer: bool,
    /// What it says once it answered
    #[arg(long, value_name = "TEXT")]
    speak: Option<String>,
    /// A sound file that it plays once it answered: WAV, MP3, AIFF, AU
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Keys that it presses, so many milliseconds after its answer; may be repeated
    #[arg(long, value_name = "MS:KEYS", value_parser = press)]
    press: Vec<(u64, String)>,
    /// Milliseconds from its answer until it hangs up
    #[arg(long, value_name = "MS")]
    hang_up_after: Option<u64>,
    /// What the network says of its number when it calls, like TN-Validation-Passed-A
    #[arg(long, value_name = "WORD")]
    verstat: Option<String>,
}

fn press(text: &str) -> Result<(u64, String), String> {
    let cure = "write milliseconds, a colon and keys, like 2000:12#";
    let (at, keys) = text.split_once(':').ok_or(cure)?;
    let known = |key: u8| matches!(key, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#');
    if keys.is_empty() || !keys.bytes().all(known) {
        return Err("the keys of a telephone are 0-9 * # A-D".to_owned());
    }
    Ok((at.parse().map_err(|_| cure)?, keys.to_owned()))
}

impl Knobs {
    fn wire(self) -> Result<Value, Failure> {
        let play = match self.play {
            None => None,
            // The server may have been started in another folder.
            Some(path) => Some(path.canonicalize().map_err(|error| {
                Failure::new(Failure::USAGE, format!("{}: {error}", path.display()))
            })?),
        };
        let digits: Vec<Value> = self
            .press
            .into_iter()
            .map(|(at, keys)| json!({ "at_ms": at, "digits": keys }))
            .collect();
        Ok(json!({
            "answer_after_ms": self.answer_after,
            "busy": self.busy,
            "reject": self.reject,
            "no_answer": self.no_answer,
            "speak": self.speak,
            "play": play,
            "digits": digits,
            "hang_up_after_ms": self.hang_up_after,
            "verstat": self.verstat,
        }))
    }
}

impl Phone {
    /// Does one thing with the phones.
    pub async fn run(self) -> Outcome {
        match self.what {
            What::List { json, server } => {
                let all = server.client()?.fetch(PHONES).await?;
                if json {
                    say(&all.to_string());
                } else {
                    all["phones"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .for_each(|phone| say(&line(phone)));
                }
            }
            What::Set(set) => {
                let client = set.server.client()?;
                let phone = client
                    .post_json(&format!("{PHONES}/{}", set.number), &set.knobs.wire()?)
                    .await?;
                say(&if set.json {
                    phone.to_string()
                } else {
                    line(&phone)
                });
            }
            What::Dial {
                number,
                to,
                json,
                server,
            } => {
                let client = server.client()?;
                known(&client, &number).await?;
                let made = client
                    .post_json(&format!("{PHONES}/{number}/calls"), &json!({ "to": to }))
                    .await?;
                say(&if json {
                    made.to_string()
                } else {
                    format!("{number} dials {to}")
                });
            }
            What::Heard {
                number,
                wav,
                server,
            } => save(&server.client()?, &number, wav).await?,
        }
        Ok(())
    }
}

/// A number that is mistyped is told apart from a call that fails.
async fn known(client: &Client, number: &str) -> Outcome {
    let all = client.fetch(PHONES).await?;
    let mut phones = all["phones"].as_array().into_iter().flatten();
    if phones.any(|phone| phone["number"] == number) {
        return Ok(());
    }
    let cure = "`switchboard phone list` shows them, `phone set` makes a new one";
    Err(Failure::new(
        Failure::FAILED,
        format!("{number} is no virtual phone; {cure}"),
    ))
}

async fn save(client: &Client, number: &str, path: PathBuf) -> Outcome {
    let heard = client.heard(number).await?.ok_or_else(|| {
        let cure = "`switchboard phone list` shows the phones; a phone hears something once a call is answered";
        Failure::new(Failure::FAILED, format!("{number} is no virtual phone, or heard nothing yet; {cure}"))
    })?;
    super::save(&path, &heard)?;
    say(&format!("what {number} heard is in {}", path.display()));
    Ok(())
}

/// Number, state, and those knobs that are turned.
fn line(phone: &Value) -> String {
    let empty = Map::new();
    let knobs = phone["knobs"].as_object().unwrap_or(&empty);
    let unturned = |value: &Value| {
        value.is_null()
            || *value == Value::Bool(false)
            || value.as_array().is_some_and(Vec::is_empty)
    };
    let turned =
        knobs
            .iter()
            .filter(|(_, value)| !unturned(value))
            .map(|(name, value)| match value {
                Value::Bool(_) => name.clone(),
                value => format!("{name}={value}"),
            });
    let turned = turned.collect::<Vec<_>>().join(" ");
    let text = |key: &str| phone[key].as_str().unwrap_or_default().to_owned();
    format!("{:<16}  {:<8}  {turned}", text("number"), text("state"))
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_where_they_are_typed() {
        assert_eq!(press("2000:12#"), Ok((2000, "12#".to_owned())));
        for wrong in ["12", "x:1", "1:", "1:z", "-1:1"] {
            assert!(press(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_knobs_are_those_of_the_control_plane() {
        let knobs = Knobs {
            answer_after: Some(5),
            busy: false,
            reject: false,
            no_answer: true,
            speak: Some("x".to_owned()),
            play: None,
            press: vec![(7, "1".to_owned())],
            hang_up_after: None,
            verstat: Some("No-TN-Validation".to_owned()),
        };
        let read: api::control::phones::Knobs =
            serde_json::from_value(knobs.wire().unwrap()).unwrap();
        assert_eq!(
            (read.answer_after_ms, read.no_answer, read.digits[0].at_ms),
            (Some(5), true, 7)
        );
    }

    #[test]
    fn a_line_shows_only_what_is_turned() {
        let phone = json!({ "number": "+15005550120", "state": "idle", "knobs": { "busy": true, "speak": null, "digits": [], "answer_after_ms": 5 } });
        assert_eq!(
            line(&phone),
            "+15005550120      idle      busy answer_after_ms=5"
        );
    }
}
