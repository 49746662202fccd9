//! The database as its users see it, on a real file.
#![allow(
    clippy::unwrap_used,
    reason = "a failed step fails the test, where it stands"
)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use model::account::{Account, AccountStatus, ApiKey, KeyClass};
use model::alert::{Alert, Level};
use model::application::Application;
use model::call::{CallRecord, CallStatus, Direction};
use model::credential_list::{Credential, CredentialList};
use model::error_code::ErrorCode;
use model::event::Event;
use model::ip_access_control_list::{IpAccessControlList, IpAddress, IpNetwork};
use model::method::Method;
use model::now::Wall;
use model::owed::Owed;
use model::page::{Page, PageRequest, PageSize};
use model::phone_number::{IncomingPhoneNumber, NumberType, OutgoingCallerId, PhoneNumber};
use model::sid::*;
use model::sip_domain::{MappedList, MappingUse, SipDomain, SipDomainMapping};
use model::trunk::{Transport, Trunk};
use store::*;
use tokio::task::JoinHandle;

/// A directory that goes when the test ends.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-store-{}-{count}", std::process::id());
        Place(std::env::temp_dir().join(name))
    }

    fn file(&self) -> Location {
        Location::File(self.0.join("data").join("switchboard.db"))
    }

    async fn open(&self) -> (Store, JoinHandle<()>) {
        let (store, writer) = Store::open(self.file()).await.unwrap();
        (store, tokio::spawn(writer.run()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const ACCOUNT: AccountSid = AccountSid::from_bytes([1; 16]);
const OTHER: AccountSid = AccountSid::from_bytes([2; 16]);

/// Sixteen bytes that tell a number.
fn bytes(number: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn call(number: u32, created: i64) -> CallRecord {
    CallRecord {
        to: "+15005550006".into(),
        from: "+15005550001".into(),
        ..CallRecord::new(
            CallSid::from_bytes(bytes(number)),
            ACCOUNT,
            Direction::OutboundApi,
            Wall(created),
        )
    }
}

fn ended(mut call: CallRecord, ended: i64) -> CallRecord {
    call.status = CallStatus::Completed;
    call.started = Some(call.created);
    call.ended = Some(Wall(ended));
    call
}

fn owed(stream: u32, text: &str, created: i64) -> Owed {
    Owed {
        account: ACCOUNT,
        call: CallSid::from_bytes(bytes(stream)),
        stream: CallSid::from_bytes(bytes(stream)),
        url: "https://app.test/status".into(),
        method: Method::Post,
        parameters: vec![("CallStatus".into(), text.into())],
        created: Wall(created),
    }
}

fn token(number: u32) -> IdempotencyToken {
    IdempotencyToken::from_bytes(bytes(number))
}

fn event(call: &CallRecord, url: &str, created: i64) -> Event {
    Event {
        account: call.account,
        call: call.sid,
        url: url.into(),
        method: Method::Get,
        parameters: vec![("a".into(), "1".into()), ("a".into(), "ü&".into())],
        response_code: Some(200),
        duration_ms: 12,
        content_type: Some("text/xml".into()),
        response_body: Some("<Response/>".into()),
        created: Wall(created),
    }
}

fn alert(number: u32, call: Option<&CallRecord>, level: Level, created: i64) -> Alert {
    Alert {
        sid: NotificationSid::from_bytes(bytes(number)),
        account: ACCOUNT,
        call: call.map(|call| call.sid),
        code: ErrorCode::FETCH_FAILED,
        level,
        text: "502".into(),
        request_url: Some("https://app.test/".into()),
        request_method: Some(Method::Get),
        request_variables: None,
        response_headers: None,
        response_body: None,
        created: Wall(created),
    }
}

async fn save(store: &Store, calls: Vec<CallRecord>) {
    let change = Change {
        calls,
        ..Change::default()
    };
    store.calls().save(change).await.unwrap();
}

fn request(size: u16) -> PageRequest {
    PageRequest {
        size: PageSize::new(size).unwrap(),
        ..PageRequest::default()
    }
}

fn everything() -> PageRequest {
    request(1000)
}

/// The parameter that tells what is due now, in order.
async fn due(store: &Store, now: i64) -> Vec<String> {
    let due = store.outbox().due(Wall(now), 100).await.unwrap();
    due.into_iter()
        .map(|due| due.owed.parameters[0].1.clone())
        .collect()
}

fn created<T>(page: &Page<T>, of: impl Fn(&T) -> i64) -> Vec<i64> {
    page.items.iter().map(of).collect()
}

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

fn number(number: u32, account: AccountSid, text: &str) -> IncomingPhoneNumber {
    let sid = PhoneNumberSid::from_bytes(bytes(number));
    let phone: PhoneNumber = text.parse().unwrap();
    IncomingPhoneNumber::new(sid, account, phone, Wall(number.into()))
}

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

#[tokio::test]
async fn without_a_writer_a_write_is_refused_not_lost_in_silence() {
    let (store, writer) = Store::open(Location::Memory).await.unwrap();
    drop(writer);
    let refused = store.calls().save(Change::default()).await;
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
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
