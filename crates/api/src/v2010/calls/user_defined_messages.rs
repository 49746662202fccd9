//! `…/Calls/{sid}/UserDefinedMessages`: a message to the page of a call (contract 3.10).

use axum::extract::Path;
use model::error_code::ErrorCode;
use model::sid::{AccountSid, CallSid, UserDefinedMessageSid};
use serde_json::json;

use super::existing;
use crate::ask::{Ask, Reply};
use crate::browsers::{NotReached, UserDefinedMessage};
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::render::Answer;

/// Longest content, in bytes.
const MAX_CONTENT: usize = 10_000;
/// Longest idempotency key.
const MAX_KEY: usize = 256;

/// `POST …/Calls/{sid}/UserDefinedMessages`.
pub async fn create(ask: Ask, Path((_, call)): Path<(AccountSid, CallSid)>) -> Reply {
    existing(&ask, call).await?;
    let text = ask
        .form
        .text("Content")
        .ok_or_else(|| Refusal::new(ErrorCode::INVALID_PARAMETER, "Content is required"))?;
    if text.len() > MAX_CONTENT {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            format!("Content must not exceed {MAX_CONTENT} bytes"),
        ));
    }
    let content = serde_json::from_str(text).map_err(|error| {
        Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            format!("Content must be JSON: {error}"),
        )
    })?;
    let message = UserDefinedMessage {
        sid: UserDefinedMessageSid::from_bytes(ask.app.draw()),
        call,
        content,
        idempotency_key: idempotency_key(&ask)?,
        created: ask.now,
    };
    let sent = ask.app.browsers.send(message).await.map_err(refusal)?;
    Ok(Answer::made(
        "UserDefinedMessage",
        json!({
            "account_sid": ask.account_sid(),
            "call_sid": call,
            "sid": sent.sid,
            "date_created": rfc2822(sent.created),
        }),
    ))
}

/// By which a repetition is known, if the customer gave one.
pub(super) fn idempotency_key(ask: &Ask) -> Result<Option<String>, Refusal> {
    match ask.form.text("IdempotencyKey") {
        Some(key) if key.len() > MAX_KEY => Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            format!("IdempotencyKey must not exceed {MAX_KEY} bytes"),
        )),
        key => Ok(key.map(str::to_owned)),
    }
}

/// What the customer is told.
pub(super) fn refusal(fault: NotReached) -> Refusal {
    let code = match fault {
        NotReached::NotLive | NotReached::NoPage => ErrorCode::CALL_NOT_IN_PROGRESS,
        NotReached::Full => ErrorCode::TOO_MANY_REQUESTS,
    };
    Refusal::new(code, fault.to_string())
}
