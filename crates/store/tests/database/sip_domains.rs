//! SIP domains and the lists that they consult.

use super::*;

#[tokio::test]
async fn sip_domains_consult_lists_that_cannot_go_meanwhile() {
    let place = Place::new();
    let (store, _writing) = place.open().await;
    let domain = SipDomain {
        sid: SipDomainSid::from_bytes([1; 16]),
        account: ACCOUNT,
        domain_name: "Office.sip.test".into(),
        friendly_name: "office".into(),
        voice_url: None,
        voice_method: Method::Post,
        voice_fallback_url: None,
        voice_fallback_method: Method::Post,
        voice_status_callback_url: None,
        voice_status_callback_method: Method::Post,
        sip_registration: true,
        emergency_calling_enabled: false,
        secure: false,
        byoc_trunk_sid: None,
        emergency_caller: None,
        created: Wall(1),
        updated: Wall(1),
    };
    let domains = store.sip_domains();
    domains.insert(domain.clone()).await.unwrap();
    let mut twin = domain.clone();
    twin.sid = SipDomainSid::from_bytes([2; 16]);
    twin.account = OTHER;
    twin.domain_name = "office.SIP.test".into();
    assert!(matches!(domains.insert(twin).await, Err(Error::Taken)));
    let found = domains.find_by_name("OFFICE.sip.test").await.unwrap();
    assert_eq!(found, Some(domain.clone()));

    let list = CredentialList {
        sid: CredentialListSid::from_bytes([3; 16]),
        account: ACCOUNT,
        friendly_name: "phones".into(),
        created: Wall(3),
        updated: Wall(3),
    };
    store.credential_lists().insert(list.clone()).await.unwrap();
    let credential = Credential {
        sid: CredentialSid::from_bytes([4; 16]),
        account: ACCOUNT,
        list: list.sid,
        username: "alice".into(),
        password: "correct Horse 1".into(),
        created: Wall(4),
        updated: Wall(4),
    };
    store
        .credentials()
        .insert(credential.clone())
        .await
        .unwrap();
    let mut same_name = credential.clone();
    same_name.sid = CredentialSid::from_bytes([5; 16]);
    assert!(matches!(
        store.credentials().insert(same_name).await,
        Err(Error::Taken)
    ));
    let members = store.credentials().all(list.sid).await.unwrap();
    assert_eq!(members, [credential]);

    let mapping = |purpose, list, created| SipDomainMapping {
        domain: domain.sid,
        purpose,
        list,
        created: Wall(created),
    };
    let ours = MappedList::Credentials(list.sid);
    let calls = mapping(MappingUse::Calls, ours, 5);
    domains.map(ACCOUNT, calls).await.unwrap();
    assert!(matches!(
        domains.map(ACCOUNT, calls).await,
        Err(Error::Taken)
    ));
    let registrations = mapping(MappingUse::Registrations, ours, 6);
    domains.map(ACCOUNT, registrations).await.unwrap();
    assert_eq!(
        domains.mappings(domain.sid).await.unwrap(),
        [calls, registrations]
    );
    let page = domains
        .list_mappings(
            domain.sid,
            MappingUse::Calls,
            MappingKind::Credentials,
            &everything(),
        )
        .await
        .unwrap();
    assert_eq!(page.items, [calls]);
    let page = domains
        .list_mappings(
            domain.sid,
            MappingUse::Calls,
            MappingKind::IpAccessControl,
            &everything(),
        )
        .await
        .unwrap();
    assert_eq!(page.items, []);
    let found = domains
        .find_mapping(domain.sid, MappingUse::Calls, ours)
        .await
        .unwrap();
    assert_eq!(found, Some(calls));

    let removal = store.credential_lists().remove(ACCOUNT, list.sid).await;
    assert!(matches!(removal, Err(Error::InUse(_))), "{removal:?}");
    assert!(
        domains
            .unmap(domain.sid, MappingUse::Calls, ours)
            .await
            .unwrap()
    );
    assert!(
        !domains
            .unmap(domain.sid, MappingUse::Calls, ours)
            .await
            .unwrap()
    );
    assert!(domains.remove(ACCOUNT, domain.sid).await.unwrap());
    assert!(
        store
            .credential_lists()
            .remove(ACCOUNT, list.sid)
            .await
            .unwrap()
    );
    assert_eq!(store.credentials().all(list.sid).await.unwrap(), []);

    let list = IpAccessControlList {
        sid: IpAccessControlListSid::from_bytes([7; 16]),
        account: ACCOUNT,
        friendly_name: "carriers".into(),
        created: Wall(7),
        updated: Wall(7),
    };
    store
        .ip_access_control_lists()
        .insert(list.clone())
        .await
        .unwrap();
    let address = IpAddress {
        sid: IpAddressSid::from_bytes([8; 16]),
        account: ACCOUNT,
        list: list.sid,
        friendly_name: "one".into(),
        network: IpNetwork::new("192.0.2.1".parse::<IpAddr>().unwrap(), 32).unwrap(),
        created: Wall(8),
        updated: Wall(8),
    };
    store.ip_addresses().insert(address.clone()).await.unwrap();
    let page = store
        .ip_addresses()
        .list(ACCOUNT, list.sid, &everything())
        .await
        .unwrap();
    assert_eq!(page.items, [address]);
}

#[tokio::test]
async fn no_more_members_than_a_list_may_have() {
    let (store, writer) = Store::open(Location::Memory).await.unwrap();
    let _writing = tokio::spawn(writer.run());
    let list = CredentialListSid::from_bytes([3; 16]);
    let credential = |n: u32| Credential {
        sid: CredentialSid::from_bytes(bytes(n)),
        account: ACCOUNT,
        list,
        username: format!("user{n}"),
        password: "p".into(),
        created: Wall(0),
        updated: Wall(0),
    };
    for n in 0..1000 {
        store.credentials().insert(credential(n)).await.unwrap();
    }
    let refused = store.credentials().insert(credential(1000)).await;
    assert!(
        matches!(refused, Err(Error::Full { limit: 1000, .. })),
        "{refused:?}"
    );
}
