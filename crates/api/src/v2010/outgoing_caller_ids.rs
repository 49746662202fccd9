//! `…/OutgoingCallerIds`: numbers that an account proved to be its own (contract 3.7).

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use model::call::{CallRecord, Direction};
use model::error_code::ErrorCode;
use model::page::PageRequest;
use model::phone_number::{OutgoingCallerId, PhoneNumber};
use model::sid::{AccountSid, CallSid, PhoneNumberSid};
use model::validation::{self, ValidationRequest};
use serde_json::{Value, json};
use store::{CallerIdFilter, Change, IdempotencyToken, PhoneNumberFilter};

use super::calls::create::{accept, event, warning};
use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::form::{party, shorten};
use crate::live::{CallEvents, Instructions, Originate};
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

/// Longest the number may ring, in seconds.
const RINGING: u64 = 60;
/// Longest the call may last: three attempts and what is said.
const LASTING: u64 = 120;

/// `POST …/OutgoingCallerIds`: a validation request. The number is called and asked for the code;
/// where the operator allows it, it counts as verified at once, and an alert says so.
pub async fn create(ask: Ask) -> Reply {
    let form = &ask.form;
    let text = form.text("PhoneNumber").unwrap_or_default();
    let number = PhoneNumber::lenient(&party(text)).map_err(|_| {
        Refusal::new(
            ErrorCode::INVALID_PHONE_NUMBER,
            format!("PhoneNumber {} is not valid", shorten(text)),
        )
    })?;
    let delay = form.integer("CallDelay", 0..=60, ErrorCode::INVALID_CALL_DELAY)?;
    let extension = extension(form.text("Extension"))?;
    let callback = form
        .url("StatusCallback", ErrorCode::INVALID_STATUS_CALLBACK)?
        .flatten();
    let method = form.method("StatusCallbackMethod", ErrorCode::NUMBER_METHOD)?;
    let friendly_name = name(&ask)?.unwrap_or_else(|| number.formatted());
    let bytes = ask.app.draw();
    let code = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % 1_000_000;
    let request = ValidationRequest {
        account: ask.account_sid(),
        call: CallSid::from_bytes(ask.app.draw()),
        phone_number: number,
        friendly_name,
        code: format!("{code:06}"),
        status_callback: callback,
        status_callback_method: method.unwrap_or_default(),
        created: ask.now,
    };
    let shown = json!({
        "account_sid": request.account,
        "call_sid": request.call,
        "friendly_name": request.friendly_name,
        "phone_number": request.phone_number,
        "validation_code": request.code,
    });
    if ask.app.settings.validate_caller_ids_at_once {
        verify(&ask, &request).await?;
    } else {
        let delay = Duration::from_secs(delay.unwrap_or(0));
        call(&ask, request, delay, extension).await?;
    }
    Ok(Answer::Record {
        status: StatusCode::OK,
        element: "ValidationRequest",
        value: shown,
    })
}

/// The number counts as verified, without proof.
async fn verify(ask: &Ask, request: &ValidationRequest) -> Result<(), Refusal> {
    let number = &request.phone_number;
    let record = OutgoingCallerId {
        sid: PhoneNumberSid::from_bytes(ask.app.draw()),
        account: request.account,
        phone_number: number.clone(),
        friendly_name: request.friendly_name.clone(),
        created: ask.now,
        updated: ask.now,
    };
    let sid = record.sid;
    coded(
        ask.app.store.caller_ids().insert(record).await,
        ErrorCode::ALREADY_VALIDATED,
        ErrorCode::CONFLICT,
        ErrorCode::NUMBER_NOT_AVAILABLE,
    )?;
    let alert = warning(
        ask,
        None,
        ErrorCode::TO_NOT_VERIFIED,
        format!("{number} counts as verified without a call, as the operator allows"),
    );
    let owed = request.report(Some(sid), ask.now);
    let token = IdempotencyToken::from_bytes(ask.app.draw());
    let change = Change {
        alerts: vec![alert],
        owed: owed.into_iter().map(|owed| (owed, token)).collect(),
        ..Change::default()
    };
    if let Err(error) = ask.app.store.calls().save(change).await {
        tracing::warn!(%error, "the report of a verified number could not be stored");
    }
    Ok(())
}

/// Begins the call that asks for the code; it shows a number that the account owns.
async fn call(
    ask: &Ask,
    request: ValidationRequest,
    delay: Duration,
    extension: Option<String>,
) -> Result<(), Refusal> {
    let store = &ask.app.store;
    let verified = store
        .caller_ids()
        .find_by_number(request.account, &request.phone_number)
        .await?;
    if verified.is_some() {
        return Err(ErrorCode::ALREADY_VALIDATED.into());
    }
    let own = store
        .phone_numbers()
        .list(
            request.account,
            &PhoneNumberFilter::default(),
            &PageRequest::default(),
        )
        .await?;
    let Some(shown) = own.items.into_iter().next() else {
        return Err(Refusal::new(
            ErrorCode::UNAVAILABLE,
            "The call that asks for the code needs a number to show: buy one first",
        ));
    };
    let record = CallRecord {
        to: request.phone_number.to_string(),
        from: shown.phone_number.to_string(),
        phone_number: Some(shown.sid),
        ..CallRecord::new(
            request.call,
            request.account,
            Direction::OutboundApi,
            ask.now,
        )
    };
    let originate = Originate {
        record,
        instructions: Instructions {
            twiml: None,
            url: Some(validation::URL.to_owned()),
            status_callback: Some(validation::URL.to_owned()),
            status_callback_events: CallEvents {
                completed: true,
                ..CallEvents::default()
            },
            ..Instructions::default()
        },
        timeout: Duration::from_secs(RINGING),
        time_limit: Duration::from_secs(LASTING),
        send_digits: extension,
        caller_id: None,
        sip_auth: None,
        words: Vec::new(),
        delay,
        parameters: Vec::new(),
    };
    let event = event(
        ask,
        request.call,
        &ask.uri(format_args!("/OutgoingCallerIds")),
        200,
    );
    let change = Change {
        events: vec![event],
        validations: vec![request],
        ..Change::default()
    };
    accept(ask, originate, change).await
}

/// `Extension`: digits to send once the number has answered.
fn extension(text: Option<&str>) -> Result<Option<String>, Refusal> {
    match text {
        None => Ok(None),
        Some(text) if text.len() <= 32 && text.bytes().all(|b| b"0123456789*#wW".contains(&b)) => {
            Ok(Some(text.to_owned()))
        }
        Some(_) => Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            "Extension must be up to 32 of 0-9 * # w W",
        )),
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
