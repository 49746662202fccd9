//! `…/Calls` through the router: docs/compat/rest-calls.md.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use std::time::Duration;

use api::live::{Modify, Redirect};
use common::{MAIN, NUMBER, SUB, World};
use model::application::ToBrowsers;
use model::call::{CallRecord, CallStatus};
use model::late_answer::LateAnswer;
use model::method::Method;
use model::notices::Notices;
use model::now::Wall;
use serde_json::{Value, json};

const URL: &str = "http://example.com/twiml";

/// The least that a call needs, and some more.
async fn place(world: &World, more: &[(&str, &str)]) -> common::Reply {
    let mut form: Vec<(&str, &str)> = more.to_vec();
    for (name, value) in [("To", "+14155550123"), ("From", NUMBER), ("Url", URL)] {
        if !form.iter().any(|(given, _)| *given == name) {
            form.push((name, value));
        }
    }
    world.post("/Calls.json", &form).await
}

async fn record(world: &World, body: &Value) -> CallRecord {
    let sid = body["sid"].as_str().unwrap().parse().unwrap();
    world.store.calls().find(MAIN, sid).await.unwrap().unwrap()
}

async fn finish(world: &World, body: &Value) -> CallRecord {
    let mut call = record(world, body).await;
    call.status = CallStatus::Completed;
    call.started = Some(call.created);
    call.answered = Some(call.created);
    call.ended = Some(Wall(call.created.0 + 2_500_000));
    let change = store::Change {
        calls: vec![call.clone()],
        dequeued: vec![call.sid],
        ..store::Change::default()
    };
    world.store.calls().save(change).await.unwrap();
    call
}

#[tokio::test]
async fn a_call_is_stored_with_its_queue_entry_before_it_is_begun() {
    let world = World::new().await;
    let body = place(&world, &[]).await.ok(201);
    assert_eq!(body["status"], "queued");
    assert_eq!(body["direction"], "outbound-api");
    assert_eq!(body["to_formatted"], "(415) 555-0123");
    assert_eq!(body["date_created"], "Sun, 13 Sep 2020 12:26:41 +0000");
    assert_eq!(body["phone_number_sid"], format!("PN{}", "09".repeat(16)));
    for absent in [
        "duration",
        "start_time",
        "end_time",
        "price",
        "parent_call_sid",
        "answered_by",
    ] {
        assert_eq!(body[absent], Value::Null, "{absent}");
    }
    assert_eq!(body["queue_time"], "0");
    assert_eq!(body["subresource_uris"].as_object().unwrap().len(), 11);
    let queued = world.store.queued_calls().first(MAIN, 10).await.unwrap();
    assert_eq!(queued.len(), 1);
    let originated = world.live.originated.lock().unwrap().clone();
    assert_eq!(originated.len(), 1);
    let payload: api::live::Originate = serde_json::from_str(&queued[0].payload).unwrap();
    assert_eq!(payload, originated[0]);
    assert_eq!(payload.timeout, Duration::from_secs(60));
    assert_eq!(payload.time_limit, Duration::from_secs(14_400));
    assert_eq!(payload.instructions.method, Method::Post);
    assert!(payload.instructions.status_callback_events.completed);
    let sid = body["sid"].as_str().unwrap();
    let events = world
        .get(&format!("/Calls/{sid}/Events.json"))
        .await
        .ok(200);
    assert_eq!(
        events["events"][0]["request"]["parameters"]["to"],
        "+14155550123"
    );
    assert_eq!(events["events"][0]["response"]["response_code"], 201);
}

#[tokio::test]
async fn every_documented_refusal_has_its_code() {
    let world = World::new().await;
    let long = "a".repeat(256);
    let twiml = "a".repeat(4001);
    let digits = "1".repeat(33);
    let headers = format!("sip:a@example.com?X-A={}", "a".repeat(1024));
    let no_app = format!("AP{}", "0".repeat(32));
    let cases: &[(&[(&str, &str)], u32)] = &[
        (&[("To", "")], 21201),
        (&[("From", "")], 21213),
        (&[("Url", "")], 21205),
        (&[("Url", "not a url")], 21205),
        (&[("Url", "ftp://example.com")], 21205),
        (&[("FallbackUrl", "x")], 21205),
        (&[("StatusCallback", "/relative")], 21205),
        (&[("To", "12")], 21211),
        (&[("To", "nobody")], 21211),
        (&[("From", "joey")], 21212),
        (&[("From", "+14155550199")], 21210),
        (&[("SendDigits", "12x")], 21206),
        (&[("SendDigits", &digits)], 21206),
        (&[("IfMachine", "Maybe")], 21207),
        (&[("Timeout", "0")], 21208),
        (&[("Timeout", "601")], 21208),
        (&[("Timeout", "soon")], 21208),
        (&[("Method", "PUT")], 21209),
        (&[("FallbackMethod", "PUT")], 21209),
        (&[("StatusCallbackMethod", "PUT")], 21209),
        (&[("ApplicationSid", "AP1")], 21218),
        (&[("ApplicationSid", &no_app)], 21218),
        (&[("SipAuthUsername", &long)], 21221),
        (&[("SipAuthUsername", "a b")], 21222),
        (&[("SipAuthPassword", &long)], 21223),
        (&[("SipAuthPassword", "a\"b")], 21224),
        (&[("SipAuthUsername", "joey")], 21225),
        (&[("To", "sip:a@example.com?X-A")], 21227),
        (&[("To", &headers)], 21228),
        (&[("To", "sip:a@example.com?Via=1")], 21229),
        (&[("MachineDetection", "Yes")], 21234),
        (&[("MachineDetectionTimeout", "2")], 21234),
        (&[("MachineDetectionSpeechThreshold", "999")], 21234),
        (&[("MachineDetectionSpeechEndThreshold", "499")], 21234),
        (&[("MachineDetectionSilenceTimeout", "10001")], 21234),
        (&[("AsyncAmd", "maybe")], 21234),
        (&[("TimeLimit", "long")], 20422),
        (&[("Record", "maybe")], 20422),
        (&[("RecordingChannels", "three")], 20422),
    ];
    for (form, code) in cases {
        let reply = place(&world, form).await;
        assert_eq!(reply.json()["code"], *code, "{form:?}: {}", reply.text);
        reply.refused(400, *code);
    }
    let form = [("To", "+14155550123"), ("From", NUMBER), ("Twiml", &twiml)];
    world.post("/Calls.json", &form).await.refused(400, 32018);
    assert!(world.live.originated.lock().unwrap().is_empty());
    assert!(
        world
            .store
            .queued_calls()
            .first(MAIN, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn checks_come_in_the_documented_order() {
    let world = World::new().await;
    let all_wrong = [("To", ""), ("From", ""), ("Url", "")];
    place(&world, &all_wrong).await.refused(400, 21201);
    place(&world, &all_wrong[1..]).await.refused(400, 21213);
    place(&world, &[("To", "12"), ("Url", "")])
        .await
        .refused(400, 21205);
    place(&world, &[("To", "12"), ("From", "joey")])
        .await
        .refused(400, 21211);
}

#[tokio::test]
async fn an_application_replaces_the_urls_of_the_request() {
    let world = World::new().await;
    let form = [
        ("VoiceUrl", "http://example.com/app"),
        ("VoiceMethod", "GET"),
    ];
    let app = world.post("/Applications.json", &form).await.ok(201);
    let sid = app["sid"].as_str().unwrap();
    let more = [
        ("ApplicationSid", sid),
        ("StatusCallback", "http://example.com/cb"),
    ];
    place(&world, &more).await.ok(201);
    let originated = world.live.originated.lock().unwrap().clone();
    let instructions = &originated[0].instructions;
    assert_eq!(instructions.url.as_deref(), Some("http://example.com/app"));
    assert_eq!(instructions.method, Method::Get);
    assert_eq!(instructions.status_callback, None);
    assert_eq!(originated[0].record.application.unwrap().to_string(), sid);
}

#[tokio::test]
async fn url_beats_twiml_with_a_warning() {
    let world = World::new().await;
    let body = place(&world, &[("Twiml", "<Response/>")]).await.ok(201);
    let instructions = world.live.originated.lock().unwrap()[0]
        .instructions
        .clone();
    assert_eq!(
        (instructions.url.as_deref(), instructions.twiml),
        (Some(URL), None)
    );
    let sid = body["sid"].as_str().unwrap();
    let notes = world
        .get(&format!("/Calls/{sid}/Notifications.json"))
        .await
        .ok(200);
    assert_eq!(notes["notifications"][0]["error_code"], "32019");
    assert_eq!(notes["notifications"][0]["log"], "1");
    let note = notes["notifications"][0]["sid"].as_str().unwrap();
    let one = world
        .get(&format!("/Notifications/{note}.json"))
        .await
        .ok(200);
    assert_eq!(one["call_sid"], sid);
    let alerts = world.get("/v1/Alerts").await.ok(200);
    assert_eq!(alerts["alerts"][0]["sid"], note);
    assert_eq!(alerts["meta"]["key"], "alerts");
    let none = world
        .get(&format!("/Calls/{sid}/Notifications.json?Log=0"))
        .await
        .ok(200);
    assert_eq!(none["notifications"], json!([]));
}

#[tokio::test]
async fn repeated_events_are_all_taken_and_unknown_ones_are_ignored() {
    let world = World::new().await;
    let more = [
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "answered ringing"),
        ("StatusCallbackEvent", "exploded"),
        ("Nonsense", "ignored"),
    ];
    place(&world, &more).await.ok(201);
    let events = world.live.originated.lock().unwrap()[0]
        .instructions
        .status_callback_events;
    assert!(events.initiated && events.ringing && events.answered && !events.completed);
}

#[tokio::test]
async fn clients_and_sip_may_be_called_from_anything() {
    let world = World::new().await;
    let body = place(&world, &[("To", "client:joey?room=7"), ("From", "Alice")])
        .await
        .ok(201);
    assert_eq!(
        (&body["to"], &body["from"]),
        (&json!("client:joey"), &json!("Alice"))
    );
    let more = [
        ("To", "sip:joey@example.com;transport=tcp?X-Room=7"),
        ("SipAuthUsername", "joey"),
        ("SipAuthPassword", "pa$$"),
    ];
    place(&world, &more).await.ok(201);
    let originated = world.live.originated.lock().unwrap()[1].clone();
    assert_eq!(originated.sip_auth, Some(("joey".into(), "pa$$".into())));
    assert!(!format!("{:?}", originated.parameters).contains("pa$$"));
    // rest-calls-29
    for to in ["client:joey", "sip:joey@example.com"] {
        let body = place(&world, &[("To", to), ("From", "client:alice")])
            .await
            .ok(201);
        assert_eq!(
            (&body["from"], &body["from_formatted"]),
            (&json!("client:alice"), &json!("client:alice"))
        );
    }
    place(&world, &[("From", "client:alice")])
        .await
        .refused(400, 21212);
}

#[tokio::test]
async fn a_list_is_walked_by_tokens_and_back() {
    let world = World::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let body = place(&world, &[]).await.ok(201);
        made.insert(0, body["sid"].as_str().unwrap().to_owned());
    }
    let to = "To=%2B14155550123";
    let mut seen = Vec::new();
    let mut pages = Vec::new();
    let mut next = format!("/Calls.json?{to}&PageSize=2");
    loop {
        let page = world.get(&next).await.ok(200);
        for call in page["calls"].as_array().unwrap() {
            seen.push(call["sid"].as_str().unwrap().to_owned());
        }
        pages.push(page.clone());
        match page["next_page_uri"].as_str() {
            Some(uri) => next = uri.to_owned(),
            None => break,
        }
        // Somebody calls in between: the pages do not shift.
        place(&world, &[]).await.ok(201);
    }
    assert_eq!(seen, made);
    let (first, second, third) = (&pages[0], &pages[1], &pages[2]);
    assert_eq!(
        (&first["start"], &first["end"], &first["page"]),
        (&json!(0), &json!(1), &json!(0))
    );
    assert_eq!(
        (&second["start"], &second["end"], &second["page"]),
        (&json!(2), &json!(3), &json!(1))
    );
    assert_eq!((&third["start"], &third["end"]), (&json!(4), &json!(4)));
    assert_eq!(first["previous_page_uri"], Value::Null);
    let base = format!("/2010-04-01/Accounts/{MAIN}/Calls.json?{to}&PageSize=2&Page=");
    assert_eq!(first["first_page_uri"], format!("{base}0"));
    assert!(
        first["next_page_uri"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{base}1&PageToken=PA"))
    );
    let back = world
        .get(third["previous_page_uri"].as_str().unwrap())
        .await
        .ok(200);
    assert_eq!(back["calls"], second["calls"]);
    let keys: Vec<_> = first.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "page",
            "page_size",
            "start",
            "end",
            "uri",
            "first_page_uri",
            "next_page_uri",
            "previous_page_uri",
            "calls"
        ]
    );
    let empty = world.get("/Calls.json?Status=busy").await.ok(200);
    assert_eq!(
        (&empty["start"], &empty["end"], &empty["calls"]),
        (&json!(0), &json!(0), &json!([]))
    );
    assert_eq!(empty["page_size"], 50);
}

#[tokio::test]
async fn bad_page_sizes_and_tokens_are_refused() {
    let world = World::new().await;
    for size in ["1001", "0", "many"] {
        world
            .get(&format!("/Calls.json?PageSize={size}"))
            .await
            .refused(400, 20007);
    }
    world
        .get("/Calls.json?PageToken=nonsense")
        .await
        .refused(400, 21481);
}

#[tokio::test]
async fn a_list_is_filtered() {
    let world = World::new().await;
    let one = place(&world, &[]).await.ok(201);
    let other = place(&world, &[("To", "client:joey")]).await.ok(201);
    let ended = finish(&world, &one).await;
    let count = async |query: &str| {
        let page = world.get(&format!("/Calls.json?{query}")).await.ok(200);
        page["calls"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 2);
    for (query, expected) in [
        ("Status=completed", 1),
        ("Status=queued", 1),
        ("To=client:joey", 1),
        ("To=4155550123", 1),
        ("From=%2B14155550100", 2),
        ("From=+14155550100", 2),
        ("ParentCallSid=CA00000000000000000000000000000000", 0),
        ("StartTime=2020-09-13", 1),
        ("StartTime=2020-09-14", 0),
        ("StartTime%3E=2020-09-13", 1),
        ("StartTime%3E=2020-09-14", 0),
        ("StartTime%3C=2020-09-13", 1),
        ("StartTime%3C=2020-09-12", 0),
        ("EndTime%3C=2020-09-13T12:26:43Z", 1),
        ("EndTime%3C=2020-09-13T12:26:42", 0),
        (
            "StartTime%3E=2020-09-13T12:26:41&StartTime%3C=2020-09-13T12:26:41",
            1,
        ),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    world
        .get("/Calls.json?StartTime=yesterday")
        .await
        .refused(400, 20422);
    world
        .get("/Calls.json?Status=gone")
        .await
        .refused(400, 20422);
    let shown = world
        .get(&format!("/Calls/{}.json", ended.sid))
        .await
        .ok(200);
    assert_eq!(shown["duration"], "3");
    assert_eq!(shown["end_time"], "Sun, 13 Sep 2020 12:26:43 +0000");
    assert_ne!(shown["sid"], other["sid"]);
}

#[tokio::test]
async fn a_live_call_is_changed_through_the_port() {
    let world = World::new().await;
    let body = place(&world, &[]).await.ok(201);
    let path = format!("/Calls/{}.json", body["sid"].as_str().unwrap());
    let mut after = record(&world, &body).await;
    after.status = CallStatus::InProgress;
    *world.live.answer.lock().unwrap() = Some(after);
    let twiml = "a".repeat(4001);
    for form in [
        &[("Url", URL), ("Method", "GET")][..],
        &[("Twiml", "<Response/>")],
        &[("Status", "canceled"), ("Url", URL)],
        &[("Status", "completed")],
        &[("StatusCallback", ""), ("TimeLimit", "60")],
    ] {
        assert_eq!(
            world.post(&path, form).await.ok(200)["status"],
            "in-progress"
        );
    }
    let modified = world.live.modified.lock().unwrap().clone();
    let changes: Vec<_> = modified.into_iter().map(|(_, change)| change).collect();
    let Modify::Change(first) = &changes[0] else {
        panic!("{changes:?}")
    };
    assert_eq!(first.redirect, Some(Redirect::Url(URL.into(), Method::Get)));
    let Modify::Change(second) = &changes[1] else {
        panic!("{changes:?}")
    };
    assert_eq!(second.redirect, Some(Redirect::Twiml("<Response/>".into())));
    assert_eq!(changes[2..4], [Modify::Cancel, Modify::Complete]);
    let Modify::Change(last) = &changes[4] else {
        panic!("{changes:?}")
    };
    assert_eq!(last.status_callback, Some(None));
    assert_eq!(last.time_limit, Some(Duration::from_secs(60)));
    for (form, code) in [
        (&[("Status", "ringing")][..], 20422),
        (&[("Url", URL), ("Twiml", "<Response/>")], 20422),
        (&[("Url", "nonsense")], 21205),
        (&[("Url", URL), ("Method", "PUT")], 21209),
        (&[("Twiml", &twiml)], 32018),
    ] {
        world.post(&path, form).await.refused(400, code);
    }
    // Nothing known is asked for: nothing happens.
    world.post(&path, &[("Nonsense", "1")]).await.ok(200);
    assert_eq!(world.live.modified.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_call_that_is_not_in_progress_is_not_changed() {
    let world = World::new().await;
    let body = place(&world, &[]).await.ok(201);
    let path = format!("/Calls/{}.json", body["sid"].as_str().unwrap());
    // The engine says no.
    world.post(&path, &[("Url", URL)]).await.refused(400, 21220);
    finish(&world, &body).await;
    world
        .post(&path, &[("Status", "completed")])
        .await
        .refused(400, 21220);
    assert_eq!(world.live.modified.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_ended_call_is_deleted_a_running_one_stays() {
    let world = World::new().await;
    let body = place(&world, &[]).await.ok(201);
    let path = format!("/Calls/{}.json", body["sid"].as_str().unwrap());
    world.delete(&path).await.refused(409, 20009);
    finish(&world, &body).await;
    let gone = world.delete(&path).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    world.get(&path).await.refused(404, 20404);
    world.delete(&path).await.refused(404, 20404);
}

/// B9: a client that asks again after a time-out makes no second call.
#[tokio::test]
async fn a_request_that_names_itself_makes_one_call() {
    let world = World::new().await;
    let ask = |key: &'static str, to: &'static str| {
        let body = format!(
            "To={to}&From={}&Url=http%3A%2F%2Fapp.test%2F",
            NUMBER.replace('+', "%2B")
        );
        let request = axum::http::Request::builder()
            .method("POST")
            .uri(format!("/2010-04-01/Accounts/{MAIN}/Calls.json"))
            .header("host", "localhost:3000")
            .header("authorization", common::basic(&format!("{MAIN}:main")))
            .header("idempotency-key", key)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(body))
            .unwrap();
        world.raw(request)
    };
    // Two at the same time, and one later.
    let (first, second) = tokio::join!(ask("k1", "%2B14155550123"), ask("k1", "%2B14155550123"));
    let (first, second) = (first.ok(201), second.ok(201));
    let third = ask("k1", "%2B14155550123").await.ok(201);
    assert_eq!(first["sid"], second["sid"]);
    assert_eq!(first["sid"], third["sid"]);
    assert_eq!(world.live.originated.lock().unwrap().len(), 1);
    // It is answered with the call as it is, and something else is refused.
    finish(&world, &first).await;
    let ended = ask("k1", "%2B14155550123").await.ok(201);
    assert_eq!(ended["status"], "completed");
    ask("k1", "%2B14155550124").await.refused(409, 20409);
    let other = ask("k2", "%2B14155550123").await.ok(201);
    assert_ne!(first["sid"], other["sid"]);
    // A day later the name is free.
    world
        .clock
        .fetch_add(86_400_000_000, std::sync::atomic::Ordering::Relaxed);
    let tomorrow = ask("k1", "%2B14155550124").await.ok(201);
    assert_ne!(first["sid"], tomorrow["sid"]);
    ask("", "%2B14155550123").await.refused(400, 20422);
}

#[tokio::test]
async fn words_behind_an_identity_are_for_its_page() {
    let world = World::new().await;
    let more = [("To", "client:joey?hat=red%20one&coat=blue")];
    let body = place(&world, &more).await.ok(201);
    assert_eq!(body["to"], "client:joey");
    let originated = world.live.originated.lock().unwrap().pop().unwrap();
    let words = [("hat", "red one"), ("coat", "blue")];
    let words = words.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(originated.words, words);
}

/// B10: the engine is told, and told again when the account is active.
#[tokio::test]
async fn the_engine_learns_who_may_call_no_more() {
    let world = World::new().await;
    let path = format!("/2010-04-01/Accounts/{SUB}.json");
    world.post(&path, &[("Status", "suspended")]).await.ok(200);
    world.post(&path, &[("Status", "active")]).await.ok(200);
    let told = world.live.activated.lock().unwrap().clone();
    assert_eq!(told, [(SUB, false), (SUB, true)]);
}

#[tokio::test]
async fn an_application_says_what_its_browsers_are_told() {
    let world = World::new().await;
    let made = world
        .post("/Applications.json", &[("FriendlyName", "x")])
        .await;
    let sid = made.ok(201)["sid"].as_str().unwrap().to_owned();
    let path = format!("/_switchboard/v1/applications/{sid}");
    let set = async |json: &str| {
        let request = axum::http::Request::builder()
            .method("POST")
            .uri(&path)
            .header("host", "localhost:3000")
            .header("authorization", common::basic(&format!("{MAIN}:main")))
            .body(axum::body::Body::from(json.to_owned()))
            .unwrap();
        world.raw(request).await
    };
    assert!(world.get(&path).await.ok(200)["late_answer"].is_null());
    let set_to = set(r#"{"late_answer": "cancel"}"#).await.ok(200);
    assert_eq!(set_to["late_answer"], "cancel");
    set(r#"{"late_answer": "shout"}"#).await.refused(400, 20422);
    set(r#"{"notices": "loudly"}"#).await.refused(400, 20422);
    let kept = async || world.store.applications().to_browsers().await.unwrap();
    let cancel = ToBrowsers {
        late_answer: Some(LateAnswer::Cancel),
        notices: None,
    };
    assert_eq!(kept().await, [(sid.parse().unwrap(), cancel)]);
    assert!(set(r#"{"late_answer": null}"#).await.ok(200)["late_answer"].is_null());
    assert!(kept().await.is_empty());
    let set_to = set(r#"{"notices": "both"}"#).await.ok(200);
    assert_eq!(set_to["notices"], "both");
    let both = ToBrowsers {
        late_answer: None,
        notices: Some(Notices::Both),
    };
    assert_eq!(kept().await, [(sid.parse().unwrap(), both)]);
    let told = world.live.to_browsers.lock().unwrap().clone();
    let told: Vec<_> = told.into_iter().map(|(_, told)| told).collect();
    assert_eq!(told, [cancel, ToBrowsers::default(), both]);
}

// rest-calls-27
#[tokio::test]
async fn every_parameter_of_a_create_is_taken_and_arrives() {
    let world = World::new().await;
    let form = [
        ("To", "sip:joey@example.com"),
        ("From", "anybody"),
        ("CallerId", NUMBER),
        ("Url", "http://example.com/voice"),
        ("Method", "GET"),
        ("FallbackUrl", "http://example.com/fallback"),
        ("FallbackMethod", "get"),
        ("StatusCallback", "http://example.com/status"),
        ("StatusCallbackMethod", "GET"),
        ("StatusCallbackEvent", "initiated ringing"),
        ("StatusCallbackEvent", "answered"),
        ("SendDigits", "ww12#"),
        ("Timeout", "600"),
        ("TimeLimit", "7200"),
        ("SipAuthUsername", "user"),
        ("SipAuthPassword", "secret"),
        ("MachineDetection", "DetectMessageEnd"),
        ("MachineDetectionTimeout", "59"),
        ("MachineDetectionSpeechThreshold", "6000"),
        ("MachineDetectionSpeechEndThreshold", "500"),
        ("MachineDetectionSilenceTimeout", "10000"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", "http://example.com/amd"),
        ("AsyncAmdStatusCallbackMethod", "GET"),
        ("IfMachine", "Continue"),
        ("Record", "true"),
        ("RecordingChannels", "dual"),
        ("RecordingTrack", "both"),
        ("RecordingStatusCallback", "http://example.com/recording"),
        ("RecordingStatusCallbackMethod", "GET"),
        (
            "RecordingStatusCallbackEvent",
            "in-progress completed absent",
        ),
        ("Trim", "trim-silence"),
        ("Byoc", "BY00000000000000000000000000000000"),
        ("CallReason", "Your order"),
        ("CallToken", "token"),
        ("ClientNotificationUrl", "http://example.com/push"),
    ];
    let body = world.post("/Calls.json", &form).await.ok(201);
    assert_eq!(
        (&body["to"], &body["from"]),
        (&json!("sip:joey@example.com"), &json!("anybody"))
    );
    let originated = world.live.originated.lock().unwrap().clone();
    let [call] = originated.as_slice() else {
        panic!("{originated:?}")
    };
    let asked = &call.instructions;
    assert_eq!(asked.url.as_deref(), Some("http://example.com/voice"));
    assert_eq!(asked.method, Method::Get);
    let fallback = asked.fallback_url.as_deref();
    assert_eq!(fallback, Some("http://example.com/fallback"));
    assert_eq!(asked.fallback_method, Method::Get);
    let callback = asked.status_callback.as_deref();
    assert_eq!(callback, Some("http://example.com/status"));
    assert_eq!(asked.status_callback_method, Method::Get);
    let events = asked.status_callback_events;
    assert!(events.initiated && events.ringing && events.answered && !events.completed);
    assert_eq!(call.send_digits.as_deref(), Some("ww12#"));
    assert_eq!(call.caller_id.as_deref(), Some(NUMBER));
    assert_eq!(call.timeout, Duration::from_secs(600));
    assert_eq!(call.time_limit, Duration::from_secs(7200));
    let auth = Some(("user".to_owned(), "secret".to_owned()));
    assert_eq!(call.sip_auth, auth);
    // Everything else as it came, but for the password.
    let kept: Vec<(&str, &str)> = call
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let open: Vec<_> = form
        .into_iter()
        .filter(|(name, _)| *name != "SipAuthPassword")
        .collect();
    assert_eq!(kept, open);
    // What has no effect is named: nothing is dropped in silence.
    let path = format!(
        "/Calls/{}/Notifications.json",
        body["sid"].as_str().unwrap()
    );
    let told = world.get(&path).await.ok(200).to_string();
    for word in [
        "Machine detection",
        "Record is not",
        "Byoc",
        "CallReason",
        "CallToken",
        "ClientNotificationUrl",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
}
