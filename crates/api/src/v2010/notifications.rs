//! `…/Notifications` and `…/Calls/{sid}/Notifications`: what went wrong, newest first. The same
//! data as the Alerts of `monitor/v1`.

use axum::extract::Path;
use model::alert::{Alert, Level};
use model::error_code::ErrorCode;
use model::sid::{AccountSid, CallSid, NotificationSid};
use serde_json::{Value, json};
use store::AlertFilter;

use super::calls;
use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list.
const NOTIFICATIONS: Listing = Listing {
    key: "notifications",
    elements: "Notifications",
    element: "Notification",
};

/// `GET …/Notifications`, by `Log` and `MessageDate`.
pub async fn list(ask: Ask) -> Reply {
    listed(ask, None).await
}

/// `GET …/Calls/{sid}/Notifications`, by `Log` and `MessageDate`.
pub async fn list_of_call(ask: Ask, Path((_, call)): Path<(AccountSid, CallSid)>) -> Reply {
    calls::existing(&ask, call).await?;
    listed(ask, Some(call)).await
}

/// `GET …/Notifications/{sid}`, with what was sent and answered.
pub async fn fetch(ask: Ask, Path((_, sid)): Path<(AccountSid, NotificationSid)>) -> Reply {
    fetched(&ask, sid, None).await
}

/// `GET …/Calls/{call}/Notifications/{sid}`.
pub async fn fetch_of_call(
    ask: Ask,
    Path((_, call, sid)): Path<(AccountSid, CallSid, NotificationSid)>,
) -> Reply {
    fetched(&ask, sid, Some(call)).await
}

async fn listed(ask: Ask, call: Option<CallSid>) -> Reply {
    let level = match ask.query.text("Log") {
        None => None,
        Some("0") => Some(Level::Error),
        Some("1") => Some(Level::Warning),
        Some(_) => {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "Log must be 0 (errors) or 1 (warnings)",
            ));
        }
    };
    let filter = AlertFilter {
        call,
        level,
        created: ask.query.range("MessageDate")?,
    };
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .alerts()
        .list(ask.account_sid(), &filter, &request)
        .await?;
    page::list(&ask, NOTIFICATIONS, found, |alert| wire(&ask, alert))
}

async fn fetched(ask: &Ask, sid: NotificationSid, call: Option<CallSid>) -> Reply {
    let found = ask.app.store.alerts().find(ask.account_sid(), sid).await?;
    let alert = found
        .filter(|alert| call.is_none() || alert.call == call)
        .ok_or_else(|| not_found(&ask.path))?;
    let mut value = wire(ask, &alert);
    value["request_variables"] = json!(alert.request_variables);
    value["response_headers"] = json!(alert.response_headers);
    value["response_body"] = json!(alert.response_body);
    Ok(Answer::found("Notification", value))
}

fn wire(ask: &Ask, alert: &Alert) -> Value {
    let uri = match alert.call {
        Some(call) => ask.uri(format_args!("/Calls/{call}/Notifications/{}", alert.sid)),
        None => ask.uri(format_args!("/Notifications/{}", alert.sid)),
    };
    json!({
        "sid": alert.sid,
        "account_sid": alert.account,
        "call_sid": alert.call,
        "api_version": "2010-04-01",
        "log": alert.level.log(),
        "error_code": alert.code.code.to_string(),
        "more_info": alert.code.more_info(),
        "message_text": alert.text,
        "message_date": rfc2822(alert.created),
        "request_url": alert.request_url,
        "request_method": alert.request_method,
        "date_created": rfc2822(alert.created),
        "date_updated": rfc2822(alert.created),
        "uri": uri,
    })
}
