//! Whole calls through the real program: HTTP in, SIP and RTP to virtual telephones, webhooks out.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use std::time::Duration;

use harness::{Folder, Got, Receiver, SOON, Server, eventually};
use serde_json::json;

/// Samples of 20 ms at 8 kHz.
const FRAME: usize = 160;
/// Mean square above which a frame is not silence: that of a sine of 1 % of full scale.
const LOUD: f64 = 50_000.0;
/// A document that lasts until somebody ends it.
const WAITING: &str = "<Response><Pause length=\"60\"/></Response>";

async fn started() -> (Folder, Server) {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    (folder, server)
}

/// The parameters of a call that reports all its steps.
fn reported<'a>(
    to: &'a str,
    from: &'a str,
    callback: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("To", to), ("From", from), ("StatusCallback", callback)];
    form.extend(
        ["initiated", "ringing", "answered", "completed"]
            .map(|event| ("StatusCallbackEvent", event)),
    );
    form.extend(more);
    form
}

fn statuses(callbacks: &[Got]) -> Vec<&str> {
    callbacks.iter().map(|got| got.get("CallStatus")).collect()
}

/// Each step of a call is reported once, signed, counted and in order.
fn assert_reports(server: &Server, callbacks: &[Got], expected: &[&str]) {
    assert_eq!(statuses(callbacks), expected);
    for (at, got) in callbacks.iter().enumerate() {
        assert_eq!(got.get("SequenceNumber"), at.to_string(), "{got:?}");
        assert_eq!(got.get("CallbackSource"), "call-progress-events");
        assert_eq!(got.get("AccountSid"), server.fact("account_sid"));
        assert!(got.is_signed(server.fact("auth_token")), "{got:?}");
        assert!(!got.is_signed("another token of another account"));
    }
}

fn loud(frame: &[i16]) -> bool {
    frame
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum::<f64>()
        / frame.len() as f64
        > LOUD
}

#[tokio::test]
async fn a_call_reports_its_steps_and_is_heard() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[]).await;
    let (url, callback) = (
        format!("{}/welcome/voice/", server.fact("api")),
        receiver.url("/status?a=b%20c"),
    );
    let sid = server
        .call(&reported(
            server.phone(0),
            server.number("demo"),
            &callback,
            &[("Url", &url)],
        ))
        .await;
    let callbacks = receiver.until("/status", &sid, "completed").await;
    assert_reports(
        &server,
        &callbacks,
        &["initiated", "ringing", "in-progress", "completed"],
    );
    let end = callbacks.last().unwrap();
    let seconds: u64 = end.get("CallDuration").parse().unwrap();
    assert!((6..=14).contains(&seconds), "{end:?}");
    assert_eq!(end.get("Duration"), "1");
    let call = server.record(&sid).await;
    assert_eq!(
        (call["status"].as_str(), call["direction"].as_str()),
        (Some("completed"), Some("outbound-api"))
    );
    assert_eq!(call["duration"], end.get("CallDuration"));

    let heard = server.heard(server.phone(0)).await;
    let frames: Vec<bool> = heard.chunks(FRAME).map(loud).collect();
    let (first, last) = (
        frames.iter().position(|&loud| loud).unwrap(),
        frames.iter().rposition(|&loud| loud).unwrap(),
    );
    let seconds = (last - first + 1) as f64 * 0.02;
    let with_sound = frames.iter().filter(|&&loud| loud).count() as f64 * 0.02;
    assert!((6.0..=10.0).contains(&seconds), "sound over {seconds} s");
    // Speech has its pauses, and each note of the chime fades away.
    assert!(
        with_sound > seconds * 0.5,
        "{with_sound} s of {seconds} s are not silent"
    );
}

// rest-numbers-10
#[tokio::test]
async fn a_number_bought_without_a_url_plays_the_demo() {
    let (_folder, server) = started().await;
    let number = "+12065550142";
    let buy = [("PhoneNumber", number)];
    let (status, bought) = server.api("POST", "/IncomingPhoneNumbers.json", &buy).await;
    assert_eq!(status, 201, "{bought}");
    let url = format!("{}/welcome/voice/", server.fact("api"));
    assert_eq!(bought["voice_url"], url);
    let phone = server.phone(5);
    server.dial(phone, number).await;
    let state = |wanted: &'static str| {
        let server = &server;
        eventually("the phone is where it should be", SOON, async move || {
            (server.phone_state(phone).await == wanted).then_some(())
        })
    };
    state("talking").await;
    state("idle").await;
    let heard = server.heard(phone).await;
    let with_sound = heard.chunks(FRAME).filter(|frame| loud(frame)).count() as f64 * 0.02;
    assert!(with_sound > 3.0, "only {with_sound} s of sound");
}

// rest-codes-21214
#[tokio::test]
async fn a_number_that_no_trunk_claims_is_not_reached() {
    let (_folder, server) = started().await;
    // The trunk to the virtual telephones claims every number; now only theirs.
    let trunk = format!("/_switchboard/v1/trunks/TK{:032x}", 1);
    let only = json!({ "default": false, "prefixes": ["+1500"] })
        .to_string()
        .into_bytes();
    let changed = server
        .try_request("POST", &trunk, "application/json", only)
        .await;
    assert_eq!(changed.unwrap().0, 200);
    let from = server.number("demo");
    let to = [("To", "+493023125000"), ("From", from), ("Twiml", WAITING)];
    let sid = server.call(&to).await;
    server.reaches(&sid, "failed").await;
    let path = format!("/Calls/{sid}/Notifications.json");
    let shown = eventually("the notification is stored", SOON, async || {
        let (_, shown) = server.api("GET", &path, &[]).await;
        (shown["notifications"][0]["error_code"] == "21214").then_some(shown)
    })
    .await;
    assert_eq!(shown["notifications"][0]["log"], "0");
}

#[tokio::test]
async fn calls_that_nobody_takes_say_why() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[]).await;
    let callback = receiver.url("/status");
    let mut calls = Vec::new();
    for (at, knob, status) in [
        (1, "no_answer", "no-answer"),
        (2, "busy", "busy"),
        (3, "reject", "failed"),
    ] {
        server.knobs(server.phone(at), json!({ knob: true })).await;
        let form = reported(
            server.phone(at),
            server.number("demo"),
            &callback,
            &[("Twiml", WAITING), ("Timeout", "5")],
        );
        calls.push((server.call(&form).await, status));
    }
    for (sid, status) in calls {
        let callbacks = receiver.until("/status", &sid, status).await;
        let steps: &[&str] = if status == "no-answer" {
            &["initiated", "ringing", status]
        } else {
            &["initiated", status]
        };
        assert_eq!(statuses(&callbacks), steps);
        let end = callbacks.last().unwrap();
        assert_eq!(end.get("CallDuration"), "0");
        assert!(end.is_signed(server.fact("auth_token")));
        let sip = match status {
            "busy" => "486",
            "failed" => "603",
            _ => "487",
        };
        assert_eq!(end.get("SipResponseCode"), sip, "{end:?}");
        assert_eq!(server.record(&sid).await["status"], status);
    }
}

#[tokio::test]
async fn a_ringing_call_is_canceled_and_an_answered_one_is_not() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[]).await;
    let callback = receiver.url("/status");
    server
        .knobs(server.phone(1), json!({ "no_answer": true }))
        .await;
    let sid = server
        .call(&reported(
            server.phone(1),
            server.number("demo"),
            &callback,
            &[("Twiml", WAITING)],
        ))
        .await;
    receiver.until("/status", &sid, "ringing").await;
    assert_eq!(server.phone_state(server.phone(1)).await, "ringing");
    let (status, _) = server.change(&sid, &[("Status", "canceled")]).await;
    assert_eq!(status, 200);
    let callbacks = receiver.until("/status", &sid, "canceled").await;
    assert_reports(&server, &callbacks, &["initiated", "ringing", "canceled"]);
    server.reaches(&sid, "canceled").await;
    eventually("an idle telephone", SOON, async || {
        (server.phone_state(server.phone(1)).await == "idle").then_some(())
    })
    .await;
    // It is over: nothing can be done to it any more.
    let (status, refusal) = server.change(&sid, &[("Status", "completed")]).await;
    assert_eq!(
        (status, refusal["code"].as_u64()),
        (400, Some(21220)),
        "{refusal}"
    );

    let sid = server
        .call(&reported(
            server.phone(2),
            server.number("demo"),
            &callback,
            &[("Twiml", WAITING)],
        ))
        .await;
    server.reaches(&sid, "in-progress").await;
    server.change(&sid, &[("Status", "canceled")]).await;
    assert_eq!(
        server.record(&sid).await["status"],
        "in-progress",
        "only a call that was not answered can be canceled"
    );
    let (status, _) = server.change(&sid, &[("Status", "completed")]).await;
    assert_eq!(status, 200);
    let callbacks = receiver.until("/status", &sid, "completed").await;
    assert_reports(
        &server,
        &callbacks,
        &["initiated", "ringing", "in-progress", "completed"],
    );
    eventually("an idle telephone", SOON, async || {
        (server.phone_state(server.phone(2)).await == "idle").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_call_is_given_something_else_to_do() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[
        ("/next", "<Redirect>last?x=1</Redirect>"),
        ("/last", "<Hangup/>"),
    ])
    .await;
    let sid = server
        .call(&[
            ("To", server.phone(0)),
            ("From", server.number("demo")),
            ("Twiml", WAITING),
        ])
        .await;
    server.reaches(&sid, "in-progress").await;
    let (status, call) = server
        .change(&sid, &[("Url", &receiver.url("/next"))])
        .await;
    assert_eq!(
        (status, call["status"].as_str()),
        (200, Some("in-progress")),
        "{call}"
    );
    let next = receiver.first("/next").await;
    assert_eq!(
        (
            next.get("CallSid"),
            next.get("CallStatus"),
            next.get("Direction")
        ),
        (sid.as_str(), "in-progress", "outbound-api")
    );
    assert!(next.is_signed(server.fact("auth_token")));
    assert_eq!(receiver.first("/last").await.target, "/last?x=1");
    server.reaches(&sid, "completed").await;
}

#[tokio::test]
async fn keys_pressed_by_a_telephone_reach_the_action_exactly() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[("/action", "<Hangup/>")]).await;
    server.knobs(server.phone(0), json!({ "digits": [{ "at_ms": 1500, "digits": "1590*" }, { "at_ms": 3500, "digits": "77#3" }] })).await;
    let twiml = format!(
        "<Response><Gather action=\"{}\" timeout=\"20\"/></Response>",
        receiver.url("/action")
    );
    let sid = server
        .call(&[
            ("To", server.phone(0)),
            ("From", server.number("demo")),
            ("Twiml", &twiml),
        ])
        .await;
    let action = receiver.first("/action").await;
    assert_eq!(
        (
            action.get("CallSid"),
            action.get("Digits"),
            action.get("FinishedOnKey")
        ),
        (sid.as_str(), "1590*77", "#")
    );
    assert!(action.is_signed(server.fact("auth_token")));
    server.reaches(&sid, "completed").await;
    assert_eq!(receiver.got("/action").len(), 1);
}

#[tokio::test]
async fn digits_sent_after_the_answer_reach_another_number_of_ours() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[
        (
            "/voice",
            "<Gather action=\"/action\" numDigits=\"4\" timeout=\"20\"/>",
        ),
        ("/action", "<Hangup/>"),
    ])
    .await;
    let (_, numbers) = server
        .api("GET", "/IncomingPhoneNumbers.json?FriendlyName=menu", &[])
        .await;
    let number = &numbers["incoming_phone_numbers"][0];
    assert_eq!(number["phone_number"], server.number("menu"), "{numbers}");
    let path = format!(
        "/IncomingPhoneNumbers/{}.json",
        number["sid"].as_str().unwrap()
    );
    let (status, number) = server
        .api(
            "POST",
            &path,
            &[
                ("VoiceUrl", &receiver.url("/voice")),
                ("StatusCallback", &receiver.url("/end")),
            ],
        )
        .await;
    assert_eq!(status, 200, "{number}");

    // Six times half a second, so that the other end listens by then.
    let form = [
        ("To", server.number("menu")),
        ("From", server.number("demo")),
        ("SendDigits", "wwwwww12*9"),
        ("Twiml", WAITING),
    ];
    let sid = server.call(&form).await;
    let voice = receiver.first("/voice").await;
    assert_eq!(
        (voice.get("To"), voice.get("From"), voice.get("Direction")),
        (server.number("menu"), server.number("demo"), "inbound")
    );
    let inbound = voice.get("CallSid");
    assert_ne!(inbound, sid);
    let action = receiver.first("/action").await;
    assert_eq!(
        (action.get("CallSid"), action.get("Digits")),
        (inbound, "12*9")
    );
    // The end of one call is the end of the other.
    server.reaches(&sid, "completed").await;
    server.reaches(inbound, "completed").await;
    let end = receiver.until("/end", inbound, "completed").await;
    assert_reports(&server, &end, &["completed"]);
}

#[tokio::test]
async fn a_telephone_calls_one_of_our_numbers() {
    let (_folder, server) = started().await;
    server
        .knobs(
            server.phone(4),
            json!({ "digits": [{ "at_ms": 1500, "digits": "2" }] }),
        )
        .await;
    server.dial(server.phone(4), server.number("menu")).await;
    let call = eventually("the inbound call", SOON, async || {
        let (_, calls) = server
            .api(
                "GET",
                &format!("/Calls.json?From={}", server.phone(4).replace('+', "%2B")),
                &[],
            )
            .await;
        calls["calls"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (call["direction"].as_str(), call["to"].as_str()),
        (Some("inbound"), Some(server.number("menu"))),
        "{call}"
    );
    // The menu plays the chime after a 2 and hangs up.
    server
        .reaches(call["sid"].as_str().unwrap(), "completed")
        .await;
    let heard = server.heard(server.phone(4)).await;
    let with_sound = heard.chunks(FRAME).filter(|frame| loud(frame)).count();
    assert!(with_sound > 50, "{with_sound} frames are not silent");
}

#[tokio::test]
async fn of_two_numbers_dialled_the_first_to_answer_wins() {
    let (_folder, server) = started().await;
    let receiver = Receiver::with(&[("/after", "<Hangup/>")]).await;
    let (caller, quick, slow) = (server.phone(0), server.phone(1), server.phone(2));
    server
        .knobs(caller, json!({ "answer_after_ms": 100 }))
        .await;
    server
        .knobs(
            quick,
            json!({ "answer_after_ms": 800, "hang_up_after_ms": 2500 }),
        )
        .await;
    server
        .knobs(slow, json!({ "answer_after_ms": 15000 }))
        .await;
    let callback = receiver.url("/leg");
    let number = |number: &str| {
        format!(
            "<Number statusCallback=\"{callback}\" statusCallbackEvent=\"initiated ringing answered completed\">{number}</Number>"
        )
    };
    let twiml = format!(
        "<Response><Dial action=\"{}\" callerId=\"{}\">{}{}</Dial></Response>",
        receiver.url("/after"),
        server.number("demo"),
        number(slow),
        number(quick),
    );
    let sid = server
        .call(&[
            ("To", caller),
            ("From", server.number("demo")),
            ("Twiml", &twiml),
        ])
        .await;
    let after = receiver.first("/after").await;
    assert_eq!(
        (
            after.get("CallSid"),
            after.get("DialCallStatus"),
            after.get("DialBridged")
        ),
        (sid.as_str(), "completed", "true"),
        "{after:?}"
    );
    let seconds: u64 = after.get("DialCallDuration").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{after:?}");
    assert!(after.is_signed(server.fact("auth_token")));
    server.reaches(&sid, "completed").await;

    let (_, children) = server
        .api("GET", &format!("/Calls.json?ParentCallSid={sid}"), &[])
        .await;
    let child = |to: &str| {
        children["calls"]
            .as_array()
            .unwrap()
            .iter()
            .find(|call| call["to"] == to)
            .unwrap()
            .clone()
    };
    assert_eq!(children["calls"].as_array().unwrap().len(), 2, "{children}");
    let (won, lost) = (child(quick), child(slow));
    assert_eq!(
        (won["sid"].as_str(), won["status"].as_str()),
        (Some(after.get("DialCallSid")), Some("completed")),
        "{children}"
    );
    assert_eq!(
        (won["direction"].as_str(), won["from"].as_str()),
        (Some("outbound-dial"), Some(server.number("demo")))
    );
    assert!(
        matches!(lost["status"].as_str(), Some("canceled" | "no-answer")),
        "{children}"
    );
    let (won_sid, lost_sid) = (won["sid"].as_str().unwrap(), lost["sid"].as_str().unwrap());
    let callbacks = receiver.until("/leg", won_sid, "completed").await;
    assert_reports(
        &server,
        &callbacks,
        &["initiated", "ringing", "in-progress", "completed"],
    );
    let callbacks = receiver
        .until("/leg", lost_sid, lost["status"].as_str().unwrap())
        .await;
    assert_reports(
        &server,
        &callbacks,
        &["initiated", "ringing", lost["status"].as_str().unwrap()],
    );
    assert!(callbacks.iter().all(|got| got.get("ParentCallSid") == sid));
    eventually("an idle telephone", Duration::from_secs(5), async || {
        (server.phone_state(slow).await == "idle").then_some(())
    })
    .await;
}

// dial-15
#[tokio::test]
async fn the_telephone_network_is_shown_only_what_belongs_to_the_account() {
    let (_folder, server) = started().await;
    let (caller, called) = (server.phone(0), server.phone(1));
    let dial = format!("<Dial action=\"/after\"><Number>{called}</Number></Dial>");
    let receiver = Receiver::with(&[("/passed-on", dial.as_str()), ("/after", "<Hangup/>")]).await;
    let knobs = json!({ "answer_after_ms": 100, "hang_up_after_ms": 500 });
    server.knobs(called, knobs).await;
    // How a dial with this caller id ends.
    let dialled = async |caller_id: &str| {
        let twiml = format!(
            "<Response><Dial action=\"{}\" callerId=\"{caller_id}\"><Number>{called}</Number></Dial></Response>",
            receiver.url("/after"),
        );
        let form = [
            ("To", caller),
            ("From", server.number("demo")),
            ("Twiml", &twiml),
        ];
        let sid = server.call(&form).await;
        let after = eventually("the end of the dial", SOON, async || {
            let all = receiver.got("/after");
            all.into_iter().find(|got| got.get("CallSid") == sid)
        });
        let after = after.await;
        server.reaches(&sid, "completed").await;
        after
    };
    let foreign = "+14155550199";
    let after = dialled(foreign).await;
    let end = (after.get("DialCallStatus"), after.get("ErrorCode"));
    assert_eq!(end, ("failed", "13214"), "{after:?}");
    let below = format!("/Calls/{}/Notifications.json", after.get("DialCallSid"));
    eventually("an alert", SOON, async || {
        let (_, shown) = server.api("GET", &below, &[]).await;
        (shown["notifications"][0]["error_code"] == "13214").then_some(())
    })
    .await;
    let after = dialled(server.number("yours")).await;
    assert_eq!(after.get("DialCallStatus"), "completed", "{after:?}");
    // Verified, it may be shown. (In development at once.)
    let verify = [("PhoneNumber", foreign)];
    let (status, verified) = server.api("POST", "/OutgoingCallerIds.json", &verify).await;
    assert_eq!(status, 200, "{verified}");
    let after = dialled(foreign).await;
    assert_eq!(after.get("DialCallStatus"), "completed", "{after:?}");

    // A call that is passed on shows who called.
    let number = "+12065550145";
    let buy = [
        ("PhoneNumber", number),
        ("VoiceUrl", &receiver.url("/passed-on")),
    ];
    let (status, bought) = server.api("POST", "/IncomingPhoneNumbers.json", &buy).await;
    assert_eq!(status, 201, "{bought}");
    let stranger = server.phone(5);
    server.dial(stranger, number).await;
    let after = eventually("the end of the dial", SOON, async || {
        let all = receiver.got("/after");
        all.into_iter().find(|got| got.get("From") == stranger)
    })
    .await;
    assert_eq!(after.get("DialCallStatus"), "completed", "{after:?}");
    let child = server.record(after.get("DialCallSid")).await;
    assert_eq!(
        (child["from"].as_str(), child["to"].as_str()),
        (Some(stranger), Some(called))
    );
}

// rest-calls-28
#[tokio::test]
async fn a_sim_is_no_number() {
    let (_folder, server) = started().await;
    let to = format!("sim:DE{:032x}", 1);
    let form = [
        ("To", to.as_str()),
        ("From", server.number("demo")),
        ("Twiml", WAITING),
    ];
    let sid = server.call(&form).await;
    server.reaches(&sid, "failed").await;
    let below = format!("/Calls/{sid}/Notifications.json");
    eventually("an alert", SOON, async || {
        let (_, shown) = server.api("GET", &below, &[]).await;
        (shown["notifications"][0]["error_code"] == "21214").then_some(())
    })
    .await;
}
