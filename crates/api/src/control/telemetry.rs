//! `/_switchboard/v1/calls/{sid}/telemetry`: what was measured in a call.

use axum::extract::Path;
use axum::http::StatusCode;
use model::sid::CallSid;
use model::telemetry::TelemetryKind;
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::render::Answer;
use crate::v2010::calls::existing;

/// `GET /_switchboard/v1/calls/{sid}/telemetry`: `events` of the page, `metrics` of the page (one
/// sample a second), and `media`, our own measurements of each browser leg, once it is over.
pub async fn fetch(ask: Ask, Path(sid): Path<CallSid>) -> Reply {
    let call = existing(&ask, sid).await?;
    let kept = ask.app.store.telemetry().of_call(call.account, sid).await?;
    let (mut events, mut metrics, mut media) = (Vec::new(), Vec::new(), Vec::new());
    for entry in kept {
        match (entry.kind, entry.content) {
            (TelemetryKind::Event, content) => events.push(content),
            (TelemetryKind::Metrics, Value::Array(samples)) => metrics.extend(samples),
            (TelemetryKind::Metrics, _) => {}
            (TelemetryKind::Media, content) => media.push(content),
        }
    }
    let shown = json!({
        "call_sid": sid,
        "account_sid": call.account,
        "events": events,
        "metrics": metrics,
        "media": media,
    });
    Ok(Answer::Json(StatusCode::OK, shown))
}
