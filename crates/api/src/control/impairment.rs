//! `/_switchboard/v1/calls/{sid}/impairment`: a bad network on purpose, in development mode.

use axum::extract::Path;
use axum::http::StatusCode;
use model::error_code::ErrorCode;
use model::sid::CallSid;
use serde_json::json;

use crate::ask::{Ask, Reply};
use crate::browsers::Impairment;
use crate::error::Refusal;
use crate::render::Answer;
use crate::router::not_found;
use crate::v2010::calls::existing;

/// Longest delay, in milliseconds. ICE gives a path up after about ten seconds.
const MOST_DELAY: u64 = 5_000;
/// Most jitter, in milliseconds.
const MOST_JITTER: u64 = 1_000;

/// `POST /_switchboard/v1/calls/{sid}/impairment`: replaces what was set before; `{}` heals.
pub async fn set(ask: Ask, Path(sid): Path<CallSid>) -> Reply {
    if !ask.app.settings.development {
        return Err(not_found(&ask.path));
    }
    existing(&ask, sid).await?;
    let impairment: Impairment = ask.json()?;
    if !(0.0..=100.0).contains(&impairment.loss)
        || impairment.delay_ms > MOST_DELAY
        || impairment.jitter_ms > MOST_JITTER
    {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            format!(
                "loss is a percentage, delay_ms at most {MOST_DELAY}, jitter_ms at most {MOST_JITTER}"
            ),
        ));
    }
    let impaired = ask.app.browsers.impair(sid, impairment).await;
    impaired.map_err(|fault| Refusal::new(ErrorCode::CALL_NOT_IN_PROGRESS, fault.to_string()))?;
    Ok(Answer::Json(StatusCode::OK, json!({ "call_sid": sid })))
}
