//! `switchboard account`: the first account of a server, which nobody could make over the API.

use std::path::PathBuf;
use std::time::Duration;

use model::account::{Account as Record, AccountStatus, ApiKey, KeyClass};
use model::pii::Pii;
use model::sid::{AccountSid, KeySid};
use store::{Location, Store};

use super::settings::{SettingFlags, resolve};
use super::{Failure, Outcome, say};
use crate::clock;
use crate::config::Mode;

/// Make an account in the data folder of a server that is not running, and print its token.
///
/// The token is shown once; it can be changed over the API. Further accounts are made over the API
/// with the credentials of this one.
#[derive(clap::Args)]
#[command(
    after_help = "Example: switchboard account --config /etc/switchboard.toml --name Example"
)]
pub struct Account {
    /// What people call the account
    #[arg(long, value_name = "NAME", default_value = "First account")]
    name: String,
    /// Also make an API key of this class, and print its secret: a main key may do all that the
    /// token may, a standard key nothing to accounts and keys
    #[arg(long, value_name = "CLASS")]
    key: Option<Class>,
    /// The configuration file, which names the data folder
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// The classes of keys that can be asked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Class {
    Main,
    Standard,
}

impl Account {
    /// Makes the account.
    pub async fn run(self) -> Outcome {
        let config = resolve(Mode::Production, self.settings, self.config.as_deref())?.config;
        let database = config.data.join("switchboard.db");
        let failed = |error: store::Error| {
            Failure::new(
                Failure::FAILED,
                format!(
                    "{}: {error}; end the server if it runs",
                    config.data.display()
                ),
            )
        };
        let (store, writer) = Store::open(Location::File(database))
            .await
            .map_err(failed)?;
        let writer = tokio::spawn(writer.run());
        let (sid, token): (AccountSid, String) = (
            AccountSid::from_bytes(rand::random()),
            format!("{:032x}", rand::random::<u128>()),
        );
        let now = clock::now().wall;
        let record = Record {
            sid,
            owner: sid,
            friendly_name: self.name,
            status: AccountStatus::Active,
            auth_token: Pii(token.clone()),
            secondary_auth_token: None,
            created: now,
            updated: now,
        };
        let key = self.key.map(|class| ApiKey {
            sid: KeySid::from_bytes(rand::random()),
            account: sid,
            friendly_name: "First key".to_owned(),
            class: match class {
                Class::Main => KeyClass::Main,
                Class::Standard => KeyClass::Standard,
            },
            secret: Pii(format!("{:032x}", rand::random::<u128>())),
            created: now,
            updated: now,
        });
        let mut inserted = store.accounts().insert(record).await;
        if let (Ok(()), Some(key)) = (&inserted, &key) {
            inserted = store.keys().insert(key.clone()).await;
        }
        // The writer ends with the last handle.
        drop(store);
        let _ = tokio::time::timeout(Duration::from_secs(2), writer).await;
        inserted.map_err(failed)?;
        if self.json {
            let mut shown = serde_json::json!({ "account_sid": sid, "auth_token": token });
            if let Some(key) = key {
                shown["api_key_sid"] = serde_json::json!(key.sid);
                shown["api_key_secret"] = serde_json::json!(key.secret.into_inner());
            }
            say(&shown.to_string());
        } else {
            say(&format!("Account SID  {sid}\nAuth Token   {token}"));
            if let Some(key) = key {
                let secret = key.secret.into_inner();
                say(&format!("API Key SID  {}\nSecret       {secret}", key.sid));
            }
        }
        Ok(())
    }
}
