//! The running server as commands reach it: over its public API, like anybody else.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{DataFolder, Failure};

/// Which server, and who asks.
#[derive(clap::Args)]
pub struct Server {
    /// Where the API is, like http://127.0.0.1:8460; without it, the running `switchboard dev`
    #[arg(
        long,
        value_name = "URL",
        env = "SWITCHBOARD_API",
        requires = "account",
        requires = "token"
    )]
    api: Option<String>,
    /// The account's SID
    #[arg(long, value_name = "SID", env = "SWITCHBOARD_ACCOUNT")]
    account: Option<String>,
    /// The account's token; better in the environment, where other users do not see it
    #[arg(
        long,
        value_name = "TOKEN",
        env = "SWITCHBOARD_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    #[command(flatten)]
    data: DataFolder,
}

/// What `switchboard dev` writes into its data folder; other facts are not needed here.
#[derive(Deserialize, Default)]
pub struct Found {
    /// Base URL of the API.
    pub api: String,
    /// The same over TLS.
    #[serde(default)]
    pub api_tls: Option<String>,
    /// SHA-256 of the public key of TLS, base64.
    #[serde(default)]
    pub tls_key_sha256: String,
    /// The seeded account.
    pub account_sid: String,
    /// Its token.
    pub auth_token: String,
    /// An API key of it.
    #[serde(default)]
    pub api_key_sid: String,
    /// The secret of the key.
    #[serde(default)]
    pub api_key_secret: String,
    /// Its TwiML application.
    #[serde(default)]
    pub application_sid: String,
    /// Purpose to number.
    #[serde(default)]
    pub numbers: std::collections::BTreeMap<String, String>,
    /// The virtual telephones.
    #[serde(default)]
    pub phones: Vec<String>,
}

/// A server, ready to be asked.
pub struct Client {
    http: reqwest::Client,
    api: String,
    /// Whose resources are meant.
    pub account: String,
    token: String,
    /// A number of the account to call from, where one is known.
    pub own_number: Option<String>,
    /// The virtual phones, where they are known.
    pub phones: Vec<String>,
}

impl Server {
    /// Where this computer keeps what belongs to its own server.
    pub fn folder(&self) -> &Path {
        &self.data.data
    }

    /// Finds the server.
    pub fn client(self) -> Result<Client, Failure> {
        let found = match (self.api, self.account, self.token) {
            (Some(api), Some(account_sid), Some(auth_token)) => Found {
                api,
                account_sid,
                auth_token,
                ..Found::default()
            },
            // An account or a token of one's own is taken; the rest comes from the facts.
            (_, account, token) => {
                let found = facts(&self.data.data)?;
                Found {
                    account_sid: account.unwrap_or(found.account_sid),
                    auth_token: token.unwrap_or(found.auth_token),
                    ..found
                }
            }
        };
        Client::new(found)
    }
}

impl Client {
    /// The server that runs with this data folder, if it is one of the development mode.
    pub fn of_folder(data: &Path) -> Result<Self, Failure> {
        Self::new(facts(data)?)
    }

    fn new(found: Found) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30));
        let http = http
            .build()
            .map_err(|error| Failure::new(Failure::FAILED, format!("no HTTP client: {error}")))?;
        let mut numbers = found.numbers;
        let own_number = numbers
            .remove("demo")
            .or_else(|| numbers.into_values().next());
        let api = found.api.trim_end_matches('/').to_owned();
        Ok(Client {
            http,
            api,
            account: found.account_sid,
            token: found.auth_token,
            own_number,
            phones: found.phones,
        })
    }
}

/// What the running `switchboard dev` of a data folder says of itself.
pub fn facts(data: &Path) -> Result<Found, Failure> {
    let path = data.join("facts.json");
    let cure = "start `switchboard dev`, name its folder with --data, or name a server with --api, --account and --token";
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            Failure::UNREACHABLE,
            format!(
                "no running server found: {}: {error}; {cure}",
                path.display()
            ),
        )
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(
            Failure::UNREACHABLE,
            format!("{} cannot be understood: {error}; {cure}", path.display()),
        )
    })
}

impl Client {
    /// The path of a resource of the account.
    pub fn of_account(&self, below: &str) -> String {
        format!("/2010-04-01/Accounts/{}{below}", self.account)
    }

    /// Asks for a resource.
    pub async fn fetch(&self, path: &str) -> Result<Value, Failure> {
        json(self.send(self.request(Method::GET, path)).await?)
    }

    /// Sends a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value, Failure> {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        json(self.send(request).await?)
    }

    /// Sends JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body.to_string());
        json(self.send(request).await?)
    }

    /// Removes a resource; one that is gone already does not matter.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        let (status, body) = self.send(self.request(Method::DELETE, path)).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            status => Err(refused(status, &body)),
        }
    }

    /// What a virtual phone heard in its last call; nothing if it heard nothing yet or is no phone.
    pub async fn heard(&self, number: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = format!("/_switchboard/v1/phones/{number}/heard.wav");
        let (status, body) = self.send(self.request(Method::GET, &path)).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(body)),
            status => Err(refused(status, &body)),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.api))
            .basic_auth(&self.account, Some(&self.token))
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Failure> {
        let unreachable = |error: reqwest::Error| {
            let mut text = format!("{} does not answer: {error}", self.api);
            let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            Failure::new(
                Failure::UNREACHABLE,
                format!("{text}; is it running? `switchboard dev` starts one"),
            )
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        Ok((status, body.to_vec()))
    }
}

fn json((status, body): (StatusCode, Vec<u8>)) -> Result<Value, Failure> {
    if !status.is_success() {
        return Err(refused(status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| {
        Failure::new(
            Failure::FAILED,
            format!("the answer is not JSON ({error}); is this a Switchboard server?"),
        )
    })
}

/// The server's own words, which name the cure.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = answer["message"]
        .as_str()
        .unwrap_or("the server gave no reason");
    let code = answer["code"]
        .as_u64()
        .map(|code| format!(" {code}"))
        .unwrap_or_default();
    let more = match status {
        StatusCode::UNAUTHORIZED => "; check --account and --token".to_owned(),
        _ => answer["more_info"]
            .as_str()
            .map(|more| format!(" ({more})"))
            .unwrap_or_default(),
    };
    Failure::new(
        Failure::FAILED,
        format!(
            "refused with{code} (HTTP {}): {said}{more}",
            status.as_u16()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_running_server_the_cure_is_named() {
        let failure = facts(Path::new("/nonexistent"))
            .map(drop)
            .expect_err("nothing there");
        assert_eq!(failure.code, 4);
        assert!(
            failure.text.contains("/nonexistent/facts.json")
                && failure.text.contains("switchboard dev"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let body = br#"{"code":21201,"message":"No 'To' number is specified","more_info":"https://x/21201","status":400}"#;
        let failure = refused(StatusCode::BAD_REQUEST, body);
        assert_eq!(
            (failure.code, failure.text.as_str()),
            (
                1,
                "refused with 21201 (HTTP 400): No 'To' number is specified (https://x/21201)"
            )
        );
        assert!(
            refused(StatusCode::UNAUTHORIZED, b"<html>")
                .text
                .contains("check --account and --token")
        );
    }
}
