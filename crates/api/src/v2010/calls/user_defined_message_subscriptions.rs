//! `…/Calls/{sid}/UserDefinedMessageSubscriptions`: who is told what the page of a call says
//! (contract 3.10). A subscription lives as long as its call.

use axum::extract::Path;
use model::error_code::ErrorCode;
use model::method::Method;
use model::sid::{AccountSid, CallSid, UserDefinedMessageSubscriptionSid};
use serde_json::json;

use super::existing;
use super::user_defined_messages::{idempotency_key, refusal};
use crate::ask::{Ask, Reply};
use crate::browsers::Subscription;
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::render::Answer;
use crate::router::not_found;

/// `POST …/Calls/{sid}/UserDefinedMessageSubscriptions`.
pub async fn create(ask: Ask, Path((_, call)): Path<(AccountSid, CallSid)>) -> Reply {
    existing(&ask, call).await?;
    let url = ask.form.url("Callback", ErrorCode::INVALID_PARAMETER)?;
    let url = url
        .flatten()
        .ok_or_else(|| Refusal::new(ErrorCode::INVALID_PARAMETER, "Callback is required"))?;
    let method = ask.form.method("Method", ErrorCode::INVALID_PARAMETER)?;
    let subscription = Subscription {
        sid: UserDefinedMessageSubscriptionSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        call,
        url,
        method: method.unwrap_or(Method::Post),
        idempotency_key: idempotency_key(&ask)?,
        created: ask.now,
    };
    let made = ask.app.browsers.subscribe(subscription).await;
    let made = made.map_err(refusal)?;
    Ok(Answer::made(
        "UserDefinedMessageSubscription",
        json!({
            "account_sid": ask.account_sid(),
            "call_sid": call,
            "sid": made.sid,
            "date_created": rfc2822(made.created),
            "uri": ask.uri(format_args!(
                "/Calls/{call}/UserDefinedMessageSubscriptions/{}",
                made.sid
            )),
        }),
    ))
}

/// `DELETE …/Calls/{sid}/UserDefinedMessageSubscriptions/{sid}`.
pub async fn delete(
    ask: Ask,
    Path((_, call, sid)): Path<(AccountSid, CallSid, UserDefinedMessageSubscriptionSid)>,
) -> Reply {
    existing(&ask, call).await?;
    if ask.app.browsers.unsubscribe(call, sid).await {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}
