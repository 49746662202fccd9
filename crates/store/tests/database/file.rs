//! The file: one process, one owner, or none at all.

use super::*;

#[tokio::test]
async fn a_second_process_is_kept_away() {
    let place = Place::new();
    let (store, writing) = place.open().await;
    let Err(refused) = Store::open(place.file()).await else {
        panic!("two had the same database");
    };
    let text = refused.to_string();
    assert!(text.contains("in use by another switchboard"), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(store);
    writing.await.unwrap();
    place.open().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let (store, _writing) = place.open().await;
    save(&store, vec![call(1, 1)]).await;
    for file in std::fs::read_dir(place.0.join("data")).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn memory_will_do_for_tests() {
    let (store, writer) = Store::open(Location::Memory).await.unwrap();
    let writing = tokio::spawn(writer.run());
    save(&store, vec![call(1, 1)]).await;
    let clone = store.clone();
    let page = clone
        .calls()
        .list(ACCOUNT, &CallFilter::default(), &everything())
        .await
        .unwrap();
    assert_eq!(page.items, [call(1, 1)]);
    store.check().await.unwrap();
    drop((store, clone));
    writing.await.unwrap();
}
