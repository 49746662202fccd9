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
    // A second one whose document is not to be had, and a callback that arrives.
    let receiver = Receiver::start(|got, _| match got.target.as_str() {
        "/status" => Reaction::Empty,
        _ => Reaction::Status(500),
    })
    .await;
    let form = [
        ("To", server.phone(1)),
        ("From", server.number("demo")),
        ("Url", &receiver.url("/voice")),
        ("StatusCallback", &receiver.url("/status")),
    ];
    let other = server.call(&form).await;
    receiver.until("/status", &other, "completed").await;
    eventually("what has happened", SOON, async || {
        let ended = figure("switchboard_calls_ended_total{status=\"completed\"}").await;
        let told = figure("switchboard_callback_attempts_total{result=\"delivered\"}").await;
        (ended == 2.0 && told == 1.0).then_some(())
    })
    .await;
    assert_eq!(
        figure("switchboard_documents_total{result=\"failed\"}").await,
        1.0
    );
    for nothing in [
        "switchboard_calls_ended_total{status=\"busy\"}",
        "switchboard_calls_ended_total{status=\"no-answer\"}",
        "switchboard_calls_ended_total{status=\"canceled\"}",
        "switchboard_calls_ended_total{status=\"failed\"}",
        "switchboard_documents_total{result=\"answered\"}",
        "switchboard_callback_attempts_total{result=\"again\"}",
        "switchboard_callback_attempts_total{result=\"given-up\"}",
        "switchboard_sip_datagrams_dropped_total",
        "switchboard_owed_callbacks",
        "switchboard_uncommitted_batches",
        "switchboard_sip_dialogs",
        "switchboard_sip_connections",
    ] {
        eventually(nothing, SOON, async || {
            (figure(nothing).await == 0.0).then_some(())
        })
        .await;
    }
    // SIP remembers its transactions for a while (RFC 3261, 64*T1).
    for some in [
        "switchboard_sip_client_transactions",
        "switchboard_sip_timers",
        "switchboard_registrations",
        "switchboard_sip_server_transactions",
    ] {
        figure(some).await;
    }
    eventually("its end in the figures", SOON, async || {
        (figure("switchboard_calls").await == 0.0 && figure("switchboard_legs").await == 0.0)
            .then_some(())
    })
    .await;
}

/// Who cannot write anything down takes no new work, and says so until it can.
#[tokio::test]
async fn a_node_whose_database_is_held_by_another_is_not_ready() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = async || {
        let answer = http.get(format!("{}/readyz", server.fact("api")));
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    let another = rusqlite::Connection::open(folder.0.join(".switchboard/switchboard.db")).unwrap();
    another.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (status, said) = ready().await;
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("locked"), "{said}");
    another.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ready().await.0, 200);
}

#[tokio::test]
async fn addresses_over_tls_lead_back_over_tls() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    for at in 0..2 {
        // Two warnings make two pages.
        let form = [
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            ("Twiml", "<Response/>"),
            ("CallReason", "to be warned"),
        ];
        server.call(&form).await;
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        .danger_accept_invalid_certs(true)
        .build()
        .unwrap();
    let secure = server.fact("api_tls").to_owned();
    let mut url = format!("{secure}/v1/Alerts?PageSize=1");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer = http
            .get(&url)
            .basic_auth(server.fact("account_sid"), Some(server.fact("auth_token")))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        seen.push(page["alerts"][0]["sid"].as_str().unwrap().to_owned());
        assert!(page["meta"]["url"].as_str().unwrap().starts_with(&secure));
        let next = page["meta"]["next_page_url"].as_str();
        url = next.unwrap_or_default().to_owned();
    }
    assert_ne!(seen[0], seen[1]);
    // And over plain HTTP, plain HTTP.
    let (_, page) = server
        .try_request("GET", "/v1/Alerts?PageSize=1", "", Vec::new())
        .await
        .unwrap();
    let page: Value = serde_json::from_slice(&page).unwrap();
    let plain = page["meta"]["url"].as_str().unwrap().to_owned();
    assert!(plain.starts_with(server.fact("api")), "{plain}");
}

// rest-13
#[tokio::test]
async fn old_calls_are_forgotten_with_what_belongs_to_them() {
    let folder = Folder::new();
    // Two seconds and a half.
    let server = Server::start(&folder, &[("SWITCHBOARD_KEEP_DAYS", "0.00003")]).await;
    let form = |at: usize, twiml| {
        vec![
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            ("Twiml", twiml),
            ("CallReason", "to be warned"),
        ]
    };
    let long = form(1, "<Response><Pause length=\"60\"/></Response>");
    let short = form(0, "<Response/>");
    let (lives, ends) = (server.call(&long).await, server.call(&short).await);
    let (_, before) = server.api("GET", "/Notifications.json", &[]).await;
    assert!(before.to_string().contains(&ends), "{before}");
    let path = format!("/Calls/{ends}.json");
    eventually("the call is forgotten", SOON, async || {
        (server.api("GET", &path, &[]).await.0 == 404).then_some(())
    })
    .await;
    let (_, after) = server.api("GET", "/Notifications.json", &[]).await;
    assert!(!after.to_string().contains(&ends), "{after}");
    // One that lives is kept, however old.
    assert_eq!(server.record(&lives).await["status"], "in-progress");
    assert!(after.to_string().contains(&lives), "{after}");
}
