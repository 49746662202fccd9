//! Caller ids are verified by a real call: the telephone rings, and its owner keys the code in.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use harness::{Folder, Receiver, SOON, Server, eventually};
use serde_json::{Value, json};

const CALLED: [(&str, &str); 1] = [("SWITCHBOARD_VERIFY_CALLER_IDS", "call")];

/// Asks for a number, and lets its telephone press what `keys` makes of the code; what the
/// customer is told at last.
async fn asked(server: &Server, at: usize, keys: impl Fn(&str) -> String) -> (Value, String) {
    let receiver = Receiver::with(&[]).await;
    let phone = server.phone(at);
    let form = [
        ("PhoneNumber", phone),
        ("FriendlyName", "Desk"),
        ("CallDelay", "1"),
        ("StatusCallback", &receiver.url("/verified")),
    ];
    let (status, request) = server.api("POST", "/OutgoingCallerIds.json", &form).await;
    assert_eq!(status, 200, "{request}");
    let keys = keys(request["validation_code"].as_str().unwrap());
    let knobs = json!({ "digits": [{ "at_ms": 2500, "digits": keys }], "hang_up_after_ms": 9000 });
    server.knobs(phone, knobs).await;
    let told = receiver.first("/verified").await;
    assert!(told.is_signed(server.fact("auth_token")));
    assert_eq!(told.get("To"), phone);
    assert_eq!(told.get("CallSid"), request["call_sid"]);
    if told.get("VerificationStatus") == "failed" {
        assert_eq!(told.get("OutgoingCallerIdSid"), "");
        return (request, "failed".to_owned());
    }
    assert_eq!(told.get("VerificationStatus"), "success");
    (request, told.get("OutgoingCallerIdSid").to_owned())
}

// rest-numbers-9 rest-numbers-11 rest-numbers-12
#[tokio::test]
async fn a_number_is_verified_by_who_answers_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &CALLED).await;
    let (right, wrong) = tokio::join!(
        asked(&server, 0, str::to_owned),
        asked(&server, 1, |code| if code == "000000" {
            "000001".to_owned()
        } else {
            "000000".to_owned()
        })
    );
    let (request, sid) = right;
    let path = format!("/OutgoingCallerIds/{sid}.json");
    let (status, id) = server.api("GET", &path, &[]).await;
    assert_eq!(status, 200, "{id}");
    assert_eq!(id["phone_number"], server.phone(0));
    assert_eq!(id["friendly_name"], "Desk");
    let call = server.reaches(request["call_sid"].as_str().unwrap(), "completed");
    assert_eq!(call.await["to"], server.phone(0));

    let (request, sid) = wrong;
    assert_eq!(sid, "failed");
    server
        .reaches(request["call_sid"].as_str().unwrap(), "completed")
        .await;
    let (_, list) = server.api("GET", "/OutgoingCallerIds.json", &[]).await;
    let numbers = list["outgoing_caller_ids"].as_array().unwrap();
    assert!(
        numbers
            .iter()
            .all(|id| id["phone_number"] != server.phone(1)),
        "{list}"
    );
    // A request that failed may be made again.
    let form = [("PhoneNumber", server.phone(1))];
    let (status, _) = server.api("POST", "/OutgoingCallerIds.json", &form).await;
    assert_eq!(status, 200);
}

// rest-numbers-13
#[tokio::test]
async fn nobody_else_puts_words_into_the_call_that_verifies() {
    let folder = Folder::new();
    let server = Server::start(&folder, &CALLED).await;
    let phone = server.phone(2);
    let form = [("PhoneNumber", phone)];
    let (_, request) = server.api("POST", "/OutgoingCallerIds.json", &form).await;
    let sid = request["call_sid"].as_str().unwrap();
    server.reaches(sid, "in-progress").await;
    let verify = "http://caller-id.invalid/";
    let (status, refusal) = server.change(sid, &[("Url", verify)]).await;
    assert_eq!((status, refusal["code"].as_u64()), (400, Some(21220)));

    // Nor does another call to that address get an answer, whatever digits it sends.
    let code = request["validation_code"].as_str().unwrap();
    let twiml = format!("<Response><Redirect>{verify}?Digits={code}</Redirect></Response>");
    let form = [
        ("To", server.phone(3)),
        ("From", server.number("demo")),
        ("Twiml", &twiml),
    ];
    let other = server.call(&form).await;
    let path = format!("/Calls/{other}/Notifications.json");
    eventually("the notification is stored", SOON, async || {
        let (_, shown) = server.api("GET", &path, &[]).await;
        (shown["notifications"][0]["error_code"] == "11100").then_some(())
    })
    .await;
    let (status, _) = server.change(sid, &[("Status", "completed")]).await;
    assert_eq!(status, 200);
    let (_, list) = server.api("GET", "/OutgoingCallerIds.json", &[]).await;
    assert!(!list.to_string().contains(phone), "{list}");
}
