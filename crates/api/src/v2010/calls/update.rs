//! `POST …/Calls/{sid}`: end a call, or give it something else to do.

use axum::extract::Path;
use model::error_code::ErrorCode;
use model::sid::{AccountSid, CallSid};

use super::create::{event, time_limit};
use crate::ask::{Ask, Reply};
use crate::error::Refusal;
use crate::live::{Change, Modify, NotModified, Redirect};
use crate::render::Answer;

/// Longest `Twiml` (32018).
const MAX_TWIML: usize = 4000;

/// `POST …/Calls/{sid}`: 200 and the record after the change; 21220 when the call is not where the
/// change needs it.
pub async fn update(ask: Ask, Path((_, sid)): Path<(AccountSid, CallSid)>) -> Reply {
    let call = super::existing(&ask, sid).await?;
    let Some(change) = change(&ask)? else {
        return Ok(Answer::found("Call", super::wire(&ask, &call)));
    };
    if call.status.is_final() {
        return Err(super::not_in_progress(sid));
    }
    // Whoever answers it must know what the digits are for.
    if matches!(change, Modify::Change(_))
        && ask.app.store.caller_ids().validation(sid).await?.is_some()
    {
        return Err(Refusal::new(
            ErrorCode::CALL_NOT_IN_PROGRESS,
            "This call verifies a caller id: it can be ended, and nothing else",
        ));
    }
    let call = match ask.app.live.modify(sid, change).await {
        Ok(call) => call,
        Err(NotModified::NotInProgress | NotModified::Unknown) => {
            return Err(super::not_in_progress(sid));
        }
    };
    // Kept for the reader of the call's events; the change happened whether or not this succeeds.
    let entry = event(&ask, sid, &ask.uri(format_args!("/Calls/{sid}")), 200);
    let events = store::Change {
        events: vec![entry],
        ..store::Change::default()
    };
    if let Err(error) = ask.app.store.calls().save(events).await {
        tracing::warn!(%error, call = %sid, "an event could not be stored");
    }
    Ok(Answer::found("Call", super::wire(&ask, &call)))
}

/// What is wanted; nothing if no parameter that we know is there. `Status` comes first.
fn change(ask: &Ask) -> Result<Option<Modify>, Refusal> {
    let form = &ask.form;
    match form.text("Status") {
        Some("canceled") => return Ok(Some(Modify::Cancel)),
        Some("completed") => return Ok(Some(Modify::Complete)),
        Some(_) => {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "Status must be canceled or completed",
            ));
        }
        None => {}
    }
    let method = form.method("Method", ErrorCode::INVALID_METHOD)?;
    let url = form.url("Url", ErrorCode::INVALID_URL)?.flatten();
    let twiml = form.text("Twiml");
    let redirect = match (url, twiml) {
        (Some(_), Some(_)) => {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "Url and Twiml exclude each other",
            ));
        }
        (Some(url), None) => Some(Redirect::Url(url, method.unwrap_or_default())),
        (None, Some(twiml)) if twiml.chars().count() > MAX_TWIML => {
            return Err(ErrorCode::TWIML_TOO_LONG.into());
        }
        (None, Some(twiml)) => Some(Redirect::Twiml(twiml.to_owned())),
        (None, None) => None,
    };
    let change = Change {
        redirect,
        fallback_url: form.url("FallbackUrl", ErrorCode::INVALID_URL)?,
        fallback_method: form.method("FallbackMethod", ErrorCode::INVALID_METHOD)?,
        status_callback: form.url("StatusCallback", ErrorCode::INVALID_URL)?,
        status_callback_method: form.method("StatusCallbackMethod", ErrorCode::INVALID_METHOD)?,
        time_limit: time_limit(ask)?,
    };
    Ok((change != Change::default()).then(|| Modify::Change(Box::new(change))))
}
