//! Whose tokens are good, and what becomes of calls, when accounts and keys are not what they were.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harness::{Folder, Receiver, SOON, Server, eventually};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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

/// RFC 2104 over SHA-256, for secrets of at most a block.
fn hmac(secret: &[u8], text: &str) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block
            .iter_mut()
            .zip(secret)
            .for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], text.as_bytes()].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

fn token(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = BASE64.encode(hmac(secret, &signed));
    format!("{signed}.{signature}")
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

/// What telemetry with this token is answered, and the code: it is let in by what a page is let in
/// by.
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
    (status, body["code"].as_u64().unwrap_or_default())
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
