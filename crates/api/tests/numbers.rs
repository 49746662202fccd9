//! `…/IncomingPhoneNumbers` and its neighbours: docs/compat/rest-incoming-phone-numbers.md.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use axum::body::Body;
use axum::http::Request;
use common::{MAIN, NUMBER, STRANGER, SUB, World, basic};
use model::method::Method;
use model::now::Wall;
use serde_json::{Value, json};

const PATH: &str = "/IncomingPhoneNumbers.json";
const URL: &str = "http://example.com/twiml";

#[tokio::test]
async fn a_number_is_bought_shown_changed_and_released() {
    let world = World::new().await;
    let form = [
        ("PhoneNumber", "(415) 555-0111"),
        ("VoiceUrl", URL),
        ("VoiceMethod", "get"),
    ];
    let body = world.post(PATH, &form).await.ok(201);
    assert_eq!(body["phone_number"], "+14155550111");
    assert_eq!(body["friendly_name"], "(415) 555-0111");
    assert_eq!(
        (&body["voice_url"], &body["voice_method"]),
        (&json!(URL), &json!("GET"))
    );
    assert_eq!(
        body["capabilities"],
        json!({"voice": true, "sms": false, "mms": false, "fax": false})
    );
    assert_eq!(
        (&body["type"], &body["trunk_sid"]),
        (&json!("local"), &Value::Null)
    );
    let path = format!(
        "/IncomingPhoneNumbers/{}.json",
        body["sid"].as_str().unwrap()
    );
    assert!(body["uri"].as_str().unwrap().ends_with(&path));
    // Empty clears, absent stays.
    let changed = world
        .post(&path, &[("VoiceUrl", ""), ("FriendlyName", "Desk")])
        .await
        .ok(200);
    assert_eq!(
        (&changed["voice_url"], &changed["voice_method"]),
        (&Value::Null, &json!("GET"))
    );
    assert_eq!(world.get(&path).await.ok(200), changed);
    assert_eq!(world.delete(&path).await.status.as_u16(), 204);
    world.get(&path).await.refused(404, 20404);
    world.post(PATH, &form).await.ok(201);
}

#[tokio::test]
async fn every_documented_refusal_has_its_code() {
    let world = World::new().await;
    let no_app = format!("AP{}", "0".repeat(32));
    let no_trunk = format!("TK{}", "0".repeat(32));
    let name = "a".repeat(65);
    let cases: &[(&[(&str, &str)], u32)] = &[
        (&[("VoiceUrl", "x")], 21402),
        (&[("VoiceFallbackUrl", "x")], 21402),
        (&[("SmsUrl", "x")], 21402),
        (&[("VoiceMethod", "PUT")], 21403),
        (&[("StatusCallbackMethod", "PUT")], 21403),
        (&[("VoiceFallbackUrl", URL)], 21405),
        (&[("SmsFallbackUrl", URL)], 21405),
        (&[("VoiceCallerIdLookup", "maybe")], 21409),
        (&[("VoiceApplicationSid", "AP1")], 21420),
        (&[("SmsApplicationSid", &no_app)], 21420),
        (&[("TrunkSid", &no_trunk)], 20423),
        (&[("StatusCallback", "x")], 21456),
        (&[("FriendlyName", &name)], 20002),
        (&[("VoiceReceiveMode", "telex")], 20422),
        (&[("EmergencyStatus", "Maybe")], 20422),
    ];
    let own = format!("/IncomingPhoneNumbers/PN{}.json", "09".repeat(16));
    for (form, code) in cases {
        let mut buying = form.to_vec();
        buying.push(("PhoneNumber", "+14155550111"));
        for reply in [
            world.post(PATH, &buying).await,
            world.post(&own, form).await,
        ] {
            assert_eq!(reply.json()["code"], *code, "{form:?}: {}", reply.text);
            reply.refused(400, *code);
        }
    }
    for (form, code) in [
        (&[("VoiceUrl", URL)][..], 21421),
        (&[("PhoneNumber", "12")], 21421),
        (&[("PhoneNumber", NUMBER)], 21422),
        (&[("AreaCode", "115")], 21451),
        (&[("AreaCode", "41")], 21451),
    ] {
        world.post(PATH, form).await.refused(400, code);
    }
    let local = "/IncomingPhoneNumbers/Local.json";
    world
        .post(local, &[("AreaCode", "415")])
        .await
        .refused(400, 21421);
}

// rest-numbers-10
#[tokio::test]
async fn a_number_without_a_url_gets_the_demo() {
    let demo = "http://127.0.0.1:3000/welcome/voice/";
    let world = World::with(api::Settings {
        demo_url: Some(demo.into()),
        ..api::Settings::default()
    })
    .await;
    let application = world.post("/Applications.json", &[]).await.ok(201);
    let application = application["sid"].as_str().unwrap();
    for (index, (more, voice_url)) in [
        (None, json!(demo)),
        (Some(("VoiceUrl", URL)), json!(URL)),
        (Some(("VoiceUrl", "")), json!(null)),
        (Some(("VoiceApplicationSid", application)), json!(null)),
        (Some(("VoiceApplicationSid", "")), json!(demo)),
    ]
    .into_iter()
    .enumerate()
    {
        let number = format!("+1206555014{index}");
        let form: Vec<_> = [("PhoneNumber", number.as_str())]
            .into_iter()
            .chain(more)
            .collect();
        let bought = world.post(PATH, &form).await.ok(201);
        assert_eq!(bought["voice_url"], voice_url, "{more:?}");
    }
    // The demo is not what a fallback could stand in for.
    world
        .post(
            PATH,
            &[("PhoneNumber", "+12065550149"), ("VoiceFallbackUrl", URL)],
        )
        .await
        .refused(400, 21405);
}

#[tokio::test]
async fn an_area_code_is_sold_out_after_a_hundred() {
    let world = World::new().await;
    let mut first = None;
    for _ in 0..100 {
        let body = world.post(PATH, &[("AreaCode", "212")]).await.ok(201);
        first.get_or_insert(body["phone_number"].clone());
    }
    assert_eq!(first, Some(json!("+12125550100")));
    world
        .post(PATH, &[("AreaCode", "212")])
        .await
        .refused(400, 21452);
}

#[tokio::test]
async fn a_number_moves_within_the_family_only() {
    let world = World::new().await;
    let own = format!("/IncomingPhoneNumbers/PN{}.json", "09".repeat(16));
    let nobody = format!("AC{}", "0".repeat(32));
    for (account, code) in [
        ("AC1", 21470),
        (nobody.as_str(), 21471),
        (STRANGER.to_string().as_str(), 21473),
    ] {
        world
            .post(&own, &[("AccountSid", account)])
            .await
            .refused(400, code);
    }
    let sub = SUB.to_string();
    let account = format!("/2010-04-01/Accounts/{sub}.json");
    world
        .post(&account, &[("Status", "suspended")])
        .await
        .ok(200);
    world
        .post(&own, &[("AccountSid", &sub)])
        .await
        .refused(400, 21472);
    world.post(&account, &[("Status", "active")]).await.ok(200);
    assert_eq!(
        world.post(&own, &[("AccountSid", &sub)]).await.ok(200)["account_sid"],
        sub
    );
    world.get(&own).await.refused(404, 20404);
    let there = format!("/2010-04-01/Accounts/{sub}{own}");
    let who = format!("{SUB}:sub");
    world.asks(&who, "GET", &there, &[]).await.ok(200);
    let main = MAIN.to_string();
    let back = [("AccountSid", main.as_str())];
    world
        .asks(&who, "POST", &there, &back)
        .await
        .refused(400, 21474);
    assert_eq!(world.post(&there, &back).await.ok(200)["account_sid"], main);
}

#[tokio::test]
async fn numbers_are_filtered_by_pattern_name_and_type() {
    let world = World::new().await;
    world
        .post(
            PATH,
            &[("PhoneNumber", "+18005550111"), ("FriendlyName", "Free")],
        )
        .await
        .ok(201);
    let count = async |path: &str| {
        let page = world.get(path).await.ok(200);
        page["incoming_phone_numbers"].as_array().unwrap().len()
    };
    for (query, expected) in [
        (".json", 2),
        (".json?PhoneNumber=%2B1415*", 1),
        (".json?PhoneNumber=5550111", 1),
        (".json?PhoneNumber=+18005550111", 1),
        (".json?FriendlyName=Free", 1),
        (".json?Beta=true", 0),
        (".json?Origin=hosted", 0),
        ("/TollFree.json", 1),
        ("/Local.json", 1),
        ("/Mobile.json", 0),
    ] {
        assert_eq!(
            count(&format!("/IncomingPhoneNumbers{query}")).await,
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn available_numbers_can_be_bought_and_are_then_gone() {
    let world = World::new().await;
    let path = "/AvailablePhoneNumbers/US/Local.json?AreaCode=415&Contains=555011*";
    let body = world.get(path).await.ok(200);
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["uri", "available_phone_numbers"]);
    let numbers = body["available_phone_numbers"].as_array().unwrap().clone();
    assert_eq!(numbers.len(), 10);
    assert_eq!(numbers[0]["iso_country"], "US");
    let number = numbers[0]["phone_number"].as_str().unwrap();
    world.post(PATH, &[("PhoneNumber", number)]).await.ok(201);
    let left = world.get(path).await.ok(200);
    assert_eq!(left["available_phone_numbers"].as_array().unwrap().len(), 9);
    world
        .get("/AvailablePhoneNumbers/XX/Local.json")
        .await
        .refused(404, 20404);
    let countries = world.get("/AvailablePhoneNumbers.json").await.ok(200);
    assert_eq!(countries["countries"][0]["country_code"], "US");
}

#[tokio::test]
async fn a_verified_number_may_be_shown_as_caller() {
    let world = World::new().await;
    let call = [
        ("To", "+14155550123"),
        ("From", "+493023125000"),
        ("Url", URL),
    ];
    world.post("/Calls.json", &call).await.refused(400, 21210);
    let form = [
        ("PhoneNumber", "+493023125000"),
        ("StatusCallback", URL),
        ("StatusCallbackMethod", "GET"),
    ];
    let request = world.post("/OutgoingCallerIds.json", &form).await.ok(200);
    assert_eq!(request["validation_code"].as_str().unwrap().len(), 6);
    world
        .post("/OutgoingCallerIds.json", &form)
        .await
        .refused(400, 21450);
    world
        .post("/OutgoingCallerIds.json", &[("PhoneNumber", "12")])
        .await
        .refused(400, 21401);
    world
        .post(
            "/OutgoingCallerIds.json",
            &[("PhoneNumber", "+14155550199"), ("CallDelay", "61")],
        )
        .await
        .refused(400, 21454);
    world.post("/Calls.json", &call).await.ok(201);
    let list = world
        .get("/OutgoingCallerIds.json?PhoneNumber=%2B493023125000")
        .await
        .ok(200);
    let sid = list["outgoing_caller_ids"][0]["sid"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/OutgoingCallerIds/{sid}.json");
    world
        .post(&path, &[("FriendlyName", "Berlin")])
        .await
        .ok(200);
    assert_eq!(world.get(&path).await.ok(200)["friendly_name"], "Berlin");
    // rest-numbers-11
    let due = world.store.outbox().due(Wall(i64::MAX), 9).await.unwrap();
    let [owed] = due.as_slice() else {
        panic!("{due:?}")
    };
    assert_eq!(
        (owed.owed.url.as_str(), owed.owed.method),
        (URL, Method::Get)
    );
    let told = |name: &str| {
        let found = owed.owed.parameters.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| json!(value)).unwrap()
    };
    assert_eq!(told("VerificationStatus"), "success");
    assert_eq!(told("OutgoingCallerIdSid"), sid);
    assert_eq!(told("Called"), "+493023125000");
    assert_eq!(told("CallSid"), request["call_sid"]);
    assert_eq!(world.delete(&path).await.status.as_u16(), 204);
    let alerts = world.get("/v1/Alerts?LogLevel=warning").await.ok(200);
    assert_eq!(alerts["alerts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_number_that_is_not_verified_yet_is_no_caller_id() {
    let world = World::with(api::Settings {
        validate_caller_ids_at_once: false,
        ..api::Settings::default()
    })
    .await;
    let form = [
        ("PhoneNumber", "+493023125000"),
        ("CallDelay", "7"),
        ("Extension", "ww12"),
    ];
    let request = world.post("/OutgoingCallerIds.json", &form).await.ok(200);
    let begun = world.live.originated.lock().unwrap().clone();
    let [call] = begun.as_slice() else {
        panic!("{begun:?}")
    };
    assert_eq!(json!(call.record.sid), request["call_sid"]);
    assert_eq!(
        (call.record.to.as_str(), call.record.from.as_str()),
        ("+493023125000", NUMBER)
    );
    assert_eq!(call.delay.as_secs(), 7);
    assert_eq!(call.send_digits.as_deref(), Some("ww12"));
    // The code is for who asked and for who answers, nobody reads it in the call.
    let code = request["validation_code"].as_str().unwrap();
    assert!(!format!("{:?}{:?}", call.instructions, call.parameters).contains(code));
    let list = world.get("/OutgoingCallerIds.json").await.ok(200);
    assert_eq!(list["outgoing_caller_ids"], json!([]));
    let call = [
        ("To", "+14155550123"),
        ("From", "+493023125000"),
        ("Url", URL),
    ];
    world.post("/Calls.json", &call).await.refused(400, 21210);
    let path = format!("/Calls/{}.json", request["call_sid"].as_str().unwrap());
    world.post(&path, &[("Url", URL)]).await.refused(400, 21220);
    let form = [("PhoneNumber", "+493023125001"), ("Extension", "1;2")];
    world
        .post("/OutgoingCallerIds.json", &form)
        .await
        .refused(400, 20422);
    let own = world.get(PATH).await.ok(200);
    for number in own["incoming_phone_numbers"].as_array().unwrap() {
        let path = format!(
            "/IncomingPhoneNumbers/{}.json",
            number["sid"].as_str().unwrap()
        );
        assert_eq!(world.delete(&path).await.status.as_u16(), 204);
    }
    world
        .post("/OutgoingCallerIds.json", &form[..1])
        .await
        .refused(503, 20503);
}

#[tokio::test]
async fn available_numbers_are_nowhere_on_the_map() {
    let world = World::new().await;
    for (filter, some) in [
        ("InRegion=CA", true),
        ("Beta=false", true),
        ("Beta=true", false),
        ("InPostalCode=94105", false),
        ("InRateCenter=SNFC", false),
        ("InLata=722", false),
        ("NearNumber=%2B14155550100&Distance=5", false),
        ("NearLatLong=37.8,-122.4", false),
    ] {
        let path = format!("/AvailablePhoneNumbers/US/Local.json?AreaCode=415&{filter}");
        let found = world.get(&path).await.ok(200);
        let found = found["available_phone_numbers"].as_array().unwrap();
        assert_eq!(!found.is_empty(), some, "{filter}");
    }
}

#[tokio::test]
async fn what_is_kept_without_effect_is_said() {
    let world = World::new().await;
    let trunk = json!({"name": "carrier", "host": "sip.example.com"}).to_string();
    let request = Request::post("/_switchboard/v1/trunks")
        .header("authorization", basic(&format!("{MAIN}:main")))
        .body(Body::from(trunk))
        .unwrap();
    let trunk = world.raw(request).await.ok(201);
    let trunk = trunk["sid"].as_str().unwrap();
    let form = [("PhoneNumber", "+14155550111"), ("TrunkSid", trunk)];
    let number = world.post(PATH, &form).await.ok(201);
    assert_eq!(number["trunk_sid"], trunk);
    let path = format!(
        "/IncomingPhoneNumbers/{}.json",
        number["sid"].as_str().unwrap()
    );
    world
        .post(&path, &[("VoiceCallerIdLookup", "true")])
        .await
        .ok(200);
    world
        .post(&path, &[("VoiceCallerIdLookup", "false"), ("TrunkSid", "")])
        .await
        .ok(200);
    let alerts = world.get("/v1/Alerts?LogLevel=warning").await.ok(200);
    let texts: Vec<_> = alerts["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| (&alert["error_code"], alert["alert_text"].as_str().unwrap()))
        .collect();
    let [(lookup, said), (trunk, before)] = texts.as_slice() else {
        panic!("{texts:?}")
    };
    assert!(said.starts_with("VoiceCallerIdLookup is kept") && **lookup == json!("20001"));
    assert!(before.starts_with("TrunkSid is kept") && **trunk == json!("20001"));
}
