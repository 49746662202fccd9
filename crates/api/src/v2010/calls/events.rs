//! `…/Calls/{sid}/Events`: every HTTP exchange about a call, in the order of time.

use axum::extract::Path;
use model::event::Event;
use model::sid::{AccountSid, CallSid};
use serde_json::{Map, Value, json};

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::page;
use crate::render::Listing;

/// Names of the list.
const EVENTS: Listing = Listing {
    key: "events",
    elements: "Events",
    element: "Event",
};

/// `GET …/Calls/{sid}/Events`.
pub async fn list(ask: Ask, Path((_, sid)): Path<(AccountSid, CallSid)>) -> Reply {
    super::existing(&ask, sid).await?;
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .events()
        .list(ask.account_sid(), sid, &request)
        .await?;
    page::list(&ask, EVENTS, found, wire)
}

fn wire(event: &Event) -> Value {
    let parameters: Map<String, Value> = event
        .parameters
        .iter()
        .map(|(name, value)| (snake(name), Value::from(value.as_str())))
        .collect();
    json!({
        "request": {
            "method": event.method,
            "url": event.url,
            "parameters": parameters,
        },
        "response": {
            "response_code": event.response_code,
            "request_duration": event.duration_ms,
            "content_type": event.content_type,
            "response_body": event.response_body,
            "date_created": rfc2822(event.created),
        },
    })
}

/// `CallSid` as it is shown here: `call_sid`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_small {
            out.push('_');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        out.push(c.to_ascii_lowercase());
    }
    out
}
