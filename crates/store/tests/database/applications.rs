//! Applications, and trunks to carriers.

use super::*;

#[tokio::test]
async fn applications_and_trunks_come_back_as_they_were() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let sid = ApplicationSid::from_bytes([5; 16]);
    let mut application = Application::new(sid, ACCOUNT, Wall(5));
    application.friendly_name = Some("app".into());
    application.voice_method = Method::Get;
    store
        .applications()
        .insert(application.clone())
        .await
        .unwrap();
    let url = Some("https://app.test/voice".to_owned());
    let expected = url.clone();
    let changed = store
        .applications()
        .update(ACCOUNT, sid, move |application| application.voice_url = url)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.voice_url, expected);
    assert_eq!(
        store.applications().find(ACCOUNT, sid).await.unwrap(),
        Some(changed.clone())
    );
    let named = |name: &str| ApplicationFilter {
        friendly_name: Some(name.into()),
    };
    let list = store
        .applications()
        .list(ACCOUNT, &named("app"), &everything())
        .await
        .unwrap();
    assert_eq!(list.items, [changed]);
    let list = store
        .applications()
        .list(ACCOUNT, &named("no"), &everything())
        .await
        .unwrap();
    assert_eq!(list.items, []);
    let nothing = store
        .applications()
        .update(OTHER, sid, |_| ())
        .await
        .unwrap();
    assert_eq!(nothing, None);
    assert!(store.applications().remove(ACCOUNT, sid).await.unwrap());
    assert!(!store.applications().remove(ACCOUNT, sid).await.unwrap());

    let trunk = Trunk {
        sid: TrunkSid::from_bytes([6; 16]),
        account: ACCOUNT,
        name: "carrier".into(),
        host: "sip.carrier.test".into(),
        port: 5061,
        transport: Transport::Tls,
        username: Some("u".into()),
        password: Some("p".into()),
        sources: vec!["192.0.2.0/24".parse().unwrap()],
        default: true,
        prefixes: vec!["+49".into()],
        media: Default::default(),
        created: Wall(6),
        updated: Wall(6),
    };
    store.trunks().insert(trunk.clone()).await.unwrap();
    assert_eq!(
        store.trunks().all().await.unwrap(),
        std::slice::from_ref(&trunk)
    );
    let page = store.trunks().list(ACCOUNT, &everything()).await.unwrap();
    assert_eq!(page.items, [trunk]);
}
