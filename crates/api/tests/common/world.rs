//! A platform of one database and two silent ports, asked through its router.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use api::app::{App, Settings};
use api::browsers::{
    Browsers, Client, Impairment, NotReached, Receipt, Revoked, Subscribed, Subscription,
    UserDefinedMessage,
};
use api::control::health::Health;
use api::control::phones::{Knobs, Phone, PhoneFault, Phones};
use api::live::{Answering, LiveCalls, Modify, NotModified, Originate};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use model::account::{Account, AccountStatus, ApiKey, KeyClass};
use model::application::ToBrowsers;
use model::call::CallRecord;
use model::now::{Now, Wall};
use model::phone_number::{IncomingPhoneNumber, PhoneNumber};
use model::pii::Pii;
use model::sid::{
    AccountSid, ApplicationSid, CallSid, KeySid, PhoneNumberSid, UserDefinedMessageSubscriptionSid,
};
use serde_json::Value;
use store::{Location, Store};
use tower::ServiceExt;

pub const MAIN: AccountSid = AccountSid::from_bytes([1; 16]);
pub const SUB: AccountSid = AccountSid::from_bytes([2; 16]);
pub const STRANGER: AccountSid = AccountSid::from_bytes([3; 16]);
pub const NUMBER: &str = "+14155550100";

/// What reached the live calls; changes are answered by the given result.
#[derive(Default)]
pub struct Live {
    pub originated: Mutex<Vec<Originate>>,
    pub modified: Mutex<Vec<(CallSid, Modify)>>,
    pub answer: Mutex<Option<CallRecord>>,
    pub activated: Mutex<Vec<(AccountSid, bool)>>,
    pub to_browsers: Mutex<Vec<(ApplicationSid, ToBrowsers)>>,
}

impl LiveCalls for Live {
    fn originate(&self, originate: Originate) -> Answering<'_, ()> {
        self.originated.lock().unwrap().push(originate);
        Box::pin(async {})
    }
    fn activate(&self, account: AccountSid, active: bool) -> Answering<'_, ()> {
        self.activated.lock().unwrap().push((account, active));
        Box::pin(async {})
    }
    fn to_browsers(&self, application: ApplicationSid, told: ToBrowsers) -> Answering<'_, ()> {
        self.to_browsers.lock().unwrap().push((application, told));
        Box::pin(async {})
    }
    fn trunks_changed(&self) -> Answering<'_, ()> {
        Box::pin(async {})
    }
    fn modify(
        &self,
        call: CallSid,
        change: Modify,
    ) -> Answering<'_, Result<CallRecord, NotModified>> {
        self.modified.lock().unwrap().push((call, change));
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move { answer.ok_or(NotModified::NotInProgress) })
    }
}

/// What reached the browser phones; all is well unless `fault` says otherwise.
#[derive(Default)]
pub struct Pages {
    pub revoked: Mutex<Vec<Revoked>>,
    pub sent: Mutex<Vec<UserDefinedMessage>>,
    pub subscribed: Mutex<Vec<Subscription>>,
    pub impaired: Mutex<Vec<(CallSid, Impairment)>>,
    pub clients: Mutex<Vec<(AccountSid, Client)>>,
    pub fault: Mutex<Option<NotReached>>,
}

impl Pages {
    fn answer<T: Send + 'static>(&self, value: T) -> Answering<'_, Result<T, NotReached>> {
        let fault = *self.fault.lock().unwrap();
        Box::pin(async move { fault.map_or(Ok(value), Err) })
    }
}

impl Browsers for Pages {
    fn revoke(&self, revoked: Revoked) -> Answering<'_, ()> {
        self.revoked.lock().unwrap().push(revoked);
        Box::pin(async {})
    }
    fn send(&self, message: UserDefinedMessage) -> Answering<'_, Result<Receipt, NotReached>> {
        let (sid, created) = (message.sid, message.created);
        self.sent.lock().unwrap().push(message);
        self.answer(Receipt { sid, created })
    }
    fn subscribe(&self, made: Subscription) -> Answering<'_, Result<Subscribed, NotReached>> {
        let (sid, created) = (made.sid, made.created);
        self.subscribed.lock().unwrap().push(made);
        self.answer(Subscribed { sid, created })
    }
    fn unsubscribe(
        &self,
        call: CallSid,
        sid: UserDefinedMessageSubscriptionSid,
    ) -> Answering<'_, bool> {
        let mut all = self.subscribed.lock().unwrap();
        let before = all.len();
        all.retain(|one| one.call != call || one.sid != sid);
        let found = all.len() < before;
        Box::pin(async move { found })
    }
    fn clients(&self, account: AccountSid) -> Answering<'_, Vec<Client>> {
        let all = self.clients.lock().unwrap().clone();
        let of_it = all.into_iter().filter(move |(of, _)| *of == account);
        let of_it = of_it.map(|(_, client)| client).collect();
        Box::pin(async move { of_it })
    }
    fn impair(&self, call: CallSid, bad: Impairment) -> Answering<'_, Result<(), NotReached>> {
        self.impaired.lock().unwrap().push((call, bad));
        self.answer(())
    }
}

struct Quiet;

impl Phones for Quiet {
    fn list(&self) -> Answering<'_, Vec<Phone>> {
        Box::pin(async { vec![] })
    }
    fn set(&self, number: PhoneNumber, knobs: Knobs) -> Answering<'_, Result<Phone, PhoneFault>> {
        Box::pin(async {
            Ok(Phone {
                number,
                knobs,
                state: "idle".into(),
            })
        })
    }
    fn dial(&self, _: PhoneNumber, to: String) -> Answering<'_, Result<String, PhoneFault>> {
        Box::pin(async move { Err(PhoneFault::Refused(format!("cannot dial {to}"))) })
    }
    fn heard(&self, _: PhoneNumber) -> Answering<'_, Result<Vec<u8>, PhoneFault>> {
        Box::pin(async { Ok(b"RIFF".to_vec()) })
    }
}

impl Health for Quiet {
    fn ready(&self) -> Answering<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn metrics(&self) -> String {
        "calls 0\n".into()
    }
}

pub struct World {
    pub store: Store,
    pub live: Arc<Live>,
    pub pages: Arc<Pages>,
    /// Microseconds since 1970; moves by a second with every request.
    pub clock: Arc<AtomicI64>,
    router: Router,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
    /// The body, if the status is this.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }
    /// Checks the whole error body.
    #[track_caller]
    pub fn refused(&self, status: u16, code: u32) {
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(body["status"], status);
        assert!(body["message"].is_string() && body["more_info"].is_string());
    }
}

pub fn account(sid: AccountSid, owner: AccountSid, token: &str) -> Account {
    Account {
        sid,
        owner,
        friendly_name: "Test".into(),
        status: AccountStatus::Active,
        auth_token: Pii(token.into()),
        secondary_auth_token: None,
        created: Wall(1_600_000_000_000_000),
        updated: Wall(1_600_000_000_000_000),
    }
}

impl World {
    pub async fn new() -> World {
        World::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> World {
        let (store, writer) = Store::open(Location::Memory).await.unwrap();
        tokio::spawn(writer.run());
        for (sid, owner, token) in [
            (MAIN, MAIN, "main"),
            (SUB, MAIN, "sub"),
            (STRANGER, STRANGER, "stranger"),
        ] {
            store
                .accounts()
                .insert(account(sid, owner, token))
                .await
                .unwrap();
        }
        let number = IncomingPhoneNumber::new(
            PhoneNumberSid::from_bytes([9; 16]),
            MAIN,
            NUMBER.parse().unwrap(),
            Wall(1_600_000_000_000_000),
        );
        store.phone_numbers().insert(number).await.unwrap();
        let live = Arc::new(Live::default());
        let pages = Arc::new(Pages::default());
        let clock = Arc::new(AtomicI64::new(1_600_000_000_000_000));
        let (time, chance) = (clock.clone(), AtomicU64::new(1));
        let started = Instant::now();
        let app = App {
            store: store.clone(),
            live: live.clone(),
            browsers: pages.clone(),
            phones: Arc::new(Quiet),
            health: Arc::new(Quiet),
            settings: Arc::new(settings),
            clock: Arc::new(move || Now {
                instant: started,
                wall: Wall(time.load(Ordering::Relaxed)),
            }),
            random: Arc::new(move |bytes: &mut [u8]| {
                let drawn = chance.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = drawn[index % 8];
                }
            }),
        };
        World {
            store,
            live,
            pages,
            clock,
            router: api::router(app),
        }
    }

    pub async fn key(&self, byte: u8, class: KeyClass) -> KeySid {
        let key = ApiKey {
            sid: KeySid::from_bytes([byte; 16]),
            account: MAIN,
            friendly_name: String::new(),
            class,
            secret: Pii("secret".into()),
            created: Wall(1),
            updated: Wall(1),
        };
        let sid = key.sid;
        self.store.keys().insert(key).await.unwrap();
        sid
    }

    pub async fn raw(&self, request: Request<Body>) -> Reply {
        self.clock.fetch_add(1_000_000, Ordering::Relaxed);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A request with credentials `name:secret`.
    pub async fn asks(&self, who: &str, method: &str, path: &str, form: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:3000")
            .header("authorization", basic(who));
        let body = if form.is_empty() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/x-www-form-urlencoded");
            let mut out = url::form_urlencoded::Serializer::new(String::new());
            Body::from(out.extend_pairs(form).finish())
        };
        self.raw(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.asks(&format!("{MAIN}:main"), "GET", &at(path), &[])
            .await
    }
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.asks(&format!("{MAIN}:main"), "POST", &at(path), form)
            .await
    }
    pub async fn delete(&self, path: &str) -> Reply {
        self.asks(&format!("{MAIN}:main"), "DELETE", &at(path), &[])
            .await
    }
}

/// A path of the main account; others as they are.
fn at(path: &str) -> String {
    if path.starts_with("/2010") || path.starts_with("/v1") || path.starts_with("/_") {
        path.to_owned()
    } else {
        format!("/2010-04-01/Accounts/{MAIN}{path}")
    }
}

pub fn basic(who: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(who);
    format!("Basic {encoded}")
}
