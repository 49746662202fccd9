//! Accounts, and the keys that speak for them.

use super::*;

#[tokio::test]
async fn accounts_and_keys_come_back_as_they_were() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let account = |sid, created| Account {
        sid,
        owner: ACCOUNT,
        friendly_name: "Ü".into(),
        status: AccountStatus::Active,
        auth_token: "secret".into(),
        secondary_auth_token: Some("other".into()),
        created: Wall(created),
        updated: Wall(created),
    };
    let (main, sub) = (account(ACCOUNT, 1), account(OTHER, 2));
    store.accounts().insert(main.clone()).await.unwrap();
    store.accounts().insert(sub.clone()).await.unwrap();
    assert!(matches!(
        store.accounts().insert(main.clone()).await,
        Err(Error::Taken)
    ));
    assert_eq!(
        store.accounts().find(OTHER).await.unwrap(),
        Some(sub.clone())
    );
    let list = |filter: AccountFilter, owner| {
        let store = store.clone();
        async move {
            store
                .accounts()
                .list(owner, &filter, &everything())
                .await
                .unwrap()
                .items
        }
    };
    let all = AccountFilter::default();
    assert_eq!(
        list(all.clone(), ACCOUNT).await,
        [sub.clone(), main.clone()]
    );
    assert_eq!(list(all, OTHER).await, []);

    // A closed account loses its numbers.
    let number = number(1, OTHER, "+15005550009");
    store.phone_numbers().insert(number.clone()).await.unwrap();
    let closed = store
        .accounts()
        .update(OTHER, |account| account.status = AccountStatus::Closed)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(closed.status, AccountStatus::Closed);
    // It had been looked up before: what is kept between look-ups is never older than the disk.
    assert_eq!(
        store.accounts().find(OTHER).await.unwrap(),
        Some(closed.clone())
    );
    let mut closed = closed;
    for n in 0..50 {
        let accounts = store.accounts();
        let change = accounts.update(OTHER, move |account| {
            account.auth_token = format!("token{n}").into();
        });
        let looking = store.clone();
        let looking = tokio::spawn(async move {
            for _ in 0..20 {
                looking.accounts().find(OTHER).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        change.await.unwrap();
        closed = store.accounts().find(OTHER).await.unwrap().unwrap();
        assert_eq!(*closed.auth_token, format!("token{n}"));
        looking.await.unwrap();
    }
    let found = store
        .phone_numbers()
        .find_by_number(&number.phone_number)
        .await;
    assert_eq!(found.unwrap(), None);
    let filter = AccountFilter {
        status: Some(AccountStatus::Closed),
        ..Default::default()
    };
    assert_eq!(list(filter, ACCOUNT).await, [closed]);

    let key = ApiKey {
        sid: KeySid::from_bytes([3; 16]),
        account: ACCOUNT,
        friendly_name: "key".into(),
        class: KeyClass::Main,
        secret: "s".into(),
        created: Wall(3),
        updated: Wall(3),
    };
    store.keys().insert(key.clone()).await.unwrap();
    assert_eq!(
        store.keys().find_anywhere(key.sid).await.unwrap(),
        Some(key.clone())
    );
    assert_eq!(store.keys().find(OTHER, key.sid).await.unwrap(), None);
    assert!(!store.keys().remove(OTHER, key.sid).await.unwrap());
    assert!(store.keys().remove(ACCOUNT, key.sid).await.unwrap());
    assert_eq!(store.keys().find_anywhere(key.sid).await.unwrap(), None);
}
