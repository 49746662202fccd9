//! What a customer is told, and can read afterwards, about a call: callbacks, events, notifications.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::{Folder, Reaction, Receiver, SOON, Server, eventually};
use serde_json::Value;

const EVENTS: [(&str, &str); 4] = [
    ("StatusCallbackEvent", "initiated"),
    ("StatusCallbackEvent", "ringing"),
    ("StatusCallbackEvent", "answered"),
    ("StatusCallbackEvent", "completed"),
];

async fn started() -> (Folder, Server) {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    (folder, server)
}

/// The notification of a call with this code, in full.
async fn notification(server: &Server, call: &str, code: &str) -> Value {
    let path = format!("/Calls/{call}/Notifications.json");
    let uri = eventually("the notification is stored", SOON, async || {
        let (_, list) = server.api("GET", &path, &[]).await;
        let all = list["notifications"].as_array()?;
        let found = all.iter().find(|one| one["error_code"] == code)?;
        assert!(found.get("response_body").is_none(), "{found}");
        Some(found["sid"].as_str()?.to_owned())
    })
    .await;
    let path = format!("/Calls/{call}/Notifications/{uri}.json");
    let (status, shown) = server.api("GET", &path, &[]).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

// rest-8
#[tokio::test]
async fn what_was_wrong_with_an_answer_is_shown_with_it() {
    let (_folder, server) = started().await;
    let text = |status, kind: &str, body: &str| {
        let lines = format!("Content-Type: {kind}\r\nX-Why: {body}\r\n");
        Reaction::Answer(status, lines, body.to_owned())
    };
    let receiver = Receiver::start(move |got, _| match got.target.as_str() {
        "/broken" => text(500, "text/html", "out of order"),
        "/torn" => text(200, "text/xml", "<Response><Say>torn"),
        "/odd" => text(
            200,
            "text/xml",
            "<Response><Say colour='red'>Hi</Say></Response>",
        ),
        "/silent.mp3" => text(404, "text/plain", "no such song"),
        _ => Reaction::Empty,
    })
    .await;
    let song = format!(
        "<Response><Play>{}</Play></Response>",
        receiver.url("/silent.mp3")
    );
    for (at, path, code, body) in [
        (0, "/broken", "11200", "out of order"),
        (1, "/torn", "12100", "<Response><Say>torn"),
        (
            2,
            "/odd",
            "12200",
            "<Response><Say colour='red'>Hi</Say></Response>",
        ),
        (3, "/silent.mp3", "11200", "no such song"),
    ] {
        let url = receiver.url(path);
        let program = match path {
            "/silent.mp3" => ("Twiml", song.as_str()),
            _ => ("Url", url.as_str()),
        };
        let form = [
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            program,
        ];
        let call = server.call(&form).await;
        let shown = notification(&server, &call, code).await;
        assert_eq!(shown["request_url"], url, "{shown}");
        assert_eq!(shown["response_body"], body, "{shown}");
        let headers = shown["response_headers"].as_str().unwrap();
        let why = format!("x-why: {body}");
        assert!(
            headers.lines().any(|line| line.eq_ignore_ascii_case(&why)),
            "{headers}"
        );
        if program.0 == "Url" {
            assert_eq!(shown["request_method"], "POST");
            let sent = shown["request_variables"].as_str().unwrap();
            assert!(sent.contains(&format!("CallSid={call}&")), "{sent}");
        }
        let path = format!("/v1/Alerts/{}", shown["sid"].as_str().unwrap());
        let (status, alert) = server
            .try_request("GET", &path, "", Vec::new())
            .await
            .unwrap();
        let alert: Value = serde_json::from_slice(&alert).unwrap();
        assert_eq!(
            (status, &alert["response_body"]),
            (200, &shown["response_body"])
        );
        assert_eq!(alert["request_variables"], shown["request_variables"]);
    }
}

// rest-calls-22
#[tokio::test]
async fn the_events_of_a_call_are_all_there_in_the_order_of_time() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[
        ("/voice", "<Redirect>next</Redirect>"),
        ("/next", "<Pause length=\"60\"/>"),
        ("/last", "<Hangup/>"),
    ])
    .await;
    let (voice, callback) = (receiver.url("/voice"), receiver.url("/status"));
    let mut form = vec![
        ("To", server.phone(0)),
        ("From", server.number("demo")),
        ("Url", &voice),
        ("StatusCallback", &callback),
    ];
    form.extend(EVENTS);
    let sid = server.call(&form).await;
    receiver.first("/next").await;
    receiver.until("/status", &sid, "in-progress").await;
    let (status, _) = server
        .change(&sid, &[("Url", &receiver.url("/last"))])
        .await;
    assert_eq!(status, 200);
    receiver.until("/status", &sid, "completed").await;

    let path = format!("/Calls/{sid}/Events.json");
    let events = eventually("nine events", SOON, async || {
        let (_, list) = server.api("GET", &path, &[]).await;
        let events = list["events"].as_array()?.clone();
        (events.len() >= 9).then_some(events)
    })
    .await;
    let urls: Vec<&str> = events
        .iter()
        .map(|event| event["request"]["url"].as_str().unwrap())
        .collect();
    assert_eq!(urls.len(), 9, "{urls:?}");
    assert!(urls[0].ends_with("/Calls.json"), "{urls:?}");
    let at = |end: &str| {
        let mut found = urls
            .iter()
            .enumerate()
            .filter(|(_, url)| url.ends_with(end));
        let (at, _) = found.next().unwrap_or_else(|| panic!("{end}: {urls:?}"));
        assert!(found.next().is_none(), "{end} twice: {urls:?}");
        at
    };
    let changed = at(&format!("/Calls/{sid}.json"));
    assert!(at("/voice") < at("/next") && at("/next") < changed && changed < at("/last"));
    let told: Vec<&str> = events
        .iter()
        .filter(|event| event["request"]["url"] == callback)
        .map(|event| {
            event["request"]["parameters"]["call_status"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(told, ["initiated", "ringing", "in-progress", "completed"]);
    for event in &events {
        let (request, response) = (&event["request"], &event["response"]);
        assert_eq!(request["method"], "POST");
        let ours = request["url"]
            .as_str()
            .unwrap()
            .starts_with(&receiver.url(""));
        if !ours {
            continue;
        }
        assert_eq!(request["parameters"]["call_sid"], sid, "{event}");
        assert!(response["request_duration"].is_u64(), "{event}");
        let (code, body) = match request["url"].as_str().unwrap() {
            url if url == callback => (204, ""),
            url if url == voice => (200, "<Response><Redirect>next</Redirect></Response>"),
            url if url.ends_with("/last") => (200, "<Response><Hangup/></Response>"),
            _ => continue,
        };
        assert_eq!(response["response_code"], code, "{event}");
        assert_eq!(response["response_body"], body, "{event}");
    }
}

// rest-calls-23
#[tokio::test]
async fn a_callback_that_is_refused_is_told_once_and_not_repeated() {
    let (_folder, server) = started().await;
    let receiver = Receiver::start(|_, _| {
        Reaction::Answer(500, "X-Why: tired\r\n".to_owned(), "tired".to_owned())
    })
    .await;
    let form = [
        ("To", server.phone(0)),
        ("From", server.number("demo")),
        ("Twiml", "<Response><Hangup/></Response>"),
        ("StatusCallback", &receiver.url("/status")),
    ];
    let sid = server.call(&form).await;
    let shown = notification(&server, &sid, "15003").await;
    assert_eq!(shown["request_url"], receiver.url("/status"));
    assert_eq!(shown["response_body"], "tired");
    let sent = shown["request_variables"].as_str().unwrap();
    assert!(sent.contains("CallStatus=completed"), "{sent}");
    // Longer than the first waits of an outage.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(receiver.got("/status").len(), 1);
    let path = format!("/Calls/{sid}/Notifications.json");
    let (_, list) = server.api("GET", &path, &[]).await;
    assert_eq!(list["notifications"].as_array().unwrap().len(), 1, "{list}");
}

// rest-calls-24
#[tokio::test]
async fn a_call_keeps_its_cookies_to_itself() {
    let (_folder, server) = started().await;
    let receiver = Receiver::start(|got, before| {
        let document = |verbs: &str| format!("<Response>{verbs}</Response>");
        match got.target.as_str() {
            "/voice" => {
                let number = before.iter().filter(|got| got.target == "/voice").count();
                Reaction::Answer(
                    200,
                    format!("Content-Type: text/xml\r\nSet-Cookie: visit={number}; Path=/\r\n"),
                    document("<Redirect>/next</Redirect>"),
                )
            }
            _ => Reaction::Twiml("<Hangup/>".to_owned()),
        }
    })
    .await;
    let mut calls = Vec::new();
    for at in 0..2 {
        let form = [
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            ("Url", &receiver.url("/voice")),
            ("StatusCallback", &receiver.url("/status")),
        ];
        let sid = server.call(&form).await;
        receiver.until("/status", &sid, "completed").await;
        calls.push(sid);
    }
    for (number, sid) in calls.iter().enumerate() {
        let cookie = |path: &str| {
            let all = receiver.got(path);
            let mut about = all.iter().filter(|got| got.get("CallSid") == sid);
            about.next().unwrap().headers.get("cookie").cloned()
        };
        assert_eq!(cookie("/voice"), None);
        assert_eq!(cookie("/next"), Some(format!("visit={number}")));
        // Reports have none: they are no part of the conversation.
        assert_eq!(cookie("/status"), None);
    }
}

/// How far a call is.
fn rank(status: &str) -> usize {
    let steps = ["queued", "initiated", "ringing", "in-progress", "completed"];
    steps.iter().position(|step| *step == status).unwrap()
}

// rest-calls-25
#[tokio::test]
async fn who_reads_the_call_on_a_callback_sees_what_it_was_told() {
    let (_folder, server) = started().await;
    let address = server
        .fact("api")
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let (account, token) = (server.fact("account_sid"), server.fact("auth_token"));
    let credentials = STANDARD.encode(format!("{account}:{token}"));
    let account = account.to_owned();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let receiver = Receiver::start(move |got, _| {
        // Within the callback, before it is answered.
        let request = format!(
            "GET /2010-04-01/Accounts/{account}/Calls/{}.json HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: Basic {credentials}\r\nConnection: close\r\n\r\n",
            got.get("CallSid")
        );
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let call: Value = serde_json::from_str(body).unwrap();
        sees.lock().unwrap().push((
            got.get("CallStatus").to_owned(),
            call["status"].as_str().unwrap().to_owned(),
        ));
        Reaction::Empty
    })
    .await;
    let callback = receiver.url("/status");
    let mut calls = Vec::new();
    for at in 0..3 {
        let mut form = vec![
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            ("Twiml", "<Response><Pause length=\"1\"/></Response>"),
            ("StatusCallback", &callback),
        ];
        form.extend(EVENTS);
        calls.push(server.call(&form).await);
    }
    for sid in &calls {
        receiver.until("/status", sid, "completed").await;
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 4 * calls.len(), "{seen:?}");
    for (told, shown) in seen.iter() {
        // A record says queued until it rings: "initiated" is known to callbacks only.
        let told = if told == "initiated" { "queued" } else { told };
        assert!(rank(shown) >= rank(told), "told {told}, shown {shown}");
    }
    let ends = seen.iter().filter(|(told, _)| told == "completed");
    assert!(ends.clone().count() == 3 && ends.into_iter().all(|(_, shown)| shown == "completed"));
}

/// A SIP server that refuses every call, with a header of its own; the Call-IDs it saw.
fn refusing(socket: std::net::UdpSocket) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ids = seen.clone();
    std::thread::spawn(move || {
        let mut datagram = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if !text.starts_with("INVITE ") {
                continue;
            }
            let mut answer = "SIP/2.0 486 Busy Here\r\n".to_owned();
            for line in text.lines().take_while(|line| !line.is_empty()) {
                let name = line.split(':').next().unwrap().to_ascii_lowercase();
                match name.as_str() {
                    "via" | "from" | "cseq" => answer += &format!("{line}\r\n"),
                    "to" => answer += &format!("{line};tag=far\r\n"),
                    "call-id" => {
                        answer += &format!("{line}\r\n");
                        let id = line.split_once(':').unwrap().1.trim();
                        ids.lock().unwrap().push(id.to_owned());
                    }
                    _ => {}
                }
            }
            answer += "X-Why: on the phone\r\nContent-Length: 0\r\n\r\n";
            socket.send_to(answer.as_bytes(), from).unwrap();
        }
    });
    seen
}

// dial-13
#[tokio::test]
async fn the_action_of_a_dial_is_told_what_the_sip_server_said() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[("/after", "<Hangup/>")]).await;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let seen = refusing(socket);
    let twiml = format!(
        "<Response><Dial action=\"{}\"><Sip>sip:joey@127.0.0.1:{port}</Sip></Dial></Response>",
        receiver.url("/after")
    );
    let form = [
        ("To", server.phone(0)),
        ("From", server.number("demo")),
        ("Twiml", &twiml),
    ];
    server.call(&form).await;
    let after = receiver.first("/after").await;
    assert_eq!(after.get("DialCallStatus"), "busy", "{after:?}");
    assert_eq!(after.get("DialSipResponseCode"), "486");
    assert_eq!(
        after.get("DialSipHeader_X-Why"),
        "on the phone",
        "{after:?}"
    );
    assert_eq!(after.get("DialSipCallId"), seen.lock().unwrap()[0]);
}
