//! What was measured in calls, on a database in memory.
#![allow(
    clippy::unwrap_used,
    reason = "a failed step fails the test, where it stands"
)]

use model::call::{CallRecord, CallStatus, Direction};
use model::now::Wall;
use model::sid::{AccountSid, CallSid};
use model::telemetry::{Telemetry, TelemetryKind};
use serde_json::json;
use store::{Change, Location, Store};

const ACCOUNT: AccountSid = AccountSid::from_bytes([1; 16]);
const OTHER: AccountSid = AccountSid::from_bytes([2; 16]);
const CALL: CallSid = CallSid::from_bytes([3; 16]);
const DAY: i64 = 86_400_000_000;

fn entry(account: AccountSid, call: CallSid, kind: TelemetryKind, created: i64) -> Telemetry {
    Telemetry {
        account,
        call,
        kind,
        content: json!({ "name": created }),
        created: Wall(created),
    }
}

async fn store_with_a_call() -> Store {
    let (store, writer) = Store::open(Location::Memory).await.unwrap();
    tokio::spawn(writer.run());
    let call = CallRecord {
        sid: CALL,
        account: ACCOUNT,
        parent: None,
        to: "client:alice".into(),
        from: "+15005550001".into(),
        phone_number: None,
        application: None,
        trunk: None,
        status: CallStatus::Completed,
        direction: Direction::OutboundApi,
        created: Wall(1),
        updated: Wall(1),
        started: Some(Wall(1)),
        answered: None,
        ended: Some(Wall(2)),
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: None,
        caller_name: None,
    };
    let change = Change {
        calls: vec![call],
        ..Change::default()
    };
    store.calls().save(change).await.unwrap();
    store
}

#[tokio::test]
async fn what_is_about_a_call_of_the_account_is_kept_until_the_call_goes() {
    let store = store_with_a_call().await;
    let telemetry = store.telemetry();
    let mine = [
        entry(ACCOUNT, CALL, TelemetryKind::Event, 5),
        entry(ACCOUNT, CALL, TelemetryKind::Metrics, 4),
    ];
    let foreign = entry(OTHER, CALL, TelemetryKind::Event, 5);
    let unknown = CallSid::from_bytes([4; 16]);
    let nowhere = entry(ACCOUNT, unknown, TelemetryKind::Event, 5);
    let all = vec![mine[0].clone(), foreign, nowhere, mine[1].clone()];
    assert_eq!(telemetry.append(all).await.unwrap(), 2);
    let kept = telemetry.of_call(ACCOUNT, CALL).await.unwrap();
    assert_eq!(kept, [mine[1].clone(), mine[0].clone()]);
    assert_eq!(telemetry.of_call(OTHER, CALL).await.unwrap(), []);
    assert!(store.calls().remove(ACCOUNT, CALL).await.unwrap());
    assert_eq!(telemetry.of_call(ACCOUNT, CALL).await.unwrap(), []);
}

#[tokio::test]
async fn each_kind_is_bounded_by_itself() {
    let store = store_with_a_call().await;
    let kind = TelemetryKind::Event;
    let most = kind.most() as usize;
    let flood = |kind| (0..most as i64 + 10).map(move |at| entry(ACCOUNT, CALL, kind, at));
    let added = store.telemetry().append(flood(kind).collect()).await;
    assert_eq!(added.unwrap(), most);
    let more = vec![entry(ACCOUNT, CALL, TelemetryKind::Media, 1)];
    assert_eq!(store.telemetry().append(more).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_thirty_days_old_goes() {
    let store = store_with_a_call().await;
    let at = |days: i64| entry(ACCOUNT, CALL, TelemetryKind::Event, days * DAY);
    store
        .telemetry()
        .append(vec![at(0), at(2), at(31)])
        .await
        .unwrap();
    let kept = store.telemetry().of_call(ACCOUNT, CALL).await.unwrap();
    assert_eq!(kept, [at(2), at(31)]);
}
