//! Pages at the running program: whose tokens are good, what the programs of their calls are asked,
//! and what pages are told when it goes wrong.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness/page.rs"]
mod page;
#[path = "harness/telephone.rs"]
mod telephone;

use std::time::{Duration, Instant};

use harness::{Folder, Got, Receiver, SOON, Server, eventually};
use page::{Page, access, capability, now, token};
use serde_json::{Value, json};
use sip::HeaderName;
use telephone::Telephone;

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(server: &Server, path: &str, form: &str) -> (u16, Value) {
    let (status, body) = server
        .try_request("POST", path, FORM, form.as_bytes().to_vec())
        .await
        .unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (status, body)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name}: {value}"))
}

/// The code with which a page that has this token is refused; 0 if it is let in.
async fn knocked(server: &Server, token: &str) -> u64 {
    let mut page = Page::knocks(server, token, "2.12.4").await;
    let (kind, payload) = page.one_of(&["connected", "error"]).await;
    let code = payload["error"]["code"].as_u64();
    assert_eq!(kind == "error", code.is_some(), "{payload}");
    code.unwrap_or_default()
}

/// What telemetry with this token is answered, and the code; a page with it is told the same.
async fn let_in(server: &Server, token: &str) -> (u16, u64) {
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build();
    let response = client
        .unwrap()
        .post(format!("{}/v4/EndpointEvents", server.fact("api")))
        .header("X-Twilio-Token", token)
        .body("{}")
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let code = body["code"].as_u64().unwrap_or_default();
    assert_eq!(knocked(server, token).await, code, "the page of {token}");
    (status, code)
}

/// voice-client-46
#[tokio::test]
async fn a_token_is_judged_by_what_is_stored_of_its_account_and_key() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let main = server.fact("account_sid").to_owned();
    let (status, sub) = post(&server, "/2010-04-01/Accounts.json", "FriendlyName=sub").await;
    assert_eq!(status, 201, "{sub}");
    let sub = text(&sub, "sid").to_owned();
    let keys = |account: &str| format!("/2010-04-01/Accounts/{account}/Keys.json");
    let (_, key) = post(&server, &keys(&main), "").await;
    let (_, of_sub) = post(&server, &keys(&sub), "").await;
    let (_, deleted) = post(&server, &keys(&main), "").await;
    let path = format!("/Keys/{}.json", text(&deleted, "sid"));
    assert_eq!(server.api("DELETE", &path, &[]).await.0, 204);

    let usual = json!({"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"});
    let claims = |key: &Value, account: &str| {
        json!({
            "jti": "x", "iss": key["sid"], "sub": account, "iat": now(), "exp": now() + 600,
            "grants": {"identity": "alice", "voice": {"incoming": {"allow": true}}},
        })
    };
    let secret = |key: &Value| text(key, "secret").as_bytes().to_vec();
    let with = |name: &str, value: Value| {
        let mut header = usual.clone();
        header[name] = value;
        token(&header, &claims(&key, &main), &secret(&key))
    };
    let late = |from: i64, to: i64| {
        let mut claims = claims(&key, &main);
        claims["nbf"] = json!(now() + from);
        claims["exp"] = json!(now() + to);
        token(&usual, &claims, &secret(&key))
    };
    let good = token(&usual, &claims(&key, &main), &secret(&key));
    let good_of_sub = token(&usual, &claims(&of_sub, &sub), &secret(&of_sub));
    let unsigned = |alg: &str| {
        let mut header = usual.clone();
        header["alg"] = json!(alg);
        let whole = token(&header, &claims(&key, &main), b"");
        let (signed, _) = whole.rsplit_once('.').unwrap();
        format!("{signed}.")
    };
    let forged = |other: &Value, account: &str, secret: &[u8]| {
        token(&usual, &claims(other, account), secret)
    };
    let secret_of_main = server.fact("auth_token").to_owned();
    // As generation 1 had them: signed with the auth token.
    let of_account = |account: &str, secret: &str| {
        let scope = "scope:client:incoming?clientName=alice";
        let claims = json!({"iss": account, "exp": now() + 600, "scope": scope});
        token(
            &json!({"typ": "JWT", "alg": "HS256"}),
            &claims,
            secret.as_bytes(),
        )
    };
    let nobody = "AC00000000000000000000000000000000";
    let table = [
        ("its own", good.clone(), (200, 0)),
        ("that of a subaccount", good_of_sub.clone(), (200, 0)),
        ("none", String::new(), (401, 31204)),
        (
            "a key that was deleted",
            forged(&deleted, &main, &secret(&deleted)),
            (401, 31204),
        ),
        (
            "the key of another account",
            forged(&key, &sub, &secret(&key)),
            (401, 31204),
        ),
        (
            "a subaccount's key for the main account",
            forged(&of_sub, &main, &secret(&of_sub)),
            (401, 31204),
        ),
        (
            "an account that is not there",
            forged(&key, nobody, &secret(&key)),
            (401, 31203),
        ),
        (
            "another secret",
            forged(&key, &main, b"guess"),
            (401, 31202),
        ),
        (
            "another key's secret",
            forged(&key, &main, &secret(&of_sub)),
            (401, 31202),
        ),
        ("an empty secret", forged(&key, &main, b""), (401, 31202)),
        (
            "the account's auth token",
            forged(&key, &main, server.fact("auth_token").as_bytes()),
            (401, 31202),
        ),
        ("no signature", unsigned("none"), (401, 31204)),
        (
            "an algorithm with public keys",
            unsigned("RS256"),
            (401, 31204),
        ),
        (
            "the usual algorithm without a signature",
            unsigned("HS256"),
            (401, 31202),
        ),
        (
            "a path for a key",
            with("kid", json!("../../tls.key")),
            (200, 0),
        ),
        (
            "an address for keys",
            with("jku", json!("http://127.0.0.1:1/")),
            (200, 0),
        ),
        ("another content", with("cty", json!("text")), (401, 31204)),
        (
            "a capability token",
            of_account(&main, &secret_of_main),
            (200, 0),
        ),
        (
            "a capability token with another secret",
            of_account(&main, "guess"),
            (401, 31202),
        ),
        (
            "a capability token of another account",
            of_account(&sub, &secret_of_main),
            (401, 31202),
        ),
        (
            "a capability token of an account that is not there",
            of_account(nobody, &secret_of_main),
            (401, 31203),
        ),
        ("one that is not good yet", late(600, 900), (401, 31204)),
        ("one that has expired", late(-900, -600), (401, 31205)),
        ("one that lives for too long", late(0, 90_000), (401, 31207)),
    ];
    for (name, token, wanted) in &table {
        assert_eq!(let_in(&server, token).await, *wanted, "{name}");
    }
    // `kid` and `jku` are not looked at: with another secret they do not help.
    let mut header = usual.clone();
    header["jku"] = json!("http://127.0.0.1:1/");
    let led = token(&header, &claims(&key, &main), b"guess");
    assert_eq!(let_in(&server, &led).await, (401, 31202));

    let account = format!("/2010-04-01/Accounts/{sub}.json");
    for (state, wanted) in [
        ("suspended", (401, 31203)),
        ("active", (200, 0)),
        ("closed", (401, 31203)),
    ] {
        let (status, changed) = post(&server, &account, &format!("Status={state}")).await;
        assert_eq!(status, 200, "{changed}");
        assert_eq!(let_in(&server, &good_of_sub).await, wanted, "{state}");
        assert_eq!(let_in(&server, &good).await, (200, 0));
    }
}

/// E3. voice-client-47
#[tokio::test]
async fn the_live_calls_of_a_suspended_account_end_if_the_operator_says_so() {
    for (policy, ends) in [("end", true), ("go-on", false)] {
        let folder = Folder::new();
        let server = Server::start(&folder, &[("SWITCHBOARD_SUSPENDED_CALLS", policy)]).await;
        let receiver = Receiver::with(&[]).await;
        let (_, sub) = post(&server, "/2010-04-01/Accounts.json", "FriendlyName=sub").await;
        let account = format!("/2010-04-01/Accounts/{}", text(&sub, "sid"));
        let number = format!("{account}/IncomingPhoneNumbers.json");
        let (status, bought) = post(&server, &number, "PhoneNumber=%2B14155550190").await;
        assert_eq!(status, 201, "{bought}");
        let told = url::form_urlencoded::byte_serialize(receiver.url("/told").as_bytes())
            .collect::<String>();
        let form = format!(
            "From=%2B14155550190&To={}&Twiml=%3CResponse%3E%3CPause+length%3D%2220%22%2F%3E%3C%2FResponse%3E&StatusCallback={told}",
            server.phone(0).replace('+', "%2B")
        );
        let (status, call) = post(&server, &format!("{account}/Calls.json"), &form).await;
        assert_eq!(status, 201, "{call}");
        let path = format!("{account}/Calls/{}.json", text(&call, "sid"));
        let status = async || {
            let (_, body) = server
                .try_request("GET", &path, FORM, Vec::new())
                .await
                .unwrap();
            let call: Value = serde_json::from_slice(&body).unwrap();
            text(&call, "status").to_owned()
        };
        eventually("the call is up", SOON, async || {
            (status().await == "in-progress").then_some(())
        })
        .await;
        let (changed, _) = post(&server, &format!("{account}.json"), "Status=suspended").await;
        assert_eq!(changed, 200);
        if ends {
            let last = receiver.first("/told").await;
            assert_eq!(last.get("CallStatus"), "completed");
        } else {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert!(receiver.got("/told").is_empty());
        }
        let (changed, _) = post(&server, &format!("{account}.json"), "Status=active").await;
        assert_eq!(changed, 200);
        assert_eq!(status().await == "completed", ends, "{policy}");
        assert_eq!(receiver.got("/told").len(), usize::from(ends), "once");
    }
}

/// An application at the running program; its SID.
async fn application(server: &Server, below: &str, url: &str) -> String {
    let encoded = url::form_urlencoded::byte_serialize(url.as_bytes()).collect::<String>();
    let path = format!("{below}/Applications.json");
    let (status, made) = post(server, &path, &format!("VoiceUrl={encoded}")).await;
    assert_eq!(status, 201, "{made}");
    text(&made, "sid").to_owned()
}

/// All values of a parameter.
fn all<'a>(got: &'a Got, name: &str) -> Vec<&'a str> {
    let named = got.form.0.iter().filter(|(key, _)| key == name);
    named.map(|(_, value)| value.as_str()).collect()
}

/// voice-client-12
#[tokio::test]
async fn words_of_the_page_and_of_its_token_reach_the_program_but_not_in_our_name() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[
        (
            "/voice",
            "<Gather numDigits=\"1\" action=\"/next\" timeout=\"20\"/>",
        ),
        ("/next", "<Hangup/>"),
    ])
    .await;
    let account = server.fact("account_sid").to_owned();
    let below = format!("/2010-04-01/Accounts/{account}");
    let application = application(&server, &below, &receiver.url("/voice")).await;
    let forged: Vec<_> = [
        "From",
        "Caller",
        "CallSid",
        "AccountSid",
        "ApiVersion",
        "Direction",
        "CallStatus",
        "ApplicationSid",
        "ParentCallSid",
        "ForwardedFrom",
        "CallerName",
        "AnsweredBy",
        "FromCity",
    ]
    .to_vec();
    let mut given = vec![
        ("To", "+15551230009"),
        ("team", "the page's"),
        ("note", "a b&c=d"),
        ("Digits", "9"),
    ];
    given.extend(forged.iter().map(|name| (*name, "forged")));
    let mut params = json!({"team": "red & blue", "level": 2});
    for name in &forged {
        params[*name] = json!("of the token");
    }
    let outgoing = json!({"application_sid": application, "params": params});
    let scope = format!(
        "scope:client:outgoing?appSid={application}&clientName=alice&appParams={}",
        url::form_urlencoded::byte_serialize(b"team=red%20%26%20blue&level=2&From=forged")
            .collect::<String>()
    );
    let tokens = [
        (access(&server, "alice", &outgoing), "2.12.4"),
        (capability(&server, &scope), "1.15.1"),
    ];
    for (round, (token, version)) in tokens.iter().enumerate() {
        let mut page = Page::listening(&server, token, version).await;
        page.connect(&given).await;
        let told = page.until("answer").await;
        let key = json!({"callsid": told["callsid"], "dtmf": "5"});
        page.say("dtmf", &key).await;
        page.until("hangup").await;
        for path in ["/voice", "/next"] {
            let got = receiver.got(path).remove(round);
            for (name, wanted) in [
                ("To", "+15551230009"),
                ("Called", "+15551230009"),
                ("From", "client:alice"),
                ("Caller", "client:alice"),
                ("AccountSid", &account),
                ("ApplicationSid", &application),
                ("ApiVersion", "2010-04-01"),
                ("Direction", "inbound"),
                ("team", "red & blue"),
                ("level", "2"),
                ("note", "a b&c=d"),
                // What we tell of the call ourselves stands alone.
                ("Digits", if path == "/next" { "5" } else { "9" }),
                ("FromCity", ""),
            ] {
                assert_eq!(all(&got, name), [wanted], "{version} {path} {name}");
            }
            assert_eq!(all(&got, "CallSid"), [text(&told, "callsid")], "{told}");
            let status = if path == "/voice" {
                "ringing"
            } else {
                "in-progress"
            };
            assert_eq!(all(&got, "CallStatus"), [status]);
            for name in ["ParentCallSid", "ForwardedFrom", "CallerName", "AnsweredBy"] {
                assert!(all(&got, name).is_empty(), "{name}");
            }
            assert!(got.is_signed(server.fact("auth_token")));
        }
    }
}

/// voice-client-13
#[tokio::test]
async fn a_page_whose_application_is_gone_is_told_so_and_its_owner_too() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[]).await;
    let main = format!("/2010-04-01/Accounts/{}", server.fact("account_sid"));
    let (_, sub) = post(&server, "/2010-04-01/Accounts.json", "FriendlyName=sub").await;
    let sub = format!("/2010-04-01/Accounts/{}", text(&sub, "sid"));
    let gone = application(&server, &main, &receiver.url("/voice")).await;
    let below = format!("/Applications/{gone}.json");
    assert_eq!(server.api("DELETE", &below, &[]).await.0, 204);
    let foreign = application(&server, &sub, &receiver.url("/voice")).await;
    for (sid, version) in [(&gone, "2.12.4"), (&foreign, "1.15.1")] {
        let outgoing = json!({ "application_sid": sid });
        let token = access(&server, "alice", &outgoing);
        let mut page = Page::listening(&server, &token, version).await;
        page.connect(&[("To", "x")]).await;
        let told = page.until("hangup").await;
        assert_eq!(told["error"]["code"], 31001, "{told}");
        assert!(
            text(&told["error"], "message").contains(sid.as_str()),
            "{told}"
        );
    }
    assert!(receiver.got("/voice").is_empty());
    // The same once a minute: a page may try again and again.
    let alert = eventually("an alert", SOON, async || {
        let (_, shown) = server.api("GET", "/Notifications.json", &[]).await;
        let all = shown["notifications"].as_array()?.clone();
        let mut found = all.into_iter().filter(|one| one["error_code"] == "31001");
        let first = found.next()?;
        assert!(found.next().is_none(), "{shown}");
        Some(first)
    })
    .await;
    assert_eq!(alert["log"], "0");
    assert!(text(&alert, "message_text").contains(&gone), "{alert}");
    let log = std::fs::read_to_string(folder.0.join("log")).unwrap();
    for sid in [&gone, &foreign] {
        let line = format!("There is no application {sid}");
        assert!(
            log.lines().any(|l| l.contains("WARN") && l.contains(&line)),
            "{log}"
        );
    }
}

/// dial-15
#[tokio::test]
async fn a_page_dials_a_number_only_with_a_caller_id() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[("SWITCHBOARD_CALLS_PER_SECOND", "20")]).await;
    let phone = server.phone(1).to_owned();
    let knobs = json!({ "answer_after_ms": 100, "hang_up_after_ms": 300 });
    server.knobs(&phone, knobs).await;
    let yours = server.number("yours").to_owned();
    let receiver = Receiver::start(move |got, _| {
        let path = got.target.split('?').next().unwrap_or_default();
        let shown = match got.get("show") {
            "" => String::new(),
            shown => format!("callerId=\"{}\"", shown.replace("yours", &yours)),
        };
        harness::Reaction::Twiml(match path {
            "/voice" => {
                format!("<Dial action=\"/after\" {shown}><Number>{phone}</Number></Dial>")
            }
            _ => "<Hangup/>".to_owned(),
        })
    })
    .await;
    let below = format!("/2010-04-01/Accounts/{}", server.fact("account_sid"));
    let application = application(&server, &below, &receiver.url("/voice")).await;
    let token = access(&server, "alice", &json!({ "application_sid": application }));
    for (round, (show, wanted)) in [
        ("", ("failed", "13214")),
        ("client:alice", ("failed", "13214")),
        ("yours", ("completed", "")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut page = Page::listening(&server, &token, "2.12.4").await;
        page.connect(&[("show", show)]).await;
        page.until("hangup").await;
        let after = receiver.got("/after").remove(round);
        let end = (after.get("DialCallStatus"), after.get("ErrorCode"));
        assert_eq!(end, wanted, "{show}: {after:?}");
        if wanted.1.is_empty() {
            continue;
        }
        let below = format!("/Calls/{}/Notifications.json", after.get("DialCallSid"));
        eventually("an alert", SOON, async || {
            let (_, shown) = server.api("GET", &below, &[]).await;
            (shown["notifications"][0]["error_code"] == "13214").then_some(())
        })
        .await;
    }
}

/// rest-calls-29
#[tokio::test]
async fn a_rest_call_from_a_client_shows_the_client() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[("SWITCHBOARD_CALLS_PER_SECOND", "20")]).await;
    let receiver = Receiver::with(&[("/told", "")]).await;
    let mut page = Page::registered(&server, &access(&server, "bob", &Value::Null), "2.12.4").await;
    let told = receiver.url("/told");
    let mut form = vec![
        ("To", "client:bob"),
        ("From", "client:alice"),
        ("Twiml", "<Response><Pause length=\"9\"/></Response>"),
        ("StatusCallback", &told),
    ];
    let sid = server.call(&form).await;
    let invite = page.until("invite").await;
    let parameters = &invite["parameters"];
    assert_eq!(
        (text(parameters, "From"), text(parameters, "To")),
        ("client:alice", "client:bob"),
        "{invite}"
    );
    assert_eq!(parameters["CallSid"], sid.as_str());
    page.say("reject", &json!({ "callsid": sid })).await;
    let call = server.reaches(&sid, "busy").await;
    assert_eq!(
        (text(&call, "from"), text(&call, "from_formatted")),
        ("client:alice", "client:alice")
    );
    let last = receiver.first("/told").await;
    for (name, wanted) in [
        ("From", "client:alice"),
        ("Caller", "client:alice"),
        ("Direction", "outbound-api"),
        ("CallStatus", "busy"),
    ] {
        assert_eq!(last.get(name), wanted, "{name}");
    }
    // So does a SIP phone.
    let mut desk = Telephone::of("alice").await;
    desk.register(&server).await;
    let to = format!("sip:alice@{}", server.fact("sip_domain"));
    form[0].1 = &to;
    let sid = server.call(&form).await;
    let (invite, at) = desk.request("INVITE").await;
    let from = invite.headers.value(HeaderName::From).unwrap().to_owned();
    assert!(from.contains("<sip:alice@"), "{from}");
    desk.answer(&invite, at, "486 Busy Here", "", "").await;
    let call = server.reaches(&sid, "busy").await;
    assert_eq!(text(&call, "from"), "client:alice");
    // Towards the telephone network a name is no number.
    form[0].1 = server.phone(0);
    let (status, refused) = server.api("POST", "/Calls.json", &form).await;
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!(21212)),
        "{refused}"
    );
}

/// voice-client-63
#[tokio::test]
async fn a_call_whose_sound_never_comes_ends_and_the_program_learns_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::with(&[
        ("/voice", "<Gather timeout=\"60\"/>"),
        (
            "/dial",
            "<Dial action=\"/after\"><Client>bob</Client></Dial>",
        ),
        ("/after", "<Pause length=\"1\"/><Redirect>/next</Redirect>"),
        ("/next", "<Hangup/>"),
    ])
    .await;
    // One is called, by a program that goes on when the call is over.
    let mut bob = Page::registered(&server, &access(&server, "bob", &Value::Null), "2.12.4").await;
    let form = [
        ("To", server.phone(0)),
        ("From", server.number("yours")),
        ("Url", &receiver.url("/dial")),
    ];
    let caller = server.call(&form).await;
    let invite = bob.until("invite").await;
    bob.accept(&invite).await;
    // The other calls.
    let below = format!("/2010-04-01/Accounts/{}", server.fact("account_sid"));
    let application = application(&server, &below, &receiver.url("/voice")).await;
    let token = access(&server, "alice", &json!({ "application_sid": application }));
    let mut page = Page::listening(&server, &token, "2.12.4").await;
    page.connect(&[]).await;
    let answer = page.until("answer").await;
    let began = Instant::now();
    let told = page.until("hangup").await;
    assert!(
        began.elapsed() > Duration::from_secs(10),
        "given up too soon"
    );
    assert_eq!(told["error"]["code"], 53405, "{told}");
    let sid = text(&answer, "callsid");
    server.reaches(sid, "completed").await;
    let below = format!("/Calls/{sid}/Notifications.json");
    eventually("an alert", SOON, async || {
        let (_, shown) = server.api("GET", &below, &[]).await;
        (shown["notifications"][0]["error_code"] == "32011").then_some(())
    })
    .await;
    let told = bob.until("hangup").await;
    assert_eq!(
        (&told["callsid"], &told["error"]["code"]),
        (&invite["callsid"], &json!(53405))
    );
    let after = receiver.first("/after").await;
    assert_eq!(after.get("CallSid"), caller);
    assert_eq!(after.get("DialCallSid"), text(&told, "callsid"));
    assert_eq!(after.get("DialCallStatus"), "completed", "{after:?}");
    receiver.first("/next").await;
    server.reaches(&caller, "completed").await;
}

/// dial-9, dial-10, dial-16
#[tokio::test]
async fn a_page_a_number_and_a_sip_phone_ring_together_and_whoever_answers_first_has_the_call() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[("SWITCHBOARD_CALLS_PER_SECOND", "20")]).await;
    let phone = server.phone(1).to_owned();
    let desk_address = format!("sip:bob@{}", server.fact("sip_domain"));
    let receiver = Receiver::with(&[("/after", "<Hangup/>")]).await;
    let told = receiver.url("/child");
    let callbacks = format!(
        "statusCallback=\"{told}\" statusCallbackEvent=\"initiated ringing answered completed\""
    );
    let twiml = format!(
        "<Response><Dial action=\"{}\" callerId=\"{}\"><Client {callbacks}>bob</Client>\
         <Number {callbacks}>{phone}</Number><Sip {callbacks}>{desk_address}</Sip></Dial></Response>",
        receiver.url("/after"),
        server.number("yours"),
    );
    let mut page = Page::registered(&server, &access(&server, "bob", &Value::Null), "2.12.4").await;
    let mut desk = Telephone::of("bob").await;
    desk.register(&server).await;
    let all = ["client:bob", &phone, &desk_address];
    let members = all.join(",");
    for (round, winner) in all.into_iter().enumerate() {
        let patience = if winner == phone { 1500 } else { 60_000 };
        let knobs = json!({ "answer_after_ms": patience, "hang_up_after_ms": 200 });
        server.knobs(&phone, knobs).await;
        let caller = server
            .call(&[
                ("To", server.phone(0)),
                ("From", server.number("demo")),
                ("Twiml", &twiml),
            ])
            .await;
        let invite = page.until("invite").await;
        let (asked, at) = desk.request("INVITE").await;
        desk.answer(&asked, at, "180 Ringing", "", "").await;
        let of = |to: &str| -> Vec<Got> {
            let told = receiver.got("/child").into_iter();
            told.filter(|got| got.get("ParentCallSid") == caller && got.get("To") == to)
                .collect()
        };
        eventually("all three ring", SOON, async || {
            let rings = |to: &&str| of(to).iter().any(|got| got.get("CallStatus") == "ringing");
            all.iter().all(rings).then_some(())
        })
        .await;
        if winner == "client:bob" {
            page.accept(&invite).await;
        } else if winner == desk_address {
            desk.pick_up(&asked, at).await;
            desk.request("ACK").await;
        }
        // Who lost is told.
        if winner != "client:bob" {
            let lost = page.until("cancel").await;
            assert_eq!(lost["callsid"], invite["callsid"]);
        }
        if winner != desk_address {
            let (cancel, _) = desk.request("CANCEL").await;
            desk.answer(&cancel, at, "200 OK", "", "").await;
            desk.answer(&asked, at, "487 Request Terminated", "", "")
                .await;
            desk.request("ACK").await;
        }
        if winner == "client:bob" {
            let over = json!({ "callsid": invite["callsid"] });
            page.say("hangup", &over).await;
        } else if winner == desk_address {
            server.change(&caller, &[("Status", "completed")]).await;
            let (bye, at) = desk.request("BYE").await;
            desk.answer(&bye, at, "200 OK", "", "").await;
        }
        let after = eventually("the action", SOON, async || {
            receiver.got("/after").into_iter().nth(round)
        })
        .await;
        assert_eq!(
            after.get("DialCallStatus"),
            "completed",
            "{winner}: {after:?}"
        );
        assert_eq!(after.get("DialBridged"), "true");
        server.reaches(&caller, "completed").await;
        for to in all {
            let told = eventually("the end of each", SOON, async || {
                let told = of(to);
                let last = told.last()?.get("CallStatus").to_owned();
                harness::is_final(&last).then_some(told)
            })
            .await;
            let words: Vec<_> = told.iter().map(|got| got.get("CallStatus")).collect();
            let wanted: &[&str] = match to == winner {
                true => &["initiated", "ringing", "in-progress", "completed"],
                false => &["initiated", "ringing", "canceled"],
            };
            assert_eq!(words, wanted, "{to}, when {winner} won");
            let last = told.last().unwrap();
            let by = (
                last.get("SwitchboardAnsweredBy"),
                last.get("SwitchboardGroupMembers"),
            );
            let lost = if to == winner {
                ("", "")
            } else {
                (winner, members.as_str())
            };
            assert_eq!(by, lost, "{to}");
            if to == winner {
                assert_eq!(last.get("CallSid"), after.get("DialCallSid"));
            }
        }
    }
}
