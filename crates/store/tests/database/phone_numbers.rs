//! Numbers that accounts own.

use super::*;

#[tokio::test]
async fn numbers_are_unique_and_found_by_pattern() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let mut toll_free = number(3, ACCOUNT, "+18005550003");
    toll_free.number_type = NumberType::TollFree;
    toll_free.voice_application = Some(ApplicationSid::from_bytes([9; 16]));
    for record in [
        number(1, ACCOUNT, "+14158675310"),
        number(2, ACCOUNT, "+14158675311"),
        toll_free.clone(),
    ] {
        store.phone_numbers().insert(record).await.unwrap();
    }
    // Another account cannot have it too.
    let stolen = number(4, OTHER, "+14158675310");
    assert!(matches!(
        store.phone_numbers().insert(stolen).await,
        Err(Error::Taken)
    ));
    let list = |filter: PhoneNumberFilter| {
        let store = store.clone();
        async move {
            let page = store
                .phone_numbers()
                .list(ACCOUNT, &filter, &everything())
                .await
                .unwrap();
            created(&page, |number| number.created.0)
        }
    };
    let pattern = |text: &str| PhoneNumberFilter {
        phone_number: Some(text.into()),
        ..Default::default()
    };
    assert_eq!(list(PhoneNumberFilter::default()).await, [3, 2, 1]);
    assert_eq!(list(pattern("+1415*10")).await, [1]);
    assert_eq!(list(pattern("415867")).await, [2, 1]);
    assert_eq!(list(pattern("%")).await, [0i64; 0]);
    let filter = PhoneNumberFilter {
        number_type: Some(NumberType::TollFree),
        ..Default::default()
    };
    assert_eq!(list(filter).await, [3]);
    let filter = PhoneNumberFilter {
        friendly_name: Some("(415) 867-5311".into()),
        beta: Some(false),
        ..Default::default()
    };
    assert_eq!(list(filter).await, [2]);

    // A number may move to another account.
    let moved = store
        .phone_numbers()
        .update(ACCOUNT, toll_free.sid, |number| number.account = OTHER)
        .await
        .unwrap();
    assert_eq!(moved.map(|number| number.account), Some(OTHER));
    assert_eq!(list(PhoneNumberFilter::default()).await, [2, 1]);
    let found = store
        .phone_numbers()
        .find(OTHER, toll_free.sid)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.voice_application, toll_free.voice_application);

    let caller_id = OutgoingCallerId {
        sid: PhoneNumberSid::from_bytes([7; 16]),
        account: ACCOUNT,
        phone_number: "+4930123456".parse().unwrap(),
        friendly_name: "desk".into(),
        created: Wall(7),
        updated: Wall(7),
    };
    let caller_ids = store.caller_ids();
    caller_ids.insert(caller_id.clone()).await.unwrap();
    let found = caller_ids
        .find_by_number(ACCOUNT, &caller_id.phone_number)
        .await;
    assert_eq!(found.unwrap(), Some(caller_id.clone()));
    let filter = CallerIdFilter {
        friendly_name: Some("desk".into()),
        ..Default::default()
    };
    let page = caller_ids
        .list(ACCOUNT, &filter, &everything())
        .await
        .unwrap();
    assert_eq!(page.items, [caller_id]);
}
