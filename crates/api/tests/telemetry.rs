//! What was measured in a call, shown to its owner and to nobody else.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use common::{MAIN, NUMBER, STRANGER, World};
use model::now::Wall;
use model::sid::CallSid;
use model::telemetry::{Telemetry, TelemetryKind};
use serde_json::{Value, json};

#[tokio::test]
async fn the_owner_sees_events_metrics_and_media() {
    let world = World::new().await;
    let form = [
        ("To", "+14155550123"),
        ("From", NUMBER),
        ("Twiml", "<Response/>"),
    ];
    let made = world.post("/Calls.json", &form).await.ok(201);
    let sid = made["sid"].as_str().unwrap();
    let call: CallSid = sid.parse().unwrap();
    let entry = |kind, content: Value| Telemetry {
        account: MAIN,
        call,
        kind,
        content,
        created: Wall(1_600_000_000_000_000),
    };
    let kept = vec![
        entry(TelemetryKind::Event, json!({ "name": "muted" })),
        entry(
            TelemetryKind::Metrics,
            json!([{ "mos": 4.2 }, { "mos": 4.3 }]),
        ),
        entry(TelemetryKind::Metrics, json!([{ "mos": 4.4 }])),
        entry(TelemetryKind::Media, json!({ "samples": [] })),
    ];
    assert_eq!(world.store.telemetry().append(kept).await.unwrap(), 4);
    let path = format!("/_switchboard/v1/calls/{sid}/telemetry");
    let shown = world.get(&path).await.ok(200);
    assert_eq!(shown["events"], json!([{ "name": "muted" }]));
    assert_eq!(shown["metrics"].as_array().unwrap().len(), 3);
    assert_eq!(shown["metrics"][2]["mos"], 4.4);
    assert_eq!(shown["media"], json!([{ "samples": [] }]));
    let stranger = world
        .asks(&format!("{STRANGER}:stranger"), "GET", &path, &[])
        .await;
    stranger.refused(404, 20404);
    let unknown = format!("/_switchboard/v1/calls/CA{}/telemetry", "0".repeat(32));
    world.get(&unknown).await.refused(404, 20404);
}
