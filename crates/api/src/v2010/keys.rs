//! `…/Keys` and `…/SigningKeys`: two views of the same keys (contract 3.8).

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use model::account::{ApiKey, KeyClass};
use model::error_code::ErrorCode;
use model::pii::Pii;
use model::sid::{AccountSid, KeySid};
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::browsers::Revoked;
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// One of the two views.
#[derive(Debug, Clone, Copy)]
pub struct View {
    path: &'static str,
    listing: Listing,
}

/// `…/Keys`.
pub const KEYS: View = View {
    path: "/Keys",
    listing: Listing {
        key: "keys",
        elements: "Keys",
        element: "Key",
    },
};

/// `…/SigningKeys`.
pub const SIGNING_KEYS: View = View {
    path: "/SigningKeys",
    listing: Listing {
        key: "signing_keys",
        elements: "SigningKeys",
        element: "SigningKey",
    },
};

/// Longest name.
const MAX_NAME: usize = 64;

/// The two routes of a view.
pub(crate) fn routes(router: Router, base: &str, view: View) -> Router {
    type Item = Path<(AccountSid, KeySid)>;
    let path = format!("{base}{}", view.path);
    router
        .route(
            &path,
            get(move |ask: Ask| list(ask, view)).post(move |ask: Ask| create(ask, view)),
        )
        .route(
            &format!("{path}/{{sid}}"),
            get(move |ask: Ask, Path((_, sid)): Item| fetch(ask, sid, view))
                .post(move |ask: Ask, Path((_, sid)): Item| update(ask, sid, view))
                .delete(move |ask: Ask, Path((_, sid)): Item| delete(ask, sid)),
        )
}

/// The secret is in this answer and in no other.
async fn create(ask: Ask, view: View) -> Reply {
    ask.main_only()?;
    let key = ApiKey {
        sid: KeySid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        friendly_name: name(&ask)?.unwrap_or_default(),
        class: KeyClass::Standard,
        secret: Pii(ask.app.secret()),
        created: ask.now,
        updated: ask.now,
    };
    ask.app.store.keys().insert(key.clone()).await?;
    let mut value = wire(&key);
    value["secret"] = json!(*key.secret);
    Ok(Answer::made(view.listing.element, value))
}

async fn list(ask: Ask, view: View) -> Reply {
    ask.main_only()?;
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .keys()
        .list(ask.account_sid(), &request)
        .await?;
    page::list(&ask, view.listing, found, wire)
}

async fn fetch(ask: Ask, sid: KeySid, view: View) -> Reply {
    ask.main_only()?;
    let found = ask.app.store.keys().find(ask.account_sid(), sid).await?;
    let key = found.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found(view.listing.element, wire(&key)))
}

async fn update(ask: Ask, sid: KeySid, view: View) -> Reply {
    ask.main_only()?;
    let (name, now) = (name(&ask)?, ask.now);
    let changed = ask
        .app
        .store
        .keys()
        .update(ask.account_sid(), sid, move |key| {
            if let Some(name) = name {
                key.friendly_name = name;
            }
            key.updated = now;
        })
        .await?;
    let key = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found(view.listing.element, wire(&key)))
}

async fn delete(ask: Ask, sid: KeySid) -> Reply {
    ask.main_only()?;
    if ask.app.store.keys().remove(ask.account_sid(), sid).await? {
        ask.app.browsers.revoke(Revoked::Key(sid)).await;
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

fn name(ask: &Ask) -> Result<Option<String>, Refusal> {
    match ask.form.text("FriendlyName") {
        Some(name) if name.chars().count() > MAX_NAME => {
            Err(ErrorCode::INVALID_FRIENDLY_NAME.into())
        }
        name => Ok(name.map(str::to_owned)),
    }
}

fn wire(key: &ApiKey) -> Value {
    json!({
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": rfc2822(key.created),
        "date_updated": rfc2822(key.updated),
    })
}
