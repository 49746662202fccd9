//! Calls with their events and alerts: found, listed, removed, forgotten.

use super::*;

#[tokio::test]
async fn calls_are_found_by_each_filter() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let parent = ended(call(1, 100), 200);
    let mut child = ended(call(2, 150), 190);
    child.parent = Some(parent.sid);
    child.to = "client:joey".into();
    let mut waiting = call(3, 300);
    waiting.from = "sip:a@b".into();
    save(&store, vec![parent.clone(), child.clone(), waiting.clone()]).await;
    assert_eq!(
        store.calls().find(ACCOUNT, child.sid).await.unwrap(),
        Some(child.clone())
    );
    assert_eq!(store.calls().find(OTHER, child.sid).await.unwrap(), None);
    let list = |filter: CallFilter| {
        let store = store.clone();
        async move {
            let page = store
                .calls()
                .list(ACCOUNT, &filter, &everything())
                .await
                .unwrap();
            created(&page, |call| call.created.0)
        }
    };
    let range = |from, until| Range {
        from: Some(Wall(from)),
        until: Some(Wall(until)),
    };
    assert_eq!(list(CallFilter::default()).await, [300, 150, 100]);
    let to = CallFilter {
        to: Some("client:joey".into()),
        ..Default::default()
    };
    assert_eq!(list(to).await, [150]);
    let from = CallFilter {
        from: Some("sip:a@b".into()),
        ..Default::default()
    };
    assert_eq!(list(from).await, [300]);
    let of = CallFilter {
        parent: Some(parent.sid),
        ..Default::default()
    };
    assert_eq!(list(of).await, [150]);
    let status = CallFilter {
        status: Some(CallStatus::Completed),
        ..Default::default()
    };
    assert_eq!(list(status).await, [150, 100]);
    let started = CallFilter {
        started: range(100, 100),
        ..Default::default()
    };
    assert_eq!(list(started).await, [100]);
    let over = CallFilter {
        ended: range(190, 199),
        ..Default::default()
    };
    assert_eq!(list(over).await, [150]);
}

#[tokio::test]
async fn an_ended_call_keeps_its_status() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let over = ended(call(1, 1), 2);
    save(&store, vec![over.clone()]).await;
    let mut late = over.clone();
    late.status = CallStatus::InProgress;
    save(&store, vec![late]).await;
    let mut other_end = over.clone();
    other_end.status = CallStatus::Canceled;
    save(&store, vec![other_end]).await;
    assert_eq!(
        store.calls().find(ACCOUNT, over.sid).await.unwrap(),
        Some(over.clone())
    );
    // What is learned of it afterwards is kept.
    let mut learned = over.clone();
    learned.answered_by = Some("human".into());
    save(&store, vec![learned.clone()]).await;
    assert_eq!(
        store.calls().find(ACCOUNT, over.sid).await.unwrap(),
        Some(learned)
    );
}

#[tokio::test]
async fn removing_a_call_removes_its_events_and_alerts() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let running = call(1, 1);
    let over = ended(call(2, 2), 3);
    let change = Change {
        calls: vec![running.clone(), over.clone()],
        events: vec![
            event(&over, "https://app.test/1", 5),
            event(&over, "https://app.test/2", 5),
            event(&running, "https://app.test/3", 5),
        ],
        alerts: vec![
            alert(1, Some(&over), Level::Error, 6),
            alert(2, Some(&over), Level::Warning, 7),
            alert(3, None, Level::Error, 8),
        ],
        ..Change::default()
    };
    store.calls().save(change.clone()).await.unwrap();
    let events = |sid| {
        let store = store.clone();
        async move {
            store
                .events()
                .list(ACCOUNT, sid, &everything())
                .await
                .unwrap()
                .items
        }
    };
    let alerts = |filter: AlertFilter| {
        let store = store.clone();
        async move {
            let page = store
                .alerts()
                .list(ACCOUNT, &filter, &everything())
                .await
                .unwrap();
            created(&page, |alert| alert.created.0)
        }
    };
    assert_eq!(events(over.sid).await, change.events[..2]);
    let of_call = AlertFilter {
        call: Some(over.sid),
        ..Default::default()
    };
    assert_eq!(alerts(of_call.clone()).await, [7, 6]);
    let errors = AlertFilter {
        level: Some(Level::Error),
        ..Default::default()
    };
    assert_eq!(alerts(errors).await, [8, 6]);
    let early = AlertFilter {
        created: Range {
            from: None,
            until: Some(Wall(6)),
        },
        ..Default::default()
    };
    assert_eq!(alerts(early).await, [6]);
    let found = store
        .alerts()
        .find(ACCOUNT, change.alerts[0].sid)
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&change.alerts[0]));

    let refused = store.calls().remove(ACCOUNT, running.sid).await;
    assert!(matches!(refused, Err(Error::Running)), "{refused:?}");
    assert!(!store.calls().remove(OTHER, over.sid).await.unwrap());
    assert!(store.calls().remove(ACCOUNT, over.sid).await.unwrap());
    assert!(!store.calls().remove(ACCOUNT, over.sid).await.unwrap());
    assert_eq!(events(over.sid).await, []);
    assert_eq!(alerts(of_call).await, [0i64; 0]);
    assert_eq!(events(running.sid).await.len(), 1);
    assert_eq!(alerts(AlertFilter::default()).await, [8]);
}

/// B12: who removed a call hears of it no more; the others of its stream do not wait for it.
#[tokio::test]
async fn removing_a_call_takes_back_what_is_owed_about_it() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let mut child = ended(call(2, 2), 3);
    child.parent = Some(call(1, 1).sid);
    let of_child = Owed {
        stream: call(1, 1).sid,
        ..owed(2, "child", 5)
    };
    let change = Change {
        calls: vec![call(1, 1), child.clone(), ended(call(3, 2), 3)],
        owed: vec![
            (of_child, token(1)),
            (owed(1, "parent", 5), token(2)),
            (owed(3, "other", 5), token(3)),
        ],
        ..Change::default()
    };
    store.calls().save(change).await.unwrap();
    assert_eq!(due(&store, 9).await, ["child", "other"]);
    assert!(store.calls().remove(ACCOUNT, child.sid).await.unwrap());
    assert_eq!(due(&store, 9).await, ["parent", "other"]);
    let other = call(3, 2).sid;
    assert!(store.calls().remove(ACCOUNT, other).await.unwrap());
    assert_eq!(due(&store, 9).await, ["parent"]);
}

#[tokio::test]
async fn events_and_alerts_may_come_alone_and_events_are_in_the_order_of_time() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let about = call(1, 1);
    // Kept when the answer came, listed by when the request was made.
    for (url, created) in [("late", 30), ("early", 10), ("between", 20)] {
        let event = event(&about, url, created);
        store.events().insert(event).await.unwrap();
    }
    let mut urls = Vec::new();
    let mut request = request(2);
    loop {
        let page = store
            .events()
            .list(ACCOUNT, about.sid, &request)
            .await
            .unwrap();
        urls.extend(page.items.into_iter().map(|event| event.url));
        let Some(next) = page.next else { break };
        request.cursor = Some(next);
    }
    assert_eq!(urls, ["early", "between", "late"]);
    let one = alert(1, None, Level::Warning, 1);
    store.alerts().insert(one.clone()).await.unwrap();
    assert!(matches!(
        store.alerts().insert(one.clone()).await,
        Err(Error::Taken)
    ));
    assert_eq!(
        store.alerts().find(ACCOUNT, one.sid).await.unwrap(),
        Some(one.clone())
    );
    assert!(store.alerts().remove(ACCOUNT, one.sid).await.unwrap());
    assert_eq!(store.alerts().find(ACCOUNT, one.sid).await.unwrap(), None);
}

#[tokio::test]
async fn old_calls_are_forgotten() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let calls: Vec<_> = (1..=5)
        .map(|n| ended(call(n, n.into()), i64::from(n) * 10))
        .collect();
    let change = Change {
        events: calls
            .iter()
            .map(|call| event(call, "u", call.created.0))
            .collect(),
        alerts: vec![
            alert(1, None, Level::Error, 9),
            alert(2, None, Level::Error, 90),
        ],
        calls: calls.iter().cloned().chain([call(6, 0)]).collect(),
        ..Change::default()
    };
    store.calls().save(change).await.unwrap();
    assert_eq!(store.calls().forget_before(Wall(35), 2).await.unwrap(), 2);
    assert_eq!(store.calls().forget_before(Wall(35), 2).await.unwrap(), 1);
    assert_eq!(store.calls().forget_before(Wall(35), 2).await.unwrap(), 0);
    let left = store
        .calls()
        .list(ACCOUNT, &CallFilter::default(), &everything())
        .await
        .unwrap();
    assert_eq!(created(&left, |call| call.created.0), [5, 4, 0]);
    let events = |call: &CallRecord| {
        let (store, sid) = (store.clone(), call.sid);
        async move {
            store
                .events()
                .list(ACCOUNT, sid, &everything())
                .await
                .unwrap()
                .items
                .len()
        }
    };
    assert_eq!(events(&calls[0]).await, 0);
    assert_eq!(events(&calls[3]).await, 1);
    let alerts = store
        .alerts()
        .list(ACCOUNT, &AlertFilter::default(), &everything())
        .await;
    assert_eq!(created(&alerts.unwrap(), |alert| alert.created.0), [90]);
}

#[tokio::test]
async fn pages_do_not_shift_while_calls_are_made() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    // Two calls share each moment, so that the identifier must decide between them.
    let calls: Vec<_> = (0..25).map(|n| call(n, i64::from(n / 2))).collect();
    save(&store, calls).await;
    let all = CallFilter::default();
    let sids = |page: &Page<CallRecord>| -> Vec<_> { page.items.iter().map(|c| c.sid).collect() };
    let expected: Vec<_> = {
        let page = store
            .calls()
            .list(ACCOUNT, &all, &everything())
            .await
            .unwrap();
        assert_eq!((page.next.clone(), page.previous.clone()), (None, None));
        sids(&page)
    };
    assert_eq!(expected.len(), 25);
    let mut request = request(10);
    let mut pages = Vec::new();
    loop {
        let page = store.calls().list(ACCOUNT, &all, &request).await.unwrap();
        pages.push(sids(&page));
        let fresh = 100 + pages.len() as u32;
        save(&store, vec![call(fresh, 1000 + i64::from(fresh))]).await;
        // The token travels as a text.
        let Some(next) = page.next.clone() else {
            // Back again, page by page, to the beginning, and then to the new ones.
            let mut back = page.previous;
            for expected in pages.iter().rev().skip(1) {
                let cursor = back.map(|cursor| cursor.to_string().parse().unwrap());
                assert!(cursor.is_some());
                request.cursor = cursor;
                let page = store.calls().list(ACCOUNT, &all, &request).await.unwrap();
                assert_eq!(&sids(&page), expected);
                assert!(page.next.is_some());
                back = page.previous;
            }
            request.cursor = back;
            let page = store.calls().list(ACCOUNT, &all, &request).await.unwrap();
            assert_eq!(page.items.len(), 3);
            assert_eq!(page.previous, None);
            break;
        };
        request.cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(pages.concat(), expected);
}
