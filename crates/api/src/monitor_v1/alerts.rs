//! `/v1/Alerts`: what went wrong, newest first.

use axum::extract::Path;
use axum::http::StatusCode;
use model::alert::{Alert, Level};
use model::error_code::ErrorCode;
use model::sid::NotificationSid;
use serde_json::{Value, json};
use store::{AlertFilter, Range};

use crate::ask::{Ask, Reply};
use crate::date::{iso8601, span};
use crate::error::Refusal;
use crate::page;
use crate::render::Answer;
use crate::router::not_found;

/// `GET /v1/Alerts`, by `LogLevel`, `StartDate`, `EndDate`.
pub async fn list(ask: Ask) -> Reply {
    let level = match ask.query.text("LogLevel") {
        None => None,
        Some(text) => Some(text.parse::<Level>().map_err(|()| {
            Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "LogLevel must be error or warning",
            )
        })?),
    };
    let date = |name: &str| match ask.query.text(name) {
        None => Ok(None),
        Some(text) => span(text).map(Some).ok_or_else(|| {
            Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                format!("{name} is not a date"),
            )
        }),
    };
    let created = Range {
        from: date("StartDate")?.map(|(start, _)| start),
        until: date("EndDate")?.map(|(_, end)| model::now::Wall(end.0 - 1)),
    };
    let filter = AlertFilter {
        call: None,
        level,
        created,
    };
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .alerts()
        .list(ask.account_sid(), &filter, &request)
        .await?;
    page::list_with_meta(&ask, "alerts", found, |alert| wire(&ask, alert))
}

/// `GET /v1/Alerts/{sid}`, with what was sent and answered.
pub async fn fetch(ask: Ask, Path(sid): Path<NotificationSid>) -> Reply {
    let found = ask.app.store.alerts().find(ask.account_sid(), sid).await?;
    let alert = found.ok_or_else(|| not_found(&ask.path))?;
    let mut value = wire(&ask, &alert);
    value["request_variables"] = json!(alert.request_variables);
    value["response_headers"] = json!(alert.response_headers);
    value["response_body"] = json!(alert.response_body);
    Ok(Answer::Json(StatusCode::OK, value))
}

/// `DELETE /v1/Alerts/{sid}`.
pub async fn delete(ask: Ask, Path(sid): Path<NotificationSid>) -> Reply {
    if ask
        .app
        .store
        .alerts()
        .remove(ask.account_sid(), sid)
        .await?
    {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

fn wire(ask: &Ask, alert: &Alert) -> Value {
    json!({
        "sid": alert.sid,
        "account_sid": alert.account,
        "resource_sid": alert.call,
        "service_sid": null,
        "error_code": alert.code.code.to_string(),
        "log_level": alert.level,
        "alert_text": alert.text,
        "more_info": alert.code.more_info(),
        "api_version": "2010-04-01",
        "request_method": alert.request_method,
        "request_url": alert.request_url,
        "date_created": iso8601(alert.created),
        "date_generated": iso8601(alert.created),
        "date_updated": iso8601(alert.created),
        "url": format!("{}/v1/Alerts/{}", ask.origin, alert.sid),
    })
}
