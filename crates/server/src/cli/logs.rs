//! `switchboard logs`: what went wrong, from the debugger; or one call's exchanges.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, Server};
use super::{Failure, Outcome, say};

/// How often is looked for news.
const LOOK: Duration = Duration::from_millis(500);

/// Show what went wrong, oldest first; or every HTTP exchange about one call.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard logs --follow\nExample: switchboard logs --call CA0123456789abcdef0123456789abcdef --json"
)]
pub struct Logs {
    /// Go on until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Show the exchanges about this call instead
    #[arg(long, value_name = "SID")]
    call: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Logs {
    /// Prints what there is, and with `--follow` what comes.
    pub async fn run(self) -> Outcome {
        let client = self.server.client()?;
        // What the last look has shown; the list is newest first and a look sees all of a page.
        let mut shown = HashSet::new();
        loop {
            let entries = match &self.call {
                Some(call) => events(&client, call).await?,
                None => alerts(&client).await?,
            };
            for (key, entry) in &entries {
                if !shown.contains(key) {
                    let line = if self.call.is_some() {
                        event_line(entry)
                    } else {
                        alert_line(entry)
                    };
                    say(&if self.json { entry.to_string() } else { line });
                }
            }
            shown = entries.into_iter().map(|(key, _)| key).collect();
            if !self.follow {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                // Whoever follows ends it like this; that is no failure.
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }
}

/// Alerts, oldest first.
async fn alerts(client: &Client) -> Result<Vec<(String, Value)>, Failure> {
    let page = client.fetch("/v1/Alerts?PageSize=1000").await?;
    let alerts = page["alerts"].as_array().cloned().unwrap_or_default();
    Ok(alerts
        .into_iter()
        .rev()
        .map(|alert| (text(&alert["sid"]), alert))
        .collect())
}

/// Events of a call, in the order of time. They have no SID: their place names them.
async fn events(client: &Client, call: &str) -> Result<Vec<(String, Value)>, Failure> {
    let page = client
        .fetch(&client.of_account(&format!("/Calls/{call}/Events.json?PageSize=1000")))
        .await?;
    let events = page["events"].as_array().cloned().unwrap_or_default();
    Ok(events
        .into_iter()
        .enumerate()
        .map(|(at, event)| (at.to_string(), event))
        .collect())
}

fn alert_line(alert: &Value) -> String {
    let [when, level, code, call] =
        ["date_created", "log_level", "error_code", "resource_sid"].map(|key| text(&alert[key]));
    format!(
        "{when}  {level:<7}  {code:<5}  {call}  {}",
        text(&alert["alert_text"])
    )
    .trim_end()
    .to_owned()
}

fn event_line(event: &Value) -> String {
    let (request, response) = (&event["request"], &event["response"]);
    let [when, code, took] =
        ["date_created", "response_code", "request_duration"].map(|key| text(&response[key]));
    format!(
        "{when}  {:<4}  {}  {code}  {took} ms",
        text(&request["method"]),
        text(&request["url"])
    )
}

/// A value as people read it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // A line is a line, whatever a server sent.
        Value::String(text) => text.replace(|c: char| c.is_control(), " "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_is_one_line() {
        let alert = json!({ "date_created": "2026-01-01T00:00:00Z", "log_level": "error", "error_code": "11200", "resource_sid": null, "alert_text": "no\nanswer" });
        assert_eq!(
            alert_line(&alert),
            "2026-01-01T00:00:00Z  error    11200  -  no answer"
        );
    }

    #[test]
    fn an_event_shows_what_was_asked_and_answered() {
        let event = json!({ "request": { "method": "POST", "url": "http://x/voice" }, "response": { "date_created": "now", "response_code": 200, "request_duration": 12 } });
        assert_eq!(event_line(&event), "now  POST  http://x/voice  200  12 ms");
    }
}
