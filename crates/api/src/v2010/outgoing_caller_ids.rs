//! `…/OutgoingCallerIds`: numbers that an account proved to be its own (contract 3.7).

use axum::extract::Path;
use axum::http::StatusCode;
use model::error_code::ErrorCode;
use model::method::Method;
use model::owed::Owed;
use model::phone_number::{OutgoingCallerId, PhoneNumber};
use model::sid::{AccountSid, CallSid, PhoneNumberSid};
use serde_json::{Value, json};
use store::{CallerIdFilter, IdempotencyToken};

use super::calls::create::warning;
use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::form::{party, shorten};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list.
const CALLER_IDS: Listing = Listing {
    key: "outgoing_caller_ids",
    elements: "OutgoingCallerIds",
    element: "OutgoingCallerId",
};

/// Longest name.
const MAX_NAME: usize = 64;

/// `POST …/OutgoingCallerIds`: a validation request. Where the operator allows it the number counts
/// as verified at once, and an alert says so; otherwise it cannot be verified yet.
pub async fn create(ask: Ask) -> Reply {
    let form = &ask.form;
    let text = form.text("PhoneNumber").unwrap_or_default();
    let number = PhoneNumber::lenient(&party(text)).map_err(|_| {
        Refusal::new(
            ErrorCode::INVALID_PHONE_NUMBER,
            format!("PhoneNumber {} is not valid", shorten(text)),
        )
    })?;
    form.integer("CallDelay", 0..=60, ErrorCode::INVALID_CALL_DELAY)?;
    let callback = form
        .url("StatusCallback", ErrorCode::INVALID_STATUS_CALLBACK)?
        .flatten();
    let method = form.method("StatusCallbackMethod", ErrorCode::NUMBER_METHOD)?;
    let friendly_name = name(&ask)?.unwrap_or_else(|| number.formatted());
    if !ask.app.settings.validate_caller_ids_at_once {
        return Err(Refusal::new(
            ErrorCode::UNAVAILABLE,
            "Numbers cannot be verified by a call yet; the operator may allow it without one",
        ));
    }
    let bytes = ask.app.draw();
    let code = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % 1_000_000;
    let record = OutgoingCallerId {
        sid: PhoneNumberSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        phone_number: number.clone(),
        friendly_name: friendly_name.clone(),
        created: ask.now,
        updated: ask.now,
    };
    let (sid, call) = (record.sid, CallSid::from_bytes(ask.app.draw()));
    coded(
        ask.app.store.caller_ids().insert(record).await,
        ErrorCode::ALREADY_VALIDATED,
        ErrorCode::CONFLICT,
        ErrorCode::NUMBER_NOT_AVAILABLE,
    )?;
    let alert = warning(
        &ask,
        None,
        ErrorCode::TO_NOT_VERIFIED,
        format!("{number} counts as verified without a call, as the operator allows"),
    );
    let owed = callback.map(|url| {
        let report = verified(&ask, call, sid, &number, url, method.unwrap_or_default());
        (report, IdempotencyToken::from_bytes(ask.app.draw()))
    });
    let change = store::Change {
        alerts: vec![alert],
        owed: owed.into_iter().collect(),
        ..store::Change::default()
    };
    if let Err(error) = ask.app.store.calls().save(change).await {
        tracing::warn!(%error, "the report of a verified number could not be stored");
    }
    Ok(Answer::Record {
        status: StatusCode::OK,
        element: "ValidationRequest",
        value: json!({
            "account_sid": ask.account_sid(),
            "call_sid": call,
            "friendly_name": friendly_name,
            "phone_number": number,
            "validation_code": format!("{code:06}"),
        }),
    })
}

/// What the `StatusCallback` of a validation request is told (contract 3.7).
fn verified(
    ask: &Ask,
    call: CallSid,
    sid: PhoneNumberSid,
    number: &PhoneNumber,
    url: String,
    method: Method,
) -> Owed {
    let parameters = [
        ("AccountSid", ask.account_sid().to_string()),
        ("CallSid", call.to_string()),
        ("Called", number.to_string()),
        ("To", number.to_string()),
        ("VerificationStatus", "success".to_owned()),
        ("OutgoingCallerIdSid", sid.to_string()),
    ];
    Owed {
        account: ask.account_sid(),
        call,
        stream: call,
        url,
        method,
        parameters: parameters
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        created: ask.now,
    }
}

/// `GET …/OutgoingCallerIds`, by `PhoneNumber` and `FriendlyName`.
pub async fn list(ask: Ask) -> Reply {
    let phone_number = match ask.query.text("PhoneNumber") {
        None => None,
        Some(text) => {
            Some(PhoneNumber::lenient(&party(text)).map_err(|_| ErrorCode::INVALID_PHONE_NUMBER)?)
        }
    };
    let filter = CallerIdFilter {
        phone_number,
        friendly_name: ask.query.text("FriendlyName").map(str::to_owned),
    };
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .caller_ids()
        .list(ask.account_sid(), &filter, &request)
        .await?;
    page::list(&ask, CALLER_IDS, found, |id| wire(&ask, id))
}

/// `GET …/OutgoingCallerIds/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): Path<(AccountSid, PhoneNumberSid)>) -> Reply {
    let found = ask
        .app
        .store
        .caller_ids()
        .find(ask.account_sid(), sid)
        .await?;
    let id = found.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("OutgoingCallerId", wire(&ask, &id)))
}

/// `POST …/OutgoingCallerIds/{sid}`.
pub async fn update(ask: Ask, Path((_, sid)): Path<(AccountSid, PhoneNumberSid)>) -> Reply {
    let (name, now) = (name(&ask)?, ask.now);
    let changed = ask
        .app
        .store
        .caller_ids()
        .update(ask.account_sid(), sid, move |id| {
            if let Some(name) = name {
                id.friendly_name = name;
            }
            id.updated = now;
        })
        .await?;
    let id = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("OutgoingCallerId", wire(&ask, &id)))
}

/// `DELETE …/OutgoingCallerIds/{sid}`.
pub async fn delete(ask: Ask, Path((_, sid)): Path<(AccountSid, PhoneNumberSid)>) -> Reply {
    if ask
        .app
        .store
        .caller_ids()
        .remove(ask.account_sid(), sid)
        .await?
    {
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

fn wire(ask: &Ask, id: &OutgoingCallerId) -> Value {
    json!({
        "sid": id.sid,
        "account_sid": id.account,
        "friendly_name": id.friendly_name,
        "phone_number": id.phone_number,
        "date_created": rfc2822(id.created),
        "date_updated": rfc2822(id.updated),
        "uri": ask.uri(format_args!("/OutgoingCallerIds/{}", id.sid)),
    })
}
