//! What the API does with browser phones: messages, revocation, a bad network; and tokens.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use api::Settings;
use api::browsers::{Client, Impairment, NotReached, Revoked, Way};
use common::{MAIN, NUMBER, STRANGER, SUB, World};
use model::account::KeyClass;
use model::method::Method;
use model::now::Wall;
use serde_json::json;

/// The path of a call.
async fn call(world: &World) -> String {
    let form = [
        ("To", "client:alice"),
        ("From", NUMBER),
        ("Twiml", "<Response/>"),
    ];
    let made = world.post("/Calls.json", &form).await.ok(201);
    format!("/Calls/{}", made["sid"].as_str().unwrap())
}

#[tokio::test]
async fn a_message_goes_to_the_page_of_a_call() {
    let world = World::new().await;
    let call = call(&world).await;
    let path = format!("{call}/UserDefinedMessages.json");
    let content = r#"{"order": [42, "é"]}"#;
    let form = [("Content", content), ("IdempotencyKey", "once")];
    let made = world.post(&path, &form).await.ok(201);
    let sent = world.pages.sent.lock().unwrap().pop().unwrap();
    assert_eq!(sent.content, json!({ "order": [42, "é"] }));
    assert_eq!(sent.idempotency_key.as_deref(), Some("once"));
    assert_eq!(made["sid"], sent.sid.to_string());
    assert!(made["sid"].as_str().unwrap().starts_with("KX"));
    assert_eq!(made["call_sid"], sent.call.to_string());
    assert_eq!(made["account_sid"], MAIN.to_string());
    assert!(made["date_created"].as_str().unwrap().ends_with("+0000"));

    let long = format!("\"{}\"", "x".repeat(10_000));
    for bad in ["", "{", long.as_str()] {
        let refused = world.post(&path, &[("Content", bad)]).await;
        refused.refused(400, 20422);
    }
    let who = format!("{STRANGER}:stranger");
    let foreign = format!("/2010-04-01/Accounts/{STRANGER}{path}");
    let refused = world.asks(&who, "POST", &foreign, &form).await;
    refused.refused(404, 20404);
    assert!(world.pages.sent.lock().unwrap().is_empty());
    *world.pages.fault.lock().unwrap() = Some(NotReached::NoPage);
    world.post(&path, &form).await.refused(400, 21220);
}

#[tokio::test]
async fn what_a_page_says_can_be_subscribed_to() {
    let world = World::new().await;
    let call = call(&world).await;
    let path = format!("{call}/UserDefinedMessageSubscriptions.json");
    let form = [("Callback", "https://app.test/said"), ("Method", "GET")];
    let made = world.post(&path, &form).await.ok(201);
    let sid = made["sid"].as_str().unwrap().to_owned();
    assert!(sid.starts_with("ZY"));
    let subscribed = world.pages.subscribed.lock().unwrap()[0].clone();
    assert_eq!(subscribed.url, "https://app.test/said");
    assert_eq!((subscribed.method, subscribed.account), (Method::Get, MAIN));
    let uri = made["uri"].as_str().unwrap();
    assert!(uri.ends_with(&format!(
        "{call}/UserDefinedMessageSubscriptions/{sid}.json"
    )));

    for bad in [&[("Method", "GET")][..], &[("Callback", "nowhere")]] {
        world.post(&path, bad).await.refused(400, 20422);
    }
    let one = path.replace(".json", &format!("/{sid}.json"));
    assert_eq!(world.delete(&one).await.status.as_u16(), 204);
    world.delete(&one).await.refused(404, 20404);
    *world.pages.fault.lock().unwrap() = Some(NotReached::Full);
    world.post(&path, &form).await.refused(429, 20429);
}

#[tokio::test]
async fn a_deleted_key_and_a_suspended_account_send_their_pages_offline() {
    let world = World::new().await;
    let key = world.key(7, KeyClass::Standard).await;
    let deleted = world.delete(&format!("/Keys/{key}.json")).await;
    assert_eq!(deleted.status.as_u16(), 204);
    let sub = format!("/2010-04-01/Accounts/{SUB}.json");
    world.post(&sub, &[("FriendlyName", "x")]).await.ok(200);
    world.post(&sub, &[("Status", "suspended")]).await.ok(200);
    let revoked = world.pages.revoked.lock().unwrap().clone();
    assert_eq!(revoked, [Revoked::Key(key), Revoked::Account(SUB)]);
}

#[tokio::test]
async fn who_can_be_called_by_name_is_shown() {
    let world = World::new().await;
    let client = |identity: &str, sdk: &str| Client {
        identity: identity.to_owned(),
        sdk: sdk.to_owned(),
        user_agent: "Chromium".to_owned(),
        since: Wall(1_600_000_000_000_000),
        calls: 1,
    };
    *world.pages.clients.lock().unwrap() = vec![
        (MAIN, client("alice", "1.15.1")),
        (MAIN, client("alice", "2.12.4")),
        (STRANGER, client("mallory", "2.12.4")),
        (MAIN, client("bob", "2.12.4")),
    ];
    let shown = world.get("/_switchboard/v1/clients").await.ok(200);
    let device = |sdk: &str| json!({"sdk": sdk, "user_agent": "Chromium", "since": "2020-09-13T12:26:40Z", "calls": 1});
    let wanted = json!([
        {"identity": "alice", "devices": [device("1.15.1"), device("2.12.4")]},
        {"identity": "bob", "devices": [device("2.12.4")]},
    ]);
    assert_eq!(shown["clients"], wanted);
}

#[tokio::test]
async fn a_network_is_made_bad_in_development_only() {
    let bad = r#"{"loss": 20, "delay_ms": 250, "direction": "to_browser"}"#;
    for development in [true, false] {
        let world = World::with(Settings {
            development,
            ..Settings::default()
        })
        .await;
        let call = call(&world).await.to_lowercase();
        let path = format!("/_switchboard/v1{call}/impairment");
        let ask = |body: &str| {
            axum::http::Request::post(&path)
                .header("host", "localhost")
                .header("authorization", common::basic(&format!("{MAIN}:main")))
                .body(axum::body::Body::from(body.to_owned()))
                .unwrap()
        };
        let answer = world.raw(ask(bad)).await;
        if !development {
            answer.refused(404, 20404);
            continue;
        }
        answer.ok(200);
        let (_, impaired) = world.pages.impaired.lock().unwrap().pop().unwrap();
        let wanted = Impairment {
            loss: 20.0,
            delay_ms: 250,
            direction: Way::ToBrowser,
            ..Impairment::default()
        };
        assert_eq!(impaired, wanted);
        for wrong in [
            "",
            r#"{"loss": 101}"#,
            r#"{"delay_ms": 5001}"#,
            r#"{"los": 1}"#,
        ] {
            world.raw(ask(wrong)).await.refused(400, 20422);
        }
    }
}

#[tokio::test]
async fn a_token_lists_the_servers_of_the_operator_with_credentials_for_turn() {
    let world = World::with(Settings {
        ice_servers: vec![
            "stun:stun.example.org:3478".to_owned(),
            "turn:turn.example.org:3478?transport=tcp".to_owned(),
        ],
        turn_secret: Some("north".to_owned()),
        ..Settings::default()
    })
    .await;
    let made = world.post("/Tokens.json", &[("Ttl", "60")]).await.ok(201);
    let (name, password) = (&made["username"], &made["password"]);
    let servers = json!([
        {"url": "stun:stun.example.org:3478", "urls": "stun:stun.example.org:3478"},
        {
            "url": "turn:turn.example.org:3478?transport=tcp",
            "urls": "turn:turn.example.org:3478?transport=tcp",
            "username": name, "credential": password,
        },
    ]);
    assert_eq!(made["ice_servers"], servers);
    let (end, account) = name.as_str().unwrap().split_once(':').unwrap();
    assert_eq!(account, MAIN.to_string());
    let now = world.clock.load(std::sync::atomic::Ordering::Relaxed) / 1_000_000;
    let left = end.parse::<i64>().unwrap() - now;
    assert!((55..=60).contains(&left), "{left}");
    // The HMAC of 20 bytes.
    assert_eq!(password.as_str().unwrap().len(), 28);
}

#[tokio::test]
async fn a_token_has_the_documented_fields() {
    let world = World::new().await;
    let made = world.post("/Tokens.json", &[]).await.ok(201);
    assert_eq!(made["ttl"], "86400");
    assert_eq!(made["ice_servers"], json!([]));
    for field in ["username", "password", "date_created", "date_updated"] {
        assert!(!made[field].as_str().unwrap().is_empty(), "{field}");
    }
    assert_eq!(made["account_sid"], MAIN.to_string());
    let short = world.post("/Tokens.json", &[("Ttl", "60")]).await.ok(201);
    assert_eq!(short["ttl"], "60");
    for wrong in ["0", "86401", "soon"] {
        world
            .post("/Tokens.json", &[("Ttl", wrong)])
            .await
            .refused(400, 20422);
    }
}
