//! The one writer: shared commits, and what fails among them.

use super::*;

#[tokio::test]
async fn a_thousand_writers_share_a_few_commits() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let before = store.commits();
    let writes: Vec<_> = (0..1000)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { save(&store, vec![call(n, n.into())]).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    let commits = store.commits() - before;
    assert!(commits <= 50, "{commits} commits for 1000 writes");
    let page = store
        .calls()
        .list(ACCOUNT, &CallFilter::default(), &everything())
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1000);
}

#[tokio::test]
async fn one_failed_write_does_not_undo_the_others_of_its_group() {
    let place = Place::new();
    let (store, writer) = Store::open(place.file()).await.unwrap();
    // Everything is asked for before the writer runs: so it is one group.
    let taken = number(50, ACCOUNT, "+14158675310");
    let mut again = taken.clone();
    again.sid = PhoneNumberSid::from_bytes(bytes(51));
    let numbers = [taken, again, number(52, ACCOUNT, "+14158675311")];
    let writes: Vec<_> = numbers
        .into_iter()
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.phone_numbers().insert(number).await })
        })
        .collect();
    // A change is whole or not at all: the alert is a double, so the call must not appear either.
    let half = Change {
        calls: vec![call(60, 60)],
        owed: vec![(owed(60, "never", 1), token(1))],
        alerts: vec![
            alert(9, None, Level::Error, 1),
            alert(9, None, Level::Error, 1),
        ],
        ..Change::default()
    };
    let half = {
        let store = store.clone();
        tokio::spawn(async move { store.calls().save(half).await })
    };
    tokio::task::yield_now().await;
    let _writing = tokio::spawn(writer.run());
    let mut outcomes = Vec::new();
    for write in writes {
        outcomes.push(write.await.unwrap().is_ok());
    }
    assert_eq!(outcomes, [true, false, true]);
    assert!(matches!(half.await.unwrap(), Err(Error::Taken)));
    assert_eq!(store.commits(), 1);
    let filter = PhoneNumberFilter::default();
    let page = store
        .phone_numbers()
        .list(ACCOUNT, &filter, &everything())
        .await
        .unwrap();
    assert_eq!(created(&page, |number| number.created.0), [52, 50]);
    let calls = store
        .calls()
        .list(ACCOUNT, &CallFilter::default(), &everything())
        .await
        .unwrap();
    assert_eq!(calls.items, []);
    assert_eq!(store.outbox().count().await.unwrap(), 0);
}

#[tokio::test]
async fn without_a_writer_a_write_is_refused_not_lost_in_silence() {
    let (store, writer) = Store::open(Location::Memory).await.unwrap();
    drop(writer);
    let refused = store.calls().save(Change::default()).await;
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
}
