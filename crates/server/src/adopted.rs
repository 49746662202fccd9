//! `POST /_switchboard/v1/adopt`, in the development mode only: makes an account, a key, an
//! application and a number with identifiers and secrets that a program already has, so that its
//! tokens and signatures are verified for real and nothing of it need be changed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::account::{Account, AccountStatus, ApiKey, KeyClass};
use model::application::Application;
use model::now::Wall;
use model::phone_number::{IncomingPhoneNumber, PhoneNumber};
use model::pii::Pii;
use model::sid::{AccountSid, ApplicationSid, KeySid, PhoneNumberSid};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::{clock, seed};

/// The first number that is given to those who have none.
const FIRST_NUMBER: u64 = 15_005_550_130;
/// How many there are of these.
const NUMBERS: u64 = 70;

/// What a program has, and what it lacks: a member that is missing is not wanted, `null` is wanted
/// and not there yet.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The account; the seeded one if there is none.
    #[serde(default)]
    pub account_sid: Option<String>,
    /// Its token.
    #[serde(default)]
    pub auth_token: Option<String>,
    /// The key.
    #[serde(default, with = "maybe", skip_serializing_if = "Option::is_none")]
    pub api_key_sid: Option<Option<String>>,
    /// Its secret.
    #[serde(default)]
    pub api_key_secret: Option<String>,
    /// The application.
    #[serde(default, with = "maybe", skip_serializing_if = "Option::is_none")]
    pub application_sid: Option<Option<String>>,
    /// The number.
    #[serde(default, with = "maybe", skip_serializing_if = "Option::is_none")]
    pub number: Option<Option<String>>,
    /// Where the application is to ask; one that is there keeps its own if this is missing.
    #[serde(default)]
    pub voice_url: Option<String>,
    /// Where a new application asks when nothing else is said.
    pub usual_voice_url: String,
}

impl Wanted {
    fn voice_url(&self) -> &str {
        self.voice_url.as_deref().unwrap_or(&self.usual_voice_url)
    }
}

/// Tells a member that is missing from one that is null.
mod maybe {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        value: &Option<Option<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.clone().flatten().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<String>>, D::Error> {
        Option::<String>::deserialize(deserializer).map(Some)
    }
}

/// What there is now.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Adopted {
    /// The account.
    pub account_sid: String,
    /// Its token.
    pub auth_token: String,
    /// The key, if one was wanted.
    pub api_key_sid: Option<String>,
    /// Its secret.
    pub api_key_secret: Option<String>,
    /// The application, if one was wanted.
    pub application_sid: Option<String>,
    /// Where it asks.
    pub voice_url: Option<String>,
    /// The number, if one was wanted.
    pub number: Option<String>,
    /// What was not there before, as paths of the REST API.
    pub made: Vec<String>,
}

/// Why it was not done; the text names the cure.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "message": self.1, "status": self.0.as_u16() });
        (self.0, Json(body)).into_response()
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

fn unusable(what: &str) -> Refused {
    Refused(
        StatusCode::BAD_REQUEST,
        format!("{what}; correct it in the file"),
    )
}

/// The route; only for the development mode.
pub fn router(store: Store) -> Router {
    Router::new()
        .route("/_switchboard/v1/adopt", post(adopt))
        .with_state(Arc::new(store))
}

async fn adopt(
    State(store): State<Arc<Store>>,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Adopted>, Refused> {
    let seeded = store
        .accounts()
        .find(seed::account_sid())
        .await?
        .ok_or_else(|| Refused(StatusCode::NOT_FOUND, "nothing is seeded".to_owned()))?;
    let secret = format!("{}:{}", seeded.sid, seeded.auth_token.0);
    let expected = format!("Basic {}", STANDARD.encode(secret));
    let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    if given != Some(expected.as_bytes()) {
        let cure = "the seeded account and its token are needed";
        return Err(Refused(StatusCode::UNAUTHORIZED, cure.to_owned()));
    }
    Ok(Json(take(&store, clock::now().wall, wanted).await?))
}

async fn take(store: &Store, now: Wall, wanted: Wanted) -> Result<Adopted, Refused> {
    let mut made = Vec::new();
    let account = account(store, now, &wanted, &mut made).await?;
    let sid = account.sid;
    let below = |path: String| format!("/2010-04-01/Accounts/{sid}{path}.json");
    let mut adopted = Adopted {
        account_sid: sid.to_string(),
        auth_token: account.auth_token.0,
        ..Adopted::default()
    };
    if let Some(key) = &wanted.api_key_sid {
        let (key, new) = self::key(store, now, sid, key.as_deref(), &wanted).await?;
        if new {
            made.push(below(format!("/Keys/{}", key.sid)));
        }
        adopted.api_key_sid = Some(key.sid.to_string());
        adopted.api_key_secret = Some(key.secret.0);
    }
    let mut application = None;
    if let Some(wish) = &wanted.application_sid {
        let (found, new) = self::application(store, now, sid, wish.as_deref(), &wanted).await?;
        if new {
            made.push(below(format!("/Applications/{}", found.sid)));
        }
        application = Some(found.sid);
        adopted.application_sid = Some(found.sid.to_string());
        adopted.voice_url = found.voice_url;
    }
    if let Some(wish) = &wanted.number {
        let (number, new) =
            self::number(store, now, sid, wish.as_deref(), application, &wanted).await?;
        if new {
            made.push(below(format!("/IncomingPhoneNumbers/{}", number.sid)));
        }
        adopted.number = Some(number.phone_number.to_string());
    }
    adopted.made = made;
    Ok(adopted)
}

/// The account: below the seeded one, whose way to the virtual telephones it uses.
async fn account(
    store: &Store,
    now: Wall,
    wanted: &Wanted,
    made: &mut Vec<String>,
) -> Result<Account, Refused> {
    let sid = match &wanted.account_sid {
        None => seed::account_sid(),
        Some(text) => text
            .parse::<AccountSid>()
            .map_err(|_| unusable("the account SID is none"))?,
    };
    let token = wanted.auth_token.clone();
    if let Some(account) = store.accounts().find(sid).await? {
        let same = token
            .as_ref()
            .is_none_or(|token| *token == account.auth_token.0);
        if same && account.status == AccountStatus::Active {
            return Ok(account);
        }
        if sid == seed::account_sid() {
            // Every program on this computer knows it.
            return Err(unusable("the seeded account has another token"));
        }
        let accounts = store.accounts();
        let changed = accounts.update(sid, move |account| {
            account.status = AccountStatus::Active;
            account.updated = now;
            if let Some(token) = token {
                account.auth_token = Pii(token);
            }
        });
        return changed
            .await?
            .ok_or_else(|| unusable("the account is gone again"));
    }
    let account = Account {
        sid,
        owner: seed::account_sid(),
        friendly_name: "Adopted".to_owned(),
        status: AccountStatus::Active,
        auth_token: Pii(token.unwrap_or_else(|| seed::TOKEN.to_owned())),
        secondary_auth_token: None,
        created: now,
        updated: now,
    };
    store.accounts().insert(account.clone()).await?;
    made.push(format!("/2010-04-01/Accounts/{sid}.json"));
    Ok(account)
}

async fn key(
    store: &Store,
    now: Wall,
    account: AccountSid,
    wish: Option<&str>,
    wanted: &Wanted,
) -> Result<(ApiKey, bool), Refused> {
    let secret = wanted.api_key_secret.clone();
    let sid = match wish {
        Some(text) => text
            .parse::<KeySid>()
            .map_err(|_| unusable("the SID of the API key is none"))?,
        None if account == seed::account_sid() => seed::key_sid(),
        None => KeySid::from_bytes(rand::random()),
    };
    if let Some(key) = store.keys().find_anywhere(sid).await? {
        if key.account != account {
            return Err(unusable("the API key is another account's"));
        }
        if secret.as_ref().is_none_or(|secret| *secret == key.secret.0) {
            return Ok((key, false));
        }
        if sid == seed::key_sid() {
            return Err(unusable("the seeded API key has another secret"));
        }
        store.keys().remove(account, sid).await?;
    }
    let key = ApiKey {
        sid,
        account,
        friendly_name: "Adopted".to_owned(),
        class: KeyClass::Main,
        secret: Pii(secret.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()))),
        created: now,
        updated: now,
    };
    store.keys().insert(key.clone()).await?;
    Ok((key, true))
}

async fn application(
    store: &Store,
    now: Wall,
    account: AccountSid,
    wish: Option<&str>,
    wanted: &Wanted,
) -> Result<(Application, bool), Refused> {
    let sid = match wish {
        Some(text) => text
            .parse::<ApplicationSid>()
            .map_err(|_| unusable("the SID of the TwiML application is none"))?,
        None if account == seed::account_sid() => seed::application_sid(),
        None => ApplicationSid::from_bytes(rand::random()),
    };
    let url = wanted.voice_url.clone();
    let applications = store.applications();
    let changed = applications.update(account, sid, move |application| {
        if url.is_some() {
            application.voice_url = url;
            application.updated = now;
        }
    });
    if let Some(there) = changed.await? {
        return Ok((there, false));
    }
    let mut application = Application::new(sid, account, now);
    application.friendly_name = Some("Adopted".to_owned());
    application.voice_url = Some(wanted.voice_url().to_owned());
    match store.applications().insert(application.clone()).await {
        Err(store::Error::Taken) => Err(unusable("the TwiML application is another account's")),
        inserted => inserted
            .map(|()| (application, true))
            .map_err(Refused::from),
    }
}

async fn number(
    store: &Store,
    now: Wall,
    account: AccountSid,
    wish: Option<&str>,
    application: Option<ApplicationSid>,
    wanted: &Wanted,
) -> Result<(IncomingPhoneNumber, bool), Refused> {
    let number = match wish {
        Some(text) => text
            .parse::<PhoneNumber>()
            .map_err(|_| unusable("the number is not in E.164 (+ and digits)"))?,
        None if account == seed::account_sid() => {
            seed::YOURS.parse().expect("the seeded number is one")
        }
        None => free(store).await?,
    };
    if let Some(there) = store.phone_numbers().find_by_number(&number).await? {
        if there.account != account {
            return Err(unusable("the number is another account's"));
        }
        let numbers = store.phone_numbers();
        let changed = numbers.update(account, there.sid, move |number| {
            if application.is_some() {
                number.voice_application = application;
            }
        });
        return Ok((changed.await?.unwrap_or(there), false));
    }
    let sid = PhoneNumberSid::from_bytes(rand::random());
    let mut owned = IncomingPhoneNumber::new(sid, account, number, now);
    owned.capabilities.voice = true;
    owned.voice_application = application;
    if application.is_none() {
        owned.voice_url = Some(wanted.voice_url().to_owned());
    }
    store.phone_numbers().insert(owned.clone()).await?;
    Ok((owned, true))
}

/// A number that nobody has.
async fn free(store: &Store) -> Result<PhoneNumber, Refused> {
    for digits in FIRST_NUMBER..FIRST_NUMBER + NUMBERS {
        let Ok(number) = format!("+{digits}").parse::<PhoneNumber>() else {
            continue;
        };
        if store
            .phone_numbers()
            .find_by_number(&number)
            .await?
            .is_none()
        {
            return Ok(number);
        }
    }
    let cure = "all numbers are given away; release some over the API, or name one in the file";
    Err(Refused(StatusCode::CONFLICT, cure.to_owned()))
}
