//! The database as its users see it, on a real file.
#![allow(
    clippy::unwrap_used,
    reason = "a failed step fails the test, where it stands"
)]

mod accounts;
mod applications;
mod calls;
mod death;
mod file;
mod outbox;
mod phone_numbers;
mod sip_domains;
mod writer;

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
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
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

fn number(number: u32, account: AccountSid, text: &str) -> IncomingPhoneNumber {
    let sid = PhoneNumberSid::from_bytes(bytes(number));
    let phone: PhoneNumber = text.parse().unwrap();
    IncomingPhoneNumber::new(sid, account, phone, Wall(number.into()))
}
