//! Callbacks that are owed.

use super::*;

#[tokio::test]
async fn callbacks_of_a_stream_are_due_one_after_another_also_across_a_restart() {
    let place = Place::new();
    let first;
    {
        let (store, writing) = place.open().await;
        let change = Change {
            owed: vec![
                (owed(1, "a1", 10), token(1)),
                (owed(1, "a2", 10), token(2)),
                (owed(2, "b1", 11), token(3)),
            ],
            ..Change::default()
        };
        store.calls().save(change).await.unwrap();
        let later = Change {
            owed: vec![(owed(1, "a3", 12), token(4))],
            ..Change::default()
        };
        store.calls().save(later).await.unwrap();
        assert_eq!(due(&store, 9).await, [""; 0]);
        assert_eq!(due(&store, 10).await, ["a1"]);
        assert_eq!(due(&store, 50).await, ["a1", "b1"]);
        first = store.outbox().due(Wall(10), 1).await.unwrap().remove(0);
        assert_eq!(first.token, token(1).to_string());
        assert_eq!(first.owed, owed(1, "a1", 10));

        // What is postponed holds up its own stream, and no other.
        assert!(store.outbox().postpone(first.id, Wall(100)).await.unwrap());
        assert_eq!(due(&store, 50).await, ["b1"]);
        assert_eq!(store.outbox().next_due().await.unwrap(), Some(Wall(11)));
        drop(store);
        writing.await.unwrap();
    }
    let (store, _writing) = place.open().await;
    assert_eq!(store.outbox().count().await.unwrap(), 4);
    assert_eq!(due(&store, 50).await, ["b1"]);
    assert_eq!(due(&store, 100).await, ["b1", "a1"]);
    let again = store.outbox().due(Wall(100), 9).await.unwrap().remove(1);
    assert_eq!((again.id, again.attempts), (first.id, 1));
    assert_eq!(again.token, first.token);

    assert!(store.outbox().delivered(again.id).await.unwrap());
    assert!(!store.outbox().delivered(again.id).await.unwrap());
    assert_eq!(due(&store, 100).await, ["a2", "b1"]);
    let a2 = store.outbox().due(Wall(100), 9).await.unwrap().remove(0);
    assert!(a2.id > again.id);
    assert!(store.outbox().give_up(a2.id).await.unwrap());
    assert_eq!(due(&store, 100).await, ["b1", "a3"]);
    assert_eq!(
        store
            .outbox()
            .count_of(CallSid::from_bytes(bytes(1)))
            .await
            .unwrap(),
        1
    );
    for callback in store.outbox().due(Wall(100), 9).await.unwrap() {
        assert!(store.outbox().delivered(callback.id).await.unwrap());
    }
    assert_eq!(store.outbox().count().await.unwrap(), 0);
    assert_eq!(store.outbox().next_due().await.unwrap(), None);

    // Numbers are not used again, although the outbox is empty.
    let change = Change {
        owed: vec![(owed(1, "a4", 200), token(5))],
        ..Change::default()
    };
    store.calls().save(change).await.unwrap();
    assert!(store.outbox().due(Wall(200), 1).await.unwrap()[0].id > first.id + 3);
}

#[tokio::test]
async fn what_was_handed_over_says_how_it_stands_before_it_leaves() {
    let (store, writer) = Store::open(Location::Memory).await.unwrap();
    let _writing = tokio::spawn(writer.run());
    let hand_over = async |change| {
        let (told, telling) = tokio::sync::oneshot::channel();
        store.calls().hand_over(change, |written| {
            let _ = told.send(written);
        });
        telling.await.unwrap()
    };
    let ended = CallRecord {
        status: CallStatus::Completed,
        ..call(1, 0)
    };
    let change = Change {
        calls: vec![ended, call(2, 0)],
        owed: vec![
            (owed(1, "a1", 10), token(1)),
            (owed(1, "a2", 10), token(2)),
            (owed(2, "b1", 11), token(3)),
        ],
        ..Change::default()
    };
    let kept = hand_over(change).await.unwrap();
    let due = store.outbox().due(Wall(50), 9).await.unwrap();
    assert_eq!([&kept[0], &kept[2]], [&due[0], &due[1]]);
    let standing = |at: usize, attempts| store.outbox().standing(kept[at].id, attempts).unwrap();
    assert_eq!(standing(0, 0), Standing::Next);
    assert_eq!(standing(1, 0), Standing::Later, "behind another");
    store.outbox().postpone(kept[2].id, Wall(99)).await.unwrap();
    assert_eq!(standing(2, 0), Standing::Later, "tried since");
    assert_eq!(standing(2, 1), Standing::Next);

    let change = Change {
        struck: vec![kept[0].id],
        ..Change::default()
    };
    assert_eq!(hand_over(change).await.unwrap(), []);
    assert_eq!(standing(0, 0), Standing::Gone);
    assert_eq!(standing(1, 0), Standing::Next);
    // Whoever deletes a call must not hear of it again.
    let sid = CallSid::from_bytes(bytes(1));
    assert!(store.calls().remove(ACCOUNT, sid).await.unwrap());
    assert_eq!(standing(1, 0), Standing::Gone);
}
