//! What went wrong, in its two views: `…/Notifications` and Monitor's `/v1/Alerts`.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use common::{MAIN, NUMBER, STRANGER, World};
use model::alert::{Alert, Level};
use model::error_code::ErrorCode;
use model::method::Method;
use model::now::Wall;
use model::sid::{AccountSid, CallSid, NotificationSid};

/// 2020-09-14T12:26:40Z.
const NEXT_DAY: Wall = Wall(1_600_086_400_000_000);

fn failure(byte: u8, account: AccountSid, call: Option<CallSid>) -> Alert {
    Alert {
        sid: NotificationSid::from_bytes([byte; 16]),
        account,
        call,
        code: ErrorCode::FETCH_FAILED,
        level: Level::Error,
        text: "Nobody answers".into(),
        request_url: Some("http://example.com/twiml".into()),
        request_method: Some(Method::Get),
        request_variables: Some("CallSid=CA1".into()),
        response_headers: Some("Server: none".into()),
        response_body: Some("Not here".into()),
        created: NEXT_DAY,
    }
}

/// A world with a warning about a call (2020-09-13), an error of no call and one of a stranger; the
/// path of the call.
async fn troubled() -> (World, String) {
    let world = World::new().await;
    let form = [
        ("To", "+14155550123"),
        ("From", NUMBER),
        ("Url", "http://example.com/twiml"),
        ("Twiml", "<Response/>"),
    ];
    let call = world.post("/Calls.json", &form).await.ok(201);
    let change = store::Change {
        alerts: vec![failure(1, MAIN, None), failure(2, STRANGER, None)],
        ..store::Change::default()
    };
    world.store.calls().save(change).await.unwrap();
    (world, format!("/Calls/{}", call["sid"].as_str().unwrap()))
}

// rest-7
#[tokio::test]
async fn notifications_are_filtered_by_log_and_date() {
    let (world, call) = troubled().await;
    for (query, codes) in [
        ("", &["11200", "32019"][..]),
        ("Log=0", &["11200"]),
        ("Log=1", &["32019"]),
        ("MessageDate=2020-09-13", &["32019"]),
        ("MessageDate=2020-09-14T12:26:40Z", &["11200"]),
        ("MessageDate%3E=2020-09-14", &["11200"]),
        ("MessageDate%3C=2020-09-13", &["32019"]),
        (
            "MessageDate%3C=2020-09-14&MessageDate%3E=2020-09-13",
            &["11200", "32019"],
        ),
        ("MessageDate%3E=2020-09-15", &[]),
    ] {
        let path = format!("/Notifications.json?{query}");
        let shown = world.get(&path).await.ok(200);
        let found: Vec<_> = shown["notifications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["error_code"].as_str().unwrap())
            .collect();
        assert_eq!(found, codes, "{query}");
    }
    for query in ["Log=2", "Log=error", "MessageDate=soon"] {
        let path = format!("/Notifications.json?{query}");
        world.get(&path).await.refused(400, 20422);
    }
    let of_call = world
        .get(&format!("{call}/Notifications.json"))
        .await
        .ok(200);
    let [one] = of_call["notifications"].as_array().unwrap().as_slice() else {
        panic!("{of_call}")
    };
    assert_eq!(
        (one["error_code"].as_str(), one["log"].as_str()),
        (Some("32019"), Some("1"))
    );
    let nobody = format!("/Calls/CA{}/Notifications.json", "0".repeat(32));
    world.get(&nobody).await.refused(404, 20404);
}

// rest-8
#[tokio::test]
async fn the_whole_exchange_is_in_the_instance_only() {
    let (world, call) = troubled().await;
    let sid = failure(1, MAIN, None).sid;
    let long = ["request_variables", "response_headers", "response_body"];
    let shown = world
        .get(&format!("/Notifications/{sid}.json"))
        .await
        .ok(200);
    let listed = world.get("/Notifications.json?Log=0").await.ok(200);
    let alert = world.get(&format!("/v1/Alerts/{sid}")).await.ok(200);
    for name in long {
        assert!(shown[name].is_string(), "{name}: {shown}");
        assert!(listed["notifications"][0].get(name).is_none(), "{name}");
        assert_eq!(alert[name], shown[name]);
    }
    assert_eq!(shown["message_date"], "Mon, 14 Sep 2020 12:26:40 +0000");
    assert_eq!(alert["date_created"], "2020-09-14T12:26:40Z");
    // Not of that call, and not of this account.
    let elsewhere = format!("{call}/Notifications/{sid}.json");
    world.get(&elsewhere).await.refused(404, 20404);
    let foreign = failure(2, STRANGER, None).sid;
    world
        .get(&format!("/Notifications/{foreign}.json"))
        .await
        .refused(404, 20404);
    world
        .get(&format!("/v1/Alerts/{foreign}"))
        .await
        .refused(404, 20404);
}

// rest-9
#[tokio::test]
async fn alerts_are_filtered_by_level_and_date_and_paged_by_absolute_addresses() {
    let (world, _) = troubled().await;
    for (query, codes) in [
        ("", &["11200", "32019"][..]),
        ("LogLevel=error", &["11200"]),
        ("LogLevel=warning", &["32019"]),
        ("StartDate=2020-09-14", &["11200"]),
        ("EndDate=2020-09-13", &["32019"]),
        (
            "StartDate=2020-09-13T00:00:00Z&EndDate=2020-09-14T12:26:40Z",
            &["11200", "32019"],
        ),
        ("EndDate=2020-09-14T12:26:39Z", &["32019"]),
    ] {
        let shown = world.get(&format!("/v1/Alerts?{query}")).await.ok(200);
        let found: Vec<_> = shown["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["error_code"].as_str().unwrap())
            .collect();
        assert_eq!(found, codes, "{query}");
    }
    for query in ["LogLevel=loud", "StartDate=soon", "EndDate=1.2.2020"] {
        world
            .get(&format!("/v1/Alerts?{query}"))
            .await
            .refused(400, 20422);
    }
    world
        .get("/v1/Alerts?PageSize=1001")
        .await
        .refused(400, 20007);
    world
        .get("/v1/Alerts?PageToken=nonsense")
        .await
        .refused(400, 21481);
    let first = world.get("/v1/Alerts?PageSize=1").await.ok(200);
    let meta = &first["meta"];
    assert_eq!(
        (&meta["key"], &meta["page_size"]),
        (&"alerts".into(), &1.into())
    );
    assert!(meta["previous_page_url"].is_null());
    let next = meta["next_page_url"].as_str().unwrap();
    let path = next.strip_prefix("http://localhost:3000").unwrap();
    let second = world.get(path).await.ok(200);
    assert_eq!(second["alerts"][0]["error_code"], "32019");
    assert!(second["meta"]["next_page_url"].is_null());
    assert!(second["meta"]["previous_page_url"].is_string());
}
