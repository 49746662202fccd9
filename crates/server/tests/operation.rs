//! What an operator sees: log lines, health, figures. And what nobody may see there.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::{Folder, Reaction, Receiver, SOON, Server, eventually};
use serde_json::Value;

/// Secrets of different kinds, each of which would be recognised anywhere.
const URL_PASSWORD: &str = "hunter2inTheUrl";
const SIP_PASSWORD: &str = "hunter2ForSip";
const STORED_PASSWORD: &str = "Hunter2Stored99";
const WRONG_TOKEN: &str = "hunter2WrongToken";
const CARRIER_PASSWORD: &str = "hunter2Carrier";

#[tokio::test]
async fn no_secret_reaches_the_log_at_debug_level() {
    let folder = Folder::new();
    let server = Server::start(
        &folder,
        &[
            ("SWITCHBOARD_LOG", "debug"),
            ("SWITCHBOARD_LOG_FORMAT", "json"),
        ],
    )
    .await;
    // It wants the password of the URL, in digest and basic, and refuses it in the end.
    let receiver = Receiver::start(|got, _| match got.target.as_str() {
        "/locked" => Reaction::Status(401),
        _ => Reaction::Twiml("<Say>Hello.</Say>".to_owned()),
    })
    .await;
    let locked = receiver
        .url("/locked")
        .replace("://", &format!("://user:{URL_PASSWORD}@"));
    let open = receiver
        .url("/voice")
        .replace("://", &format!("://user:{URL_PASSWORD}@"));
    let mut secrets: Vec<String> = [
        URL_PASSWORD,
        SIP_PASSWORD,
        STORED_PASSWORD,
        WRONG_TOKEN,
        CARRIER_PASSWORD,
    ]
    .map(str::to_owned)
    .into();

    for url in [&locked, &open] {
        let form = [
            ("To", server.phone(0)),
            ("From", server.number("demo")),
            ("Url", url),
            ("StatusCallback", &open),
            ("FallbackUrl", &open),
        ];
        let sid = server.call(&form).await;
        server.reaches(&sid, "completed").await;
    }
    let form = [
        ("To", "sip:somebody@127.0.0.1:9"),
        ("From", server.number("demo")),
        ("Twiml", "<Response/>"),
        ("Timeout", "1"),
        ("SipAuthUsername", "user"),
        ("SipAuthPassword", SIP_PASSWORD),
    ];
    let unreachable = server.call(&form).await;
    eventually("the end of the call", SOON, async || {
        let record = server.record(&unreachable).await;
        harness::is_final(record["status"].as_str().unwrap()).then_some(())
    })
    .await;

    let (status, list) = server
        .api(
            "POST",
            "/SIP/CredentialLists.json",
            &[("FriendlyName", "l")],
        )
        .await;
    assert_eq!(status, 201, "{list}");
    let path = format!(
        "/SIP/CredentialLists/{}/Credentials.json",
        list["sid"].as_str().unwrap()
    );
    let form = [("Username", "carol"), ("Password", STORED_PASSWORD)];
    let (status, made) = server.api("POST", &path, &form).await;
    assert_eq!(status, 201, "{made}");
    let (status, key) = server
        .api("POST", "/Keys.json", &[("FriendlyName", "k")])
        .await;
    assert_eq!(status, 201, "{key}");
    secrets.push(key["secret"].as_str().unwrap().to_owned());
    let trunk = format!(
        "{{\"name\":\"t\",\"host\":\"127.0.0.1\",\"username\":\"u\",\"password\":\"{CARRIER_PASSWORD}\"}}"
    );
    let answer = server
        .try_request(
            "POST",
            "/_switchboard/v1/trunks",
            "application/json",
            trunk.into_bytes(),
        )
        .await
        .unwrap();
    assert_eq!(answer.0, 201, "{}", String::from_utf8_lossy(&answer.1));
    let wrong = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = wrong
        .get(format!("{}/2010-04-01/Accounts.json", server.fact("api")))
        .basic_auth(server.fact("account_sid"), Some(WRONG_TOKEN))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);

    secrets.push(server.fact("auth_token").to_owned());
    secrets.push(STANDARD.encode(format!(
        "{}:{}",
        server.fact("account_sid"),
        server.fact("auth_token")
    )));
    secrets.push(STANDARD.encode(format!("user:{URL_PASSWORD}")));
    let (status, _) = server.end().await;
    assert!(status.success());

    let log = std::fs::read_to_string(folder.0.join("log")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    // The search would find nothing in a log without anything.
    assert!(lines.len() > 10, "{} lines at debug level", lines.len());
    for line in lines {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for secret in &secrets {
            assert!(!line.contains(secret), "{secret} is in the log: {line}");
        }
    }
}

#[tokio::test]
async fn health_and_figures_are_those_of_the_moment() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // Whoever watches has no account.
    let get = async |path: &str| {
        let answer = http.get(format!("{}{path}", server.fact("api")));
        let answer = answer.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await.0, 200);
    assert_eq!(get("/readyz").await.0, 200);
    let figure = async |name: &str| {
        let (status, text) = get("/metrics").await;
        assert_eq!(status, 200);
        let mut found = None;
        for line in text.lines() {
            // The text format of Prometheus: comments, and names with values.
            if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
                continue;
            }
            let (key, value) = line.rsplit_once(' ').expect(line);
            let value: f64 = value.parse().expect(line);
            assert!(key.starts_with("switchboard_"), "{line}");
            if key == name {
                found = Some(value);
            }
        }
        found.unwrap_or_else(|| panic!("{name} is missing:\n{text}"))
    };
    assert_eq!(figure("switchboard_calls").await, 0.0);
    let form = [
        ("To", server.phone(0)),
        ("From", server.number("demo")),
        ("Twiml", "<Response><Pause length=\"60\"/></Response>"),
    ];
    let sid = server.call(&form).await;
    server.reaches(&sid, "in-progress").await;
    eventually("the call in the figures", SOON, async || {
        (figure("switchboard_calls").await == 1.0 && figure("switchboard_legs").await == 1.0)
            .then_some(())
    })
    .await;
    server.change(&sid, &[("Status", "completed")]).await;
    eventually("its end in the figures", SOON, async || {
        (figure("switchboard_calls").await == 0.0 && figure("switchboard_legs").await == 0.0)
            .then_some(())
    })
    .await;
}
