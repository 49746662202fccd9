//! `switchboard call`: one call, from the request to what the other end heard.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Server};
use super::{Failure, Outcome, say};

/// How often the call is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long what a phone heard may take to be written after the call.
const HEARD: Duration = Duration::from_secs(3);

/// Make a call and watch it.
///
/// Ends with 0 if the call was completed and with 3 if it was busy, not answered, cancelled or
/// failed. An interruption hangs up.
#[derive(clap::Args)]
#[command(after_help = "\
Example: switchboard call --to +15005550120 --speak \"Hello\" --wav heard.wav
Example: switchboard call --to sip:alice@localhost --twiml menu.xml --json")]
pub struct Call {
    /// Whom to call: a number, or sip:user@host
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The number that is shown to the other end; without it, one of the account's
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    #[command(flatten)]
    program: Program,
    /// Where to save what the called virtual phone heard; without it, heard-SID.wav in the data
    /// folder
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,
    /// Print one JSON object at the end instead of progress
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// What the called one hears.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Program {
    /// Speak this text, then hang up
    #[arg(long, value_name = "TEXT")]
    speak: Option<String>,
    /// Do what the TwiML in this file says; `-` reads the standard input
    #[arg(long, value_name = "FILE")]
    twiml: Option<PathBuf>,
    /// Ask this URL for TwiML
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Program {
    /// The field of the request, and its value.
    fn field(self) -> Result<(&'static str, String), Failure> {
        if let Some(text) = self.speak {
            return Ok((
                "Twiml",
                format!("<Response><Say>{}</Say></Response>", escaped(&text)),
            ));
        }
        if let Some(path) = self.twiml {
            let read = if path.as_os_str() == "-" {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map(|_| text)
            } else {
                std::fs::read_to_string(&path)
            };
            let wrong = |error| {
                Failure::new(
                    Failure::USAGE,
                    format!("{}: {error}; name a file with TwiML", path.display()),
                )
            };
            return Ok(("Twiml", read.map_err(wrong)?));
        }
        Ok(("Url", self.url.unwrap_or_default()))
    }
}

/// Text as it may stand between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl Call {
    /// Calls, watches, saves.
    pub async fn run(self) -> Outcome {
        let folder = self.server.folder().to_owned();
        let client = self.server.client()?;
        let program = self.program.field()?;
        let from = self.from.or_else(|| client.own_number.clone());
        let from = from.ok_or_else(|| {
            Failure::new(
                Failure::USAGE,
                "say with --from which number of the account calls",
            )
        })?;
        // What the phone heard in its last call must not be taken for what it hears in this one.
        let virtual_phone = client.phones.contains(&self.to);
        let before = if self.wav.is_some() || virtual_phone {
            client.heard(&self.to).await?
        } else {
            None
        };

        let begun = Instant::now();
        let fields = [
            ("To", self.to.as_str()),
            ("From", from.as_str()),
            (program.0, program.1.as_str()),
        ];
        let made = client
            .post_form(&client.of_account("/Calls.json"), &fields)
            .await?;
        let sid = made["sid"]
            .as_str()
            .ok_or_else(|| Failure::new(Failure::FAILED, "the server's answer names no call"))?
            .to_owned();
        if !self.json {
            say(&format!("{sid}  {from} -> {}", self.to));
        }
        let mut statuses = Vec::new();
        let watched = watch(&client, &sid, made, |status| {
            let elapsed = begun.elapsed();
            statuses.push(json!({ "status": status, "at_ms": elapsed.as_millis() as u64 }));
            if !self.json {
                say(&format!("{:8.2} s  {status}", elapsed.as_secs_f64()));
            }
        });
        let call = tokio::select! {
            call = watched => call?,
            _ = tokio::signal::ctrl_c() => {
                client.post_form(&client.of_account(&format!("/Calls/{sid}.json")), &[("Status", "completed")]).await?;
                return Err(Failure::new(Failure::INTERRUPTED, "interrupted; the call is hung up"));
            }
        };

        let status = call["status"].as_str().unwrap_or_default().to_owned();
        let completed = status == "completed";
        let mut saved = None;
        if completed && (self.wav.is_some() || virtual_phone) {
            let asked = self.wav.is_some();
            let path = (self.wav).unwrap_or_else(|| folder.join(format!("heard-{sid}.wav")));
            match heard_anew(&client, &self.to, before).await {
                Ok(heard) => {
                    super::save(&path, &heard)?;
                    if !self.json {
                        say(&format!("what {} heard is in {}", self.to, path.display()));
                    }
                    saved = Some(path);
                }
                // A call without sound leaves nothing, and nobody asked for it.
                Err(_) if !asked => {}
                Err(failure) => return Err(failure),
            }
        }
        if self.json {
            say(&json!({ "call": call, "statuses": statuses, "wav": saved }).to_string());
        }
        match completed {
            true => Ok(()),
            false => {
                let cure = format!("`switchboard logs --call {sid}` shows every exchange");
                Err(Failure::new(
                    Failure::NOT_ANSWERED,
                    format!("the call ended as {status}; {cure}"),
                ))
            }
        }
    }
}

/// Looks at the call until it is over, and tells each change.
async fn watch(
    client: &Client,
    sid: &str,
    mut call: Value,
    mut tell: impl FnMut(&str),
) -> Result<Value, Failure> {
    let path = client.of_account(&format!("/Calls/{sid}.json"));
    let mut last = String::new();
    loop {
        let status = call["status"].as_str().unwrap_or_default();
        if status != last {
            tell(status);
            last = status.to_owned();
        }
        if ["completed", "busy", "no-answer", "failed", "canceled"].contains(&status) {
            return Ok(call);
        }
        tokio::time::sleep(LOOK).await;
        call = client.fetch(&path).await?;
    }
}

/// What the phone heard in this call. It is written shortly after the call's end.
async fn heard_anew(
    client: &Client,
    number: &str,
    before: Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let begun = Instant::now();
    loop {
        let heard = client.heard(number).await?;
        let late = begun.elapsed() > HEARD;
        match heard {
            // Two calls may sound the same to the last sample.
            Some(heard) if late || before.as_ref() != Some(&heard) => return Ok(heard),
            None if late => {
                let phones = match (client.phones.first(), client.phones.last()) {
                    (Some(first), Some(last)) => {
                        format!("; the virtual phones are {first} to {last}")
                    }
                    _ => String::new(),
                };
                return Err(Failure::new(
                    Failure::FAILED,
                    format!("--wav: {number} is no virtual phone, or heard nothing{phones}"),
                ));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spoken_text_stays_text() {
        let program = Program {
            speak: Some("a < b & c".to_owned()),
            twiml: None,
            url: None,
        };
        let (name, value) = program.field().unwrap();
        assert_eq!(
            (name, value.as_str()),
            ("Twiml", "<Response><Say>a &lt; b &amp; c</Say></Response>")
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage() {
        let program = Program {
            speak: None,
            twiml: Some("/nonexistent/menu.xml".into()),
            url: None,
        };
        assert_eq!(program.field().map(drop).expect_err("no such file").code, 2);
    }
}
