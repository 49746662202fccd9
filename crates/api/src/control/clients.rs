//! `/_switchboard/v1/clients`: who can be called by name now, and at which devices.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::browsers::Client;
use crate::date::iso8601;
use crate::render::Answer;

/// `GET /_switchboard/v1/clients`.
pub async fn list(ask: Ask) -> Reply {
    let devices = ask.app.browsers.clients(ask.account_sid()).await;
    let mut clients: Vec<Value> = Vec::new();
    // They come by name.
    for of_one in devices.chunk_by(|one, other| one.identity == other.identity) {
        clients.push(json!({
            "identity": of_one[0].identity,
            "devices": of_one.iter().map(wire).collect::<Vec<_>>(),
        }));
    }
    Ok(Answer::Json(StatusCode::OK, json!({ "clients": clients })))
}

fn wire(device: &Client) -> Value {
    json!({
        "sdk": device.sdk,
        "user_agent": device.user_agent,
        "since": iso8601(device.since),
        "calls": device.calls,
    })
}
