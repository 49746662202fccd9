//! Who may register and who may call, shown by telephones that the test plays itself.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness/telephone.rs"]
mod telephone;

use std::time::Duration;

use harness::{Folder, Receiver, SOON, Server, eventually};
use serde_json::{Value, json};
use sip::{HeaderName, Response};
use telephone::Telephone;

const PASSWORD: &str = "Switchboard1x";
/// A document that lasts until somebody hangs up.
const WAITING: &str = "<Echo/>";

/// Asks for something of an account that the development account owns, or of itself.
async fn ask(
    server: &Server,
    method: &str,
    account: &str,
    below: &str,
    form: &[(&str, &str)],
) -> (u16, Value) {
    let path = format!("/2010-04-01/Accounts/{account}{below}.json");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let kind = "application/x-www-form-urlencoded";
    let (status, body) = (server.try_request(method, &path, kind, body.into_bytes()))
        .await
        .expect("the API answers");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn make(server: &Server, account: &str, below: &str, form: &[(&str, &str)]) -> String {
    let (status, made) = ask(server, "POST", account, below, form).await;
    assert!(status < 300, "{below}: {made}");
    made["sid"].as_str().unwrap_or_default().to_owned()
}

/// A subaccount with a SIP domain of one user, carol.
struct Tenant {
    account: String,
    domain: String,
    domain_sid: String,
}

impl Tenant {
    async fn of(server: &Server, label: &str, url: &str) -> Self {
        let form = [("FriendlyName", label)];
        let path = "/2010-04-01/Accounts.json";
        let body = format!("FriendlyName={label}").into_bytes();
        let kind = "application/x-www-form-urlencoded";
        let (status, made) = server.try_request("POST", path, kind, body).await.unwrap();
        let made: Value = serde_json::from_slice(&made).unwrap();
        assert_eq!(status, 201, "{made}");
        let account = made["sid"].as_str().unwrap().to_owned();
        let list = make(server, &account, "/SIP/CredentialLists", &form).await;
        let below = format!("/SIP/CredentialLists/{list}/Credentials");
        let user = [("Username", "carol"), ("Password", PASSWORD)];
        make(server, &account, &below, &user).await;
        let domain = format!("{label}.sip.twilio.com");
        let form = [
            ("DomainName", domain.as_str()),
            ("VoiceUrl", url),
            ("SipRegistration", "true"),
        ];
        let domain_sid = make(server, &account, "/SIP/Domains", &form).await;
        for purpose in ["Calls", "Registrations"] {
            let below = format!("/SIP/Domains/{domain_sid}/Auth/{purpose}/CredentialListMappings");
            make(server, &account, &below, &[("CredentialListSid", &list)]).await;
        }
        Self {
            account,
            domain,
            domain_sid,
        }
    }

    /// Its user's telephone.
    async fn telephone(&self) -> Telephone {
        let mut telephone = Telephone::of("carol").await;
        telephone.password = PASSWORD.to_owned();
        telephone
    }

    async fn registers(&self, server: &Server, telephone: &mut Telephone) -> Response {
        let (uri, to) = (
            format!("sip:{}", self.domain),
            format!("sip:carol@{}", self.domain),
        );
        let contact = telephone.contact();
        let (response, ..) = telephone
            .ask(server, "REGISTER", &uri, &to, &contact, "")
            .await;
        response
    }

    async fn set(&self, server: &Server, status: &str) {
        make(server, &self.account, "", &[("Status", status)]).await;
    }

    /// Waits until its debugger shows this code.
    async fn is_told(&self, server: &Server, code: &str) {
        eventually(code, SOON, async || {
            let (_, page) = ask(server, "GET", &self.account, "/Notifications", &[]).await;
            let all = page["notifications"].as_array()?.clone();
            all.iter()
                .any(|one| one["error_code"] == code)
                .then_some(())
        })
        .await;
    }
}

fn error(response: &Response) -> Option<&str> {
    let name = HeaderName::parse("X-Twilio-Error");
    Some(response.headers.value(name)?.split(' ').next().unwrap())
}

// sip-registration-5
#[tokio::test]
async fn a_password_registers_its_own_user_only() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let (mut alice, mut bob) = (Telephone::of("alice").await, Telephone::of("bob").await);
    bob.register(&server).await;
    let contact = alice.contact();
    let (stolen, _) = alice.register_as(&server, "bob", &contact).await;
    assert_eq!(stolen.status, 403, "{stolen:?}");
    let all = "Contact: *\r\nExpires: 0\r\n";
    let (emptied, _) = alice.register_as(&server, "bob", all).await;
    assert_eq!(emptied.status, 403, "{emptied:?}");
    alice.register(&server).await;

    // Bob's telephone rings, and only his.
    let to = format!("sip:bob@{}", server.fact("sip_domain"));
    let sid = server
        .call(&[
            ("To", &to),
            ("From", server.number("demo")),
            ("Twiml", "<Response/>"),
        ])
        .await;
    let (invite, from) = bob.request("INVITE").await;
    bob.answer(&invite, from, "486 Busy Here", "", "").await;
    server.reaches(&sid, "busy").await;
    assert!(alice.hear_within(Duration::from_millis(50)).await.is_none());
}

// sip-calls-4
#[tokio::test]
async fn an_account_that_is_not_active_takes_neither_calls_nor_registrations() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[("/domain", WAITING), ("/number", WAITING)]).await;
    let tenant = Tenant::of(&server, "asleep", &receiver.url("/domain")).await;
    let url = receiver.url("/number");
    let number = [("PhoneNumber", "+12065550143"), ("VoiceUrl", url.as_str())];
    make(&server, &tenant.account, "/IncomingPhoneNumbers", &number).await;
    let mut carrier = Telephone::of("carrier").await;
    let trunk = json!({
        "name": "carrier", "host": "127.0.0.1", "port": carrier.address.port(), "sources": ["127.0.0.1"],
    });
    let (status, made) = server
        .try_request(
            "POST",
            "/_switchboard/v1/trunks",
            "application/json",
            trunk.to_string().into_bytes(),
        )
        .await
        .unwrap();
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&made));

    let mut carol = tenant.telephone().await;
    let description = carol.description();
    let desk = format!("sip:desk@{}", tenant.domain);
    let number = "sip:+12065550143@127.0.0.1";
    for (round, refusal) in [(1, None), (2, Some("suspended")), (3, None)] {
        tenant.set(&server, refusal.unwrap_or("active")).await;
        let (registered, expected) = (
            tenant.registers(&server, &mut carol).await,
            if refusal.is_some() { 403 } else { 200 },
        );
        assert_eq!(registered.status, expected, "round {round}: {registered:?}");
        let (answer, mut call) = carol.call(&server, &desk, &description).await;
        assert_eq!(answer.status, expected, "round {round}: {answer:?}");
        assert_eq!(error(&answer), refusal.map(|_| "32208"));
        if refusal.is_none() {
            carol.within(&server, &mut call, "BYE", "", "").await;
        }
        let (answer, mut call) = carrier.call(&server, number, &description).await;
        assert_eq!(answer.status, expected, "round {round}: {answer:?}");
        assert_eq!(error(&answer), refusal.map(|_| "10003"));
        if refusal.is_none() {
            carrier.within(&server, &mut call, "BYE", "", "").await;
        }
    }
    for code in ["32208", "10003"] {
        tenant.is_told(&server, code).await;
    }
    // One that is closed lets nobody in either, ever again.
    tenant.set(&server, "closed").await;
    let registered = tenant.registers(&server, &mut carol).await;
    assert_eq!(registered.status, 403, "{registered:?}");
    let (answer, _) = carol.call(&server, &desk, &description).await;
    assert!(answer.status == 403 || answer.status == 404, "{answer:?}");
}

// sip-calls-5
#[tokio::test]
async fn a_source_outside_the_lists_is_told_why() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[("/voice", WAITING)]).await;
    let tenant = Tenant::of(&server, "fenced", &receiver.url("/voice")).await;
    let lists = "/SIP/IpAccessControlLists";
    let list = make(
        &server,
        &tenant.account,
        lists,
        &[("FriendlyName", "office")],
    )
    .await;
    let addresses = format!("{lists}/{list}/IpAddresses");
    let office = [("FriendlyName", "office"), ("IpAddress", "192.0.2.1")];
    make(&server, &tenant.account, &addresses, &office).await;
    let mappings = format!(
        "/SIP/Domains/{}/Auth/Calls/IpAccessControlListMappings",
        tenant.domain_sid
    );
    let mapping = [("IpAccessControlListSid", list.as_str())];
    make(&server, &tenant.account, &mappings, &mapping).await;
    let mut carol = tenant.telephone().await;
    let (desk, description) = (format!("sip:desk@{}", tenant.domain), carol.description());
    let (refused, _) = carol.call(&server, &desk, &description).await;
    assert_eq!((refused.status, error(&refused)), (403, Some("32201")));
    tenant.is_told(&server, "32201").await;

    // From an address of the list the password still counts.
    let here = [("FriendlyName", "here"), ("IpAddress", "127.0.0.1")];
    make(&server, &tenant.account, &addresses, &here).await;
    let (answer, mut call) = carol.call(&server, &desk, &description).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    carol.within(&server, &mut call, "BYE", "", "").await;
    carol.password = "Switchboard1y".to_owned();
    let (refused, _) = carol.call(&server, &desk, &description).await;
    assert_eq!(refused.status, 401, "{refused:?}");
}

// sip-calls-6
#[tokio::test]
async fn a_secure_domain_takes_nothing_over_udp() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[("/voice", WAITING)]).await;
    let tenant = Tenant::of(&server, "secure", &receiver.url("/voice")).await;
    let mut carol = tenant.telephone().await;
    let (desk, description) = (format!("sip:desk@{}", tenant.domain), carol.description());
    let domain = format!("/SIP/Domains/{}", tenant.domain_sid);
    for (secure, expected) in [("true", 403), ("false", 200)] {
        make(&server, &tenant.account, &domain, &[("Secure", secure)]).await;
        let registered = tenant.registers(&server, &mut carol).await;
        assert_eq!(registered.status, expected, "{registered:?}");
        let (answer, mut call) = carol.call(&server, &desk, &description).await;
        assert_eq!(answer.status, expected, "{answer:?}");
        if expected == 200 {
            carol.within(&server, &mut call, "BYE", "", "").await;
        }
    }
}

// sip-calls-7
#[tokio::test]
async fn a_number_of_another_account_is_the_domains_to_judge() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[("/domain", WAITING), ("/own", WAITING)]).await;
    let tenant = Tenant::of(&server, "next-door", &receiver.url("/domain")).await;
    let mut carol = tenant.telephone().await;
    let description = carol.description();
    let url = receiver.url("/own");
    let own = [("PhoneNumber", "+12065550144"), ("VoiceUrl", url.as_str())];
    make(&server, &tenant.account, "/IncomingPhoneNumbers", &own).await;

    // The demo number belongs to the account of the development system.
    let demo = server.number("menu");
    let foreign = format!("sip:{demo}@{}", tenant.domain);
    let (answer, mut call) = carol.call(&server, &foreign, &description).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = receiver.first("/domain").await;
    assert_eq!(asked.get("AccountSid"), tenant.account);
    assert_eq!(asked.get("To"), foreign);
    assert_eq!(asked.get("SipDomain"), tenant.domain);
    carol.within(&server, &mut call, "BYE", "", "").await;

    // Its own account's number is its number.
    let number = format!("sip:+12065550144@{}", tenant.domain);
    let (answer, mut call) = carol.call(&server, &number, &description).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = receiver.first("/own").await;
    assert_eq!(asked.get("To"), "+12065550144");
    carol.within(&server, &mut call, "BYE", "", "").await;

    // And the seeded users reach the demo numbers.
    let mut alice = Telephone::of("alice").await;
    let number = format!("sip:{demo}@{}", server.fact("sip_domain"));
    let (answer, mut call) = alice.call(&server, &number, &description).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    alice.within(&server, &mut call, "BYE", "", "").await;
}

// sip-calls-8
#[tokio::test]
async fn what_began_encrypted_stays_encrypted() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let mut alice = Telephone::of("alice").await;
    let number = format!(
        "sip:{}@{}",
        server.number("echo"),
        server.fact("sip_domain")
    );
    let plain = alice.description();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
    let secure = plain.replace("RTP/AVP", "RTP/SAVP")
        + &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
    let (answer, mut call) = alice.call(&server, &number, &secure).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("RTP/SAVP"), "{body}");
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address);
    let refused = alice
        .within(&server, &mut call, "INVITE", &contact, &plain)
        .await;
    assert_eq!(refused.status, 488, "{refused:?}");
    // The call goes on as it was.
    let again = alice
        .within(&server, &mut call, "INVITE", &contact, &secure)
        .await;
    assert_eq!(again.status, 200, "{again:?}");
    let gone = alice.within(&server, &mut call, "BYE", "", "").await;
    assert_eq!(gone.status, 200);
}

/// A 503, and when to come back.
fn assert_later(response: &Response) {
    let after = response.headers.value(HeaderName::RetryAfter);
    assert_eq!(response.status, 503, "{response:?}");
    let after: u32 = after.expect("it says when").parse().unwrap();
    assert!(after > 0);
}

// sip-calls-9
#[tokio::test]
async fn a_full_house_says_when_to_come_back() {
    for full in [
        ("SWITCHBOARD_MAX_CALLS", "1"),
        ("SWITCHBOARD_MEDIA_PORTS", "34000-34001"),
    ] {
        let folder = Folder::new();
        let server = Server::start(&folder, &[full]).await;
        let echo = format!(
            "sip:{}@{}",
            server.number("echo"),
            server.fact("sip_domain")
        );
        let mut alice = Telephone::of("alice").await;
        let mut bob = Telephone::of("bob").await;
        let description = alice.description();
        let (answer, mut call) = alice.call(&server, &echo, &description).await;
        assert_eq!(answer.status, 200, "{full:?}: {answer:?}");
        let (refused, _) = bob.call(&server, &echo, &description).await;
        assert_later(&refused);
        alice.within(&server, &mut call, "BYE", "", "").await;
        let again = eventually("there is room again", SOON, async || {
            let (answer, call) = bob.call(&server, &echo, &description).await;
            (answer.status == 200).then_some(call)
        });
        let mut call = again.await;
        bob.within(&server, &mut call, "BYE", "", "").await;
    }
}

// sip-calls-10
#[tokio::test]
async fn a_trunk_made_while_it_runs_is_not_held_to_the_limit_of_strangers() {
    let folder = Folder::new();
    let limit = [
        ("SWITCHBOARD_SIP_REQUESTS_PER_SECOND", "1"),
        ("SWITCHBOARD_SIP_REQUESTS_AT_ONCE", "5"),
    ];
    let server = Server::start(&folder, &limit).await;
    let trunk = format!("/_switchboard/v1/trunks/TK{:032x}", 1);
    let sends_from = async |network: &str| {
        let body = json!({ "sources": [network] }).to_string().into_bytes();
        let (status, _) = server
            .try_request("POST", &trunk, "application/json", body)
            .await
            .unwrap();
        assert_eq!(status, 200);
    };
    let mut stranger = Telephone::of("stranger").await;
    // The trunk of the virtual telephones is on this computer: here it moves away.
    sends_from("192.0.2.0/24").await;
    assert!((5..12).contains(&taken(&server, &mut stranger).await));
    sends_from("127.0.0.64/25").await;
    eventually("the network is trusted", SOON, async || {
        (taken(&server, &mut stranger).await == 12).then_some(())
    })
    .await;
}

/// How many of twelve requests are taken before one is refused.
async fn taken(server: &Server, telephone: &mut Telephone) -> usize {
    for at in 0..12 {
        let uri = "sip:x@127.0.0.1";
        let (response, ..) = telephone.ask(server, "OPTIONS", uri, uri, "", "").await;
        if response.status != 200 {
            assert_later(&response);
            return at;
        }
    }
    12
}

// sip-calls-11
#[tokio::test]
async fn telephones_are_told_where_we_can_be_reached() {
    for (variable, expected) in [
        (
            ("SWITCHBOARD_PUBLIC_HOST", "203.0.113.7"),
            Some("203.0.113.7"),
        ),
        (("SWITCHBOARD_SIP", "0.0.0.0:0"), None),
    ] {
        let folder = Folder::new();
        let server = Server::start(&folder, &[variable]).await;
        let echo = format!(
            "sip:{}@{}",
            server.number("echo"),
            server.fact("sip_domain")
        );
        let mut alice = Telephone::of("alice").await;
        let description = alice.description();
        let (answer, mut call) = alice.call(&server, &echo, &description).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let contact = sip::Uri::parse(&call.uri).unwrap().host;
        for said in [
            body.lines().find(|line| line.starts_with("c=")).unwrap(),
            body.lines().find(|line| line.starts_with("o=")).unwrap(),
            &format!("IP4 {contact}"),
        ] {
            let address = said.split("IP4 ").nth(1).unwrap().trim();
            match expected {
                Some(expected) => assert_eq!(address, expected, "{said}"),
                None => assert_ne!(address, "0.0.0.0", "{said}"),
            }
        }
        alice.within(&server, &mut call, "BYE", "", "").await;
        // The telephones of the simulated network are inside, and hear us all the same.
        let phone = server.phone(0);
        let sid = server
            .call(&[
                ("To", phone),
                ("From", server.number("demo")),
                ("Twiml", "<Response><Say>Good morning.</Say></Response>"),
            ])
            .await;
        server.reaches(&sid, "completed").await;
        let heard = server.heard(phone).await;
        assert!(heard.iter().any(|sample| sample.abs() > 1_000));
    }
}
