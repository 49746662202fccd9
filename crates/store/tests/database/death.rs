//! What is there after the process died.

use super::*;

#[tokio::test]
async fn waiting_calls_keep_their_turn_and_interrupted_ones_are_found_after_a_death() {
    let place = Place::new();
    let queued = |number: u32| QueuedCall {
        account: ACCOUNT,
        call: CallSid::from_bytes(bytes(number)),
        created: Wall(number.into()),
        payload: format!("{{\"n\":{number}}}"),
    };
    {
        let (store, writing) = place.open().await;
        let mut talking = call(4, 4);
        talking.status = CallStatus::InProgress;
        let change = Change {
            calls: vec![
                call(1, 1),
                call(2, 2),
                call(3, 3),
                talking,
                ended(call(5, 5), 6),
            ],
            queued: vec![queued(1), queued(3), queued(2)],
            owed: vec![(owed(4, "initiated", 4), token(4))],
            ..Change::default()
        };
        store.calls().save(change).await.unwrap();
        assert_eq!(
            store.queued_calls().first(ACCOUNT, 1).await.unwrap(),
            [queued(1)]
        );
        assert_eq!(store.queued_calls().first(OTHER, 1).await.unwrap(), []);
        // The turn of 1 has come.
        let mut ringing = call(1, 1);
        ringing.status = CallStatus::Ringing;
        let begun = Change {
            calls: vec![ringing],
            dequeued: vec![CallSid::from_bytes(bytes(1))],
            ..Change::default()
        };
        store.calls().save(begun).await.unwrap();
        // Death: the writer vanishes, nothing is closed.
        writing.abort();
        let _ = writing.await;
        drop(store);
    }
    let (store, _writing) = place.open().await;
    let first = store.queued_calls().first(ACCOUNT, 9).await.unwrap();
    assert_eq!(first, [queued(3), queued(2)]);
    assert_eq!(
        store.queued_calls().accounts().await.unwrap(),
        [(ACCOUNT, 2)]
    );
    let interrupted = store.calls().interrupted(100).await.unwrap();
    let sids: Vec<_> = interrupted.iter().map(|call| call.created.0).collect();
    assert_eq!(sids, [1, 4]);
    assert_eq!(interrupted[0].status, CallStatus::Ringing);
    let end = Change {
        calls: interrupted.into_iter().map(|call| ended(call, 9)).collect(),
        owed: vec![(owed(4, "completed", 9), token(9))],
        ..Change::default()
    };
    store.calls().save(end).await.unwrap();
    assert_eq!(store.calls().interrupted(100).await.unwrap(), []);
    assert_eq!(due(&store, 9).await, ["initiated"]);
}

#[tokio::test]
async fn the_newest_will_of_a_live_call_outlives_a_death_and_ends_with_the_call() {
    let place = Place::new();
    let sid = |number| CallSid::from_bytes(bytes(number));
    let change = |calls, wills| Change {
        calls,
        wills,
        ..Change::default()
    };
    {
        let (store, writing) = place.open().await;
        let save = async |calls, wills| store.calls().save(change(calls, wills)).await.unwrap();
        save(
            vec![call(1, 1), call(2, 2), call(3, 3), call(4, 4)],
            (1..5)
                .map(|n| (sid(n), Some(owed(n, "failed", 1))))
                .collect(),
        )
        .await;
        // The newest counts, also within one change; and a will can be withdrawn.
        save(
            vec![call(1, 1)],
            vec![
                (sid(1), Some(owed(1, "older", 2))),
                (sid(1), Some(owed(1, "completed", 3))),
                (sid(2), None),
            ],
        )
        .await;
        // The end takes it, without being told to; and what comes late brings none back.
        save(vec![ended(call(3, 3), 5)], vec![]).await;
        save(vec![call(3, 3)], vec![(sid(3), Some(owed(3, "late", 6)))]).await;
        // Two steps of a call in one group: its end, although named before, is what holds.
        save(
            vec![call(4, 4), ended(call(4, 4), 5)],
            vec![(sid(4), Some(owed(4, "late", 4))), (sid(4), None)],
        )
        .await;
        writing.abort();
        let _ = writing.await;
    }
    let (store, _writing) = place.open().await;
    let wills = async || {
        let mut wills = Vec::new();
        for n in 1..5 {
            let will = store.calls().will(sid(n)).await.unwrap();
            wills.push(will.map(|will| will.parameters[0].1.clone()));
        }
        wills
    };
    assert_eq!(
        wills().await,
        [Some("completed".to_owned()), None, None, None]
    );

    // Whoever ends it owes its will from then on, and all of that is one change: here it fails.
    let will = store.calls().will(sid(1)).await.unwrap().unwrap();
    let mut end = change(vec![ended(call(1, 1), 9)], vec![]);
    end.owed = vec![(will, token(1))];
    let mut broken = end.clone();
    broken.alerts = vec![
        alert(9, None, Level::Error, 1),
        alert(9, None, Level::Error, 1),
    ];
    assert!(store.calls().save(broken).await.is_err());
    assert_eq!(wills().await[0].as_deref(), Some("completed"));
    assert_eq!(due(&store, 9).await, [""; 0]);
    store.calls().save(end).await.unwrap();
    assert_eq!(wills().await, [None, None, None, None]);
    assert_eq!(due(&store, 9).await, ["completed"]);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_death_amid_writes() {
    let place = Place::new();
    let mut answered = Vec::new();
    for round in 0..5u32 {
        let (store, writing) = place.open().await;
        let (told, mut tellings) = tokio::sync::mpsc::unbounded_channel();
        let writes: Vec<_> = (0..200)
            .map(|n| {
                let (store, told) = (store.clone(), told.clone());
                let number = round * 1000 + n;
                tokio::spawn(async move {
                    let change = Change {
                        calls: vec![call(number, number.into())],
                        owed: vec![(owed(number, "x", 0), token(number))],
                        ..Change::default()
                    };
                    if store.calls().save(change).await.is_ok() {
                        let _ = told.send(number);
                    }
                })
            })
            .collect();
        for _ in 0..=round * 20 {
            answered.extend(tellings.recv().await);
        }
        writing.abort();
        for write in writes {
            write.await.unwrap();
        }
        drop(told);
        while let Some(number) = tellings.recv().await {
            answered.push(number);
        }
        let _ = writing.await;
    }
    assert!(answered.len() >= 5);
    let (store, _writing) = place.open().await;
    for number in answered {
        let sid = CallSid::from_bytes(bytes(number));
        assert!(
            store.calls().find(ACCOUNT, sid).await.unwrap().is_some(),
            "{number}"
        );
        assert_eq!(store.outbox().count_of(sid).await.unwrap(), 1, "{number}");
    }
}
