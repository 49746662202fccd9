//! What the SDKs tell of their calls: `/v4/EndpointEvents` and `/v4/EndpointMetrics`, authenticated
//! by the token of the page (`voice-client.md` 6.1). Kept for Insights.
//!
//! From 2.1 on an SDK goes where `connected` sends it, which may be `/insights?h=…/v4/EndpointEvents`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE,
};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use browser::quality::Sample;
use model::now::Now;
use model::sid::{AccountSid, CallSid};
use model::telemetry::{Telemetry, TelemetryKind};
use model::token::Token;
use serde_json::{Map, Value, json};
use store::Store;

use super::pass;
use crate::clock;
use crate::drivers::webrtc::About;
use crate::rim::Rim;

/// Longest body, in bytes: a batch of ten samples is about 8 kB.
const LARGEST: usize = 32 * 1024;
/// Longest `temp_call_sid`: `TJS` and a UUID.
const TEMP: usize = 64;
/// Most samples of one batch; the SDKs send ten.
const BATCH: usize = 60;
/// The two endpoints; one handler reads both, by what the payload is.
const PATHS: [&str; 2] = ["/v4/EndpointEvents", "/v4/EndpointMetrics"];

/// How long the first events of a call are kept that has no CallSid yet.
const EARLY: Duration = Duration::from_secs(120);
/// Most such calls at once; beyond, the oldest is forgotten.
const CALLS: usize = 1_000;
/// Most events of each: the SDKs send about ten before they know the CallSid.
const EVENTS: usize = 32;

/// What is told before a page knows its call's name (`temp_call_sid` alone, `voice-client.md` 6.2):
/// put under the call when the first event comes that has both.
#[derive(Default)]
struct Early {
    events: HashMap<(AccountSid, String), Vec<Value>>,
    /// In the order of their beginning.
    since: VecDeque<(Instant, (AccountSid, String))>,
}

impl Early {
    fn keep(&mut self, now: Instant, account: AccountSid, temp: &str, content: Value) {
        let full = self.since.len() >= CALLS;
        while let Some((since, _)) = self.since.front()
            && (full && self.since.len() >= CALLS || now.saturating_duration_since(*since) > EARLY)
        {
            if let Some((_, call)) = self.since.pop_front() {
                self.events.remove(&call);
            }
        }
        let call = (account, temp.to_owned());
        let events = self.events.entry(call.clone()).or_default();
        if events.is_empty() {
            self.since.push_back((now, call));
        }
        if events.len() < EVENTS {
            events.push(content);
        }
    }

    fn take(&mut self, account: AccountSid, temp: &str) -> Vec<Value> {
        let call = (account, temp.to_owned());
        let events = self.events.remove(&call).unwrap_or_default();
        if !events.is_empty() {
            self.since.retain(|(_, known)| *known != call);
        }
        events
    }
}

/// What the endpoints share.
#[derive(Clone)]
struct Ears {
    rim: Rim,
    early: Arc<Mutex<Early>>,
}

/// The endpoints, for pages of any origin.
pub fn router(rim: Rim) -> Router {
    let ears = Ears {
        rim,
        early: Arc::default(),
    };
    let mut router = Router::new().route("/insights", post(led).options(preflight));
    for path in PATHS {
        router = router.route(path, post(receive).options(preflight));
    }
    router
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn(share))
        .with_state(ears)
}

/// Lets pages of any origin send, and read the answer.
async fn share(request: Request<axum::body::Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type, x-twilio-token"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The name of the endpoint stands at the end of the query.
async fn led(
    State(ears): State<Ears>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    if !PATHS.iter().any(|path| query.ends_with(path)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    receive(State(ears), headers, body).await
}

async fn receive(State(ears): State<Ears>, headers: HeaderMap, body: Bytes) -> Response {
    let rim = &ears.rim;
    let token = headers.get("x-twilio-token").and_then(|t| t.to_str().ok());
    let token = match pass::verify(rim, token.unwrap_or_default()).await {
        Ok(token) => token,
        Err(fault) => {
            let body = json!({ "code": fault.code, "message": fault.message });
            return (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response();
        }
    };
    let Ok(Value::Object(envelope)) = serde_json::from_slice(&body) else {
        let body = json!({ "message": "The body must be a JSON object" });
        return (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
    };
    let account = match &token {
        Token::Access(token) => token.account,
        Token::Capability(token) => token.account,
    };
    let now = clock::now();
    let entries = {
        // Held for as long as a few entries are moved.
        let mut early = ears.early.lock().unwrap_or_else(PoisonError::into_inner);
        read(account, envelope, now, &mut early)
    };
    match rim.store.telemetry().append(entries).await {
        Ok(_) => axum::Json(json!({})).into_response(),
        Err(error) => {
            tracing::error!(%error, "telemetry was not written down");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// The entries in an envelope (`voice-client.md` 6.2), and those of its call that came too early; what
/// names no call is left out.
fn read(
    account: AccountSid,
    mut envelope: Map<String, Value>,
    now: Now,
    early: &mut Early,
) -> Vec<Telemetry> {
    let entry = |call, kind, content| Telemetry {
        account,
        call,
        kind,
        content,
        created: now.wall,
    };
    match envelope.remove("payload") {
        Some(Value::Object(payload)) => {
            let call = call_of(&payload);
            let temp = payload.get("temp_call_sid").and_then(Value::as_str);
            let temp = temp.filter(|temp| temp.starts_with("TJS") && temp.len() <= TEMP);
            let temp = temp.map(str::to_owned);
            let mut content = Map::new();
            for name in ["timestamp", "group", "name", "level"] {
                content.insert(name.to_owned(), envelope.remove(name).unwrap_or_default());
            }
            content.insert("payload".to_owned(), Value::Object(payload));
            let content = Value::Object(content);
            let Some(call) = call else {
                if content["level"] == "ERROR" {
                    let (group, name) = (content["group"].as_str(), content["name"].as_str());
                    tracing::info!(%account, group, name, "a page's call fails before it begins");
                }
                if let Some(temp) = temp {
                    early.keep(now.instant, account, &temp, content);
                }
                return Vec::new();
            };
            let before = temp.map_or_else(Vec::new, |temp| early.take(account, &temp));
            let all = before.into_iter().chain([content]);
            all.map(|content| entry(call, TelemetryKind::Event, content))
                .collect()
        }
        Some(Value::Array(samples)) => {
            // A page has several calls, but each batch is of one.
            let mut entries: Vec<(CallSid, Vec<Value>)> = Vec::new();
            for sample in samples.into_iter().take(BATCH) {
                let Value::Object(sample) = sample else {
                    continue;
                };
                let Some(call) = call_of(&sample) else {
                    continue;
                };
                match entries.iter_mut().find(|(known, _)| *known == call) {
                    Some((_, samples)) => samples.push(Value::Object(sample)),
                    None => entries.push((call, vec![Value::Object(sample)])),
                }
            }
            entries
                .into_iter()
                .map(|(call, samples)| entry(call, TelemetryKind::Metrics, Value::Array(samples)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Keeps what was measured of a leg that is over.
pub async fn keep(store: Store, about: About, samples: Vec<Sample>) {
    if samples.is_empty() {
        return;
    }
    let tenth = |value: f32| (f64::from(value) * 10.0).round() / 10.0;
    let shown = |sample: &Sample| {
        json!({
            "packets_received": sample.received,
            "packets_lost": sample.lost,
            "packets_sent": sample.sent,
            "jitter": tenth(sample.jitter_ms),
            "rtt": sample.rtt_ms.map(tenth),
            "remote_packets_lost_fraction": sample.lost_there.map(tenth),
            "mos": (f64::from(sample.mos) * 100.0).round() / 100.0,
        })
    };
    let samples: Vec<Value> = samples.iter().map(shown).collect();
    let entry = Telemetry {
        account: about.account,
        call: about.call,
        kind: TelemetryKind::Media,
        content: json!({ "interval": 1, "samples": samples }),
        created: clock::now().wall,
    };
    if let Err(error) = store.telemetry().append(vec![entry]).await {
        tracing::error!(%error, "the measurements of a call were not written down");
    }
}

fn call_of(payload: &Map<String, Value>) -> Option<CallSid> {
    payload.get("call_sid")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::now::Wall;

    const ACCOUNT: AccountSid = AccountSid::from_bytes([1; 16]);

    fn read_text(text: Value) -> Vec<Telemetry> {
        read_later(text, Duration::ZERO, &mut Early::default())
    }

    fn read_later(text: Value, after: Duration, early: &mut Early) -> Vec<Telemetry> {
        static BEGAN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        let Value::Object(envelope) = text else {
            return Vec::new();
        };
        let now = Now {
            instant: *BEGAN,
            wall: Wall(7),
        };
        read(ACCOUNT, envelope, now.after(after), early)
    }

    #[test]
    fn what_is_told_before_a_call_has_a_name_is_kept_for_it() {
        let call = CallSid::from_bytes([2; 16]);
        let event = |name: &str, payload: Value| json!({"name": name, "payload": payload});
        let temp = |temp: &str| json!({ "temp_call_sid": temp });
        let both = |temp: &str| json!({ "temp_call_sid": temp, "call_sid": call });
        let mut early = Early::default();
        let at = Duration::from_secs;
        for (seconds, name) in [(0, "init"), (1, "succeeded")] {
            let read = read_later(event(name, temp("TJS1")), at(seconds), &mut early);
            assert_eq!(read, []);
        }
        read_later(event("other", temp("TJS2")), at(1), &mut early);
        let read = read_later(event("accepted", both("TJS1")), at(2), &mut early);
        let names: Vec<_> = read
            .iter()
            .map(|entry| entry.content["name"].as_str())
            .collect();
        assert_eq!(names, [Some("init"), Some("succeeded"), Some("accepted")]);
        assert!(read.iter().all(|entry| entry.call == call));
        let again = read_later(event("muted", both("TJS1")), at(3), &mut early);
        assert_eq!(again.len(), 1, "once");
        // Too late, too many, too long.
        read_later(event("new", temp("TJS3")), at(200), &mut early);
        assert_eq!(
            read_later(event("x", both("TJS2")), at(200), &mut early).len(),
            1
        );
        for count in 0..EVENTS + 5 {
            read_later(event(&count.to_string(), temp("TJS3")), at(201), &mut early);
        }
        let read = read_later(event("x", both("TJS3")), at(202), &mut early);
        assert_eq!(read.len(), EVENTS + 1);
        for count in 0..CALLS + 5 {
            read_later(
                event("x", temp(&format!("TJS{count}"))),
                at(203),
                &mut early,
            );
        }
        assert_eq!((early.since.len(), early.events.len()), (CALLS, CALLS));
        read_later(
            event("x", temp(&format!("TJS{}", "9".repeat(TEMP)))),
            at(203),
            &mut early,
        );
        assert_eq!(early.events.len(), CALLS);
        read_later(event("x", temp("TJSnew")), at(400), &mut early);
        assert_eq!((early.since.len(), early.events.len()), (1, 1));
    }

    #[test]
    fn an_event_is_kept_under_its_call() {
        let call = CallSid::from_bytes([2; 16]);
        let envelope = json!({
            "publisher": "twilio-js-sdk", "group": "connection", "name": "muted", "level": "INFO",
            "timestamp": "2026-01-01T00:00:00.000Z", "payload_type": "application/json",
            "payload": { "call_sid": call, "direction": "INCOMING" },
        });
        let entries = read_text(envelope);
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (entries[0].call, entries[0].kind),
            (call, TelemetryKind::Event)
        );
        assert_eq!(entries[0].content["name"], "muted");
        assert_eq!(entries[0].content["payload"]["direction"], "INCOMING");
    }

    #[test]
    fn samples_are_kept_under_their_calls() {
        let calls = [1, 2].map(|byte| CallSid::from_bytes([byte; 16]));
        let sample = |at: usize| json!({ "call_sid": calls[at], "rtt": at });
        let envelope = json!({ "payload": [sample(0), sample(1), sample(0), 5, {}] });
        let entries = read_text(envelope);
        let lengths: Vec<_> = entries
            .iter()
            .map(|entry| (entry.call, entry.content.as_array().map(Vec::len)))
            .collect();
        assert_eq!(lengths, [(calls[0], Some(2)), (calls[1], Some(1))]);
    }

    #[test]
    fn what_names_no_call_is_left_out() {
        for payload in [
            json!({ "temp_call_sid": "TJS1" }),
            json!([]),
            json!(4),
            json!({"call_sid": "CA"}),
        ] {
            assert_eq!(read_text(json!({ "payload": payload })), []);
        }
        assert_eq!(read_text(json!({})), []);
    }
}
