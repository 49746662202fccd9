//! Every code of `docs/compat/rest-codes.md`, provoked: a code that the page says is given must be
//! given here in each of the ways that it lists, and a code that it does not know fails the test.
#![allow(clippy::unwrap_used)]

#[path = "common/world.rs"]
mod common;

use std::collections::BTreeSet;

use common::{MAIN, NUMBER, Reply, STRANGER, SUB, World};
use model::call::CallStatus;
use model::now::Wall;

const URL: &str = "http://example.com/twiml";
const CALLS: &str = "/Calls.json";
const NUMBERS: &str = "/IncomingPhoneNumbers.json";
const FREE: &str = "+14155550111";

/// What the contract documents (2.8, 3.2, 3.7); the page must have a line for each.
const DOCUMENTED: &[u32] = &[
    15002, 20001, 20002, 20009, 20422, 20423, 21201, 21202, 21203, 21205, 21206, 21207, 21208,
    21209, 21210, 21211, 21212, 21213, 21214, 21215, 21216, 21217, 21218, 21219, 21220, 21221,
    21222, 21223, 21224, 21225, 21226, 21227, 21228, 21229, 21234, 21262, 21263, 21401, 21402,
    21403, 21404, 21405, 21409, 21420, 21421, 21422, 21450, 21451, 21452, 21454, 21456, 21470,
    21471, 21472, 21473, 21474, 21475, 21476, 21477, 21478, 21479, 21480, 21501, 21615, 21631,
    21649, 32018, 32019,
];

/// The least that a call needs, and this.
async fn call(world: &World, name: &str, value: &str) -> Reply {
    calls(world, &[(name, value)]).await
}

async fn calls(world: &World, more: &[(&str, &str)]) -> Reply {
    let mut form = more.to_vec();
    let least = [("To", "+14155550123"), ("From", NUMBER), ("Url", URL)];
    for (name, value) in least {
        if !form.iter().any(|(given, _)| *given == name) {
            form.push((name, value));
        }
    }
    world.post(CALLS, &form).await
}

/// A call that waits in the queue: its path without ending.
async fn queued(world: &World) -> String {
    let body = call(world, "Timeout", "60").await.ok(201);
    format!("/Calls/{}", body["sid"].as_str().unwrap())
}

async fn ended(world: &World) -> String {
    let path = queued(world).await;
    let sid = path.rsplit('/').next().unwrap().parse().unwrap();
    let mut call = world.store.calls().find(MAIN, sid).await.unwrap().unwrap();
    call.status = CallStatus::Completed;
    call.ended = Some(Wall(call.created.0 + 1));
    let change = store::Change {
        calls: vec![call],
        dequeued: vec![sid],
        ..store::Change::default()
    };
    world.store.calls().save(change).await.unwrap();
    path
}

/// Buys a number with this, and changes one with it.
async fn number(world: &World, name: &str, value: &str) -> Vec<Reply> {
    let own = format!("/IncomingPhoneNumbers/PN{}.json", "09".repeat(16));
    vec![
        world
            .post(NUMBERS, &[("PhoneNumber", FREE), (name, value)])
            .await,
        world.post(&own, &[(name, value)]).await,
    ]
}

async fn moved(world: &World, to: &str) -> Reply {
    let own = format!("/IncomingPhoneNumbers/PN{}.json", "09".repeat(16));
    world.post(&own, &[("AccountSid", to)]).await
}

async fn status(world: &World, who: &str, account: &str, status: &str) -> Reply {
    let path = format!("/2010-04-01/Accounts/{account}.json");
    world.asks(who, "POST", &path, &[("Status", status)]).await
}

/// Every documented way to this code, each in a world of its own kind of trouble.
async fn refusals(code: u32) -> Vec<Reply> {
    let world = &World::new().await;
    let (long, name) = ("a".repeat(256), "a".repeat(65));
    let none = |prefix: &str| format!("{prefix}{}", "0".repeat(32));
    let (main, sub) = (MAIN.to_string(), SUB.to_string());
    let mut replies = Vec::new();
    // Parameters of a new call, and of one that is changed.
    let placed: Vec<(&str, String)> = match code {
        21201 => vec![("To", String::new())],
        21205 => [
            "Url",
            "FallbackUrl",
            "StatusCallback",
            "AsyncAmdStatusCallback",
            "RecordingStatusCallback",
            "ClientNotificationUrl",
        ]
        .into_iter()
        .flat_map(|name| {
            ["/relative", "not a url", "ftp://example.com", "http://"]
                .map(|url| (name, url.to_owned()))
        })
        .chain([("Url", String::new())])
        .collect(),
        21206 => ["12x", "0,1", &"1".repeat(33)]
            .map(|d| ("SendDigits", d.into()))
            .into(),
        21207 => vec![("IfMachine", "Maybe".into())],
        21208 => ["0", "601", "-1", "soon", "1.5"]
            .map(|t| ("Timeout", t.into()))
            .into(),
        21209 => [
            "Method",
            "FallbackMethod",
            "StatusCallbackMethod",
            "AsyncAmdStatusCallbackMethod",
            "RecordingStatusCallbackMethod",
        ]
        .into_iter()
        .flat_map(|name| ["PUT", "DELETE", "x"].map(|method| (name, method.to_owned())))
        .collect(),
        21210 => vec![
            ("From", "+14155550199".into()),
            ("CallerId", "+14155550199".into()),
        ],
        21211 => [
            "12",
            "nobody",
            "tel:+14155550123",
            "client:",
            "sip:",
            "sip:a@b@c",
            "sip:a b@c",
        ]
        .map(|to| ("To", to.into()))
        .into(),
        21217 => ["+1415555012", "+141555501234"]
            .map(|to| ("To", to.into()))
            .into(),
        21212 => vec![("From", "joey".into()), ("CallerId", "client:joey".into())],
        21213 => vec![("From", String::new())],
        21218 => ["AP1".to_owned(), none("AP"), none("CA")]
            .map(|s| ("ApplicationSid", s))
            .into(),
        21221 => vec![("SipAuthUsername", long)],
        21222 => vec![
            ("SipAuthUsername", "a b".into()),
            ("SipAuthUsername", "ä".into()),
        ],
        21223 => vec![("SipAuthPassword", long)],
        21224 => vec![("SipAuthPassword", "a\"b".into())],
        21225 => vec![("SipAuthUsername", "joey".into())],
        21227 => ["X-A", "X-A=1%0d%0aVia:2"]
            .map(|h| ("To", format!("sip:a@example.com?{h}")))
            .into(),
        21228 => vec![("To", format!("sip:a@example.com?X-A={}", "a".repeat(1024)))],
        21229 => ["Via", "X A", "Subject"]
            .map(|h| {
                (
                    "To",
                    format!("sip:a@example.com?{}=1", h.replace(' ', "%20")),
                )
            })
            .into(),
        21234 => [
            ("MachineDetection", "Yes"),
            ("MachineDetectionTimeout", "2"),
            ("MachineDetectionTimeout", "60"),
            ("MachineDetectionSpeechThreshold", "999"),
            ("MachineDetectionSpeechThreshold", "6001"),
            ("MachineDetectionSpeechEndThreshold", "499"),
            ("MachineDetectionSpeechEndThreshold", "5001"),
            ("MachineDetectionSilenceTimeout", "1999"),
            ("MachineDetectionSilenceTimeout", "10001"),
            ("AsyncAmd", "maybe"),
        ]
        .map(|(name, value)| (name, value.into()))
        .into(),
        20422 => [
            ("TimeLimit", "long"),
            ("TimeLimit", "0"),
            ("Record", "maybe"),
            ("RecordingChannels", "three"),
            ("RecordingTrack", "all"),
            ("Trim", "some"),
            ("RecordingStatusCallbackEvent", "begun"),
        ]
        .map(|(name, value)| (name, value.into()))
        .into(),
        20423 => vec![("Byoc", "BY1".into()), ("Byoc", none("CA"))],
        _ => Vec::new(),
    };
    for (name, value) in &placed {
        replies.push(call(world, name, value).await);
    }
    match code {
        20002 => replies.extend(number(world, "FriendlyName", &name).await),
        20009 => replies.push(world.delete(&format!("{}.json", queued(world).await)).await),
        20422 => {
            replies.extend(number(world, "VoiceReceiveMode", "telex").await);
            replies.extend(number(world, "EmergencyStatus", "Maybe").await);
            let path = format!("{}.json", queued(world).await);
            replies.push(world.post(&path, &[("Status", "ringing")]).await);
            let both = [("Url", URL), ("Twiml", "<Response/>")];
            replies.push(world.post(&path, &both).await);
        }
        20423 => {
            replies.extend(number(world, "TrunkSid", &none("TK")).await);
            replies.extend(number(world, "TrunkSid", "TK1").await);
            replies.push(world.get("/Calls.json?ParentCallSid=CA1").await);
        }
        21205 | 21209 => {
            let path = format!("{}.json", queued(world).await);
            let names = match code {
                21205 => ["Url", "FallbackUrl", "StatusCallback"],
                _ => ["Method", "FallbackMethod", "StatusCallbackMethod"],
            };
            for name in names {
                replies.push(world.post(&path, &[(name, "x")]).await);
            }
        }
        21220 => {
            // The engine says no to the first; the second has ended.
            for path in [queued(world).await, ended(world).await] {
                replies.push(world.post(&format!("{path}.json"), &[("Url", URL)]).await);
            }
        }
        32018 => {
            let twiml = format!("<Response><!--{}--></Response>", "ä".repeat(3975));
            assert_eq!(twiml.chars().count(), 4003);
            let least = [("To", "+14155550123"), ("From", NUMBER), ("Twiml", &twiml)];
            replies.push(world.post(CALLS, &least).await);
            let path = format!("{}.json", queued(world).await);
            replies.push(world.post(&path, &[("Twiml", &twiml)]).await);
        }
        21401 => {
            let path = "/OutgoingCallerIds.json";
            replies.push(world.post(path, &[("PhoneNumber", "12")]).await);
            replies.push(world.post(path, &[]).await);
        }
        21402 => {
            for name in ["VoiceUrl", "VoiceFallbackUrl", "SmsUrl", "SmsFallbackUrl"] {
                replies.extend(number(world, name, "x").await);
            }
        }
        21403 => {
            for name in [
                "VoiceMethod",
                "VoiceFallbackMethod",
                "StatusCallbackMethod",
                "SmsMethod",
                "SmsFallbackMethod",
            ] {
                replies.extend(number(world, name, "PUT").await);
            }
        }
        21405 => {
            replies.extend(number(world, "VoiceFallbackUrl", URL).await);
            replies.extend(number(world, "SmsFallbackUrl", URL).await);
        }
        21409 => replies.extend(number(world, "VoiceCallerIdLookup", "maybe").await),
        21420 => {
            for name in ["VoiceApplicationSid", "SmsApplicationSid"] {
                replies.extend(number(world, name, "AP1").await);
                replies.extend(number(world, name, &none("AP")).await);
            }
        }
        21421 => {
            replies.push(world.post(NUMBERS, &[("PhoneNumber", "12")]).await);
            replies.push(world.post(NUMBERS, &[("VoiceUrl", URL)]).await);
            for kind in ["Local", "Mobile", "TollFree"] {
                let path = format!("/IncomingPhoneNumbers/{kind}.json");
                replies.push(world.post(&path, &[("AreaCode", "415")]).await);
            }
        }
        21422 => replies.push(world.post(NUMBERS, &[("PhoneNumber", NUMBER)]).await),
        21450 => {
            let form = [("PhoneNumber", "+493023125000")];
            world.post("/OutgoingCallerIds.json", &form).await.ok(200);
            replies.push(world.post("/OutgoingCallerIds.json", &form).await);
        }
        21451 => {
            for area in ["115", "41", "abc", "4155"] {
                replies.push(world.post(NUMBERS, &[("AreaCode", area)]).await);
            }
            let path = "/AvailablePhoneNumbers/US/Local.json?AreaCode=1";
            replies.push(world.get(path).await);
        }
        21452 => {
            for _ in 0..100 {
                world.post(NUMBERS, &[("AreaCode", "212")]).await.ok(201);
            }
            replies.push(world.post(NUMBERS, &[("AreaCode", "212")]).await);
        }
        21454 => {
            for delay in ["61", "-1", "x"] {
                let form = [("PhoneNumber", FREE), ("CallDelay", delay)];
                replies.push(world.post("/OutgoingCallerIds.json", &form).await);
            }
        }
        21456 => {
            replies.extend(number(world, "StatusCallback", "x").await);
            let form = [("PhoneNumber", FREE), ("StatusCallback", "x")];
            replies.push(world.post("/OutgoingCallerIds.json", &form).await);
        }
        21470 => replies.push(moved(world, "AC1").await),
        21471 => replies.push(moved(world, &none("AC")).await),
        21472 => {
            status(world, &format!("{MAIN}:main"), &sub, "suspended")
                .await
                .ok(200);
            replies.push(moved(world, &sub).await);
        }
        21473 => replies.push(moved(world, &STRANGER.to_string()).await),
        21474 => {
            moved(world, &sub).await.ok(200);
            let own = format!("/IncomingPhoneNumbers/PN{}.json", "09".repeat(16));
            let there = format!("/2010-04-01/Accounts/{sub}{own}");
            let back = [("AccountSid", main.as_str())];
            replies.push(
                world
                    .asks(&format!("{SUB}:sub"), "POST", &there, &back)
                    .await,
            );
        }
        21475 => replies.push(status(world, &format!("{MAIN}:main"), &sub, "gone").await),
        21476 => replies.push(status(world, &format!("{MAIN}:main"), &main, "closed").await),
        21477 => {
            status(world, &format!("{MAIN}:main"), &sub, "closed")
                .await
                .ok(200);
            replies.push(status(world, &format!("{MAIN}:main"), &sub, "active").await);
        }
        21478 => replies.push(status(world, &format!("{SUB}:sub"), &sub, "closed").await),
        _ => {}
    }
    // What was refused left nothing behind.
    for name in placed.iter().map(|(name, _)| name) {
        assert!(world.live.originated.lock().unwrap().len() <= 1, "{name}");
    }
    replies
}

/// The requests that proceed with this code as a warning.
fn warned(code: u32) -> Vec<Vec<(&'static str, &'static str)>> {
    match code {
        20001 => vec![
            vec![("StatusCallbackEvent", "busy")],
            vec![("Record", "true")],
            vec![("CallReason", "Your order")],
            vec![("CallToken", "abc")],
            vec![("ClientNotificationUrl", URL)],
            vec![("Byoc", "BY00000000000000000000000000000000")],
        ],
        21262 => vec![
            vec![("MachineDetection", "Enable")],
            vec![("IfMachine", "Hangup")],
        ],
        32019 => vec![vec![("Twiml", "<Response/>")]],
        _ => vec![],
    }
}

#[tokio::test]
async fn each_documented_code_is_given() {
    let mut listed = BTreeSet::new();
    for line in include_str!("../../../docs/compat/rest-codes.md").lines() {
        let Some(rest) = line.strip_prefix("- **rest-codes-") else {
            continue;
        };
        let (code, says) = rest.split_once("** ").unwrap();
        let code: u32 = code.parse().unwrap();
        assert!(listed.insert(code), "{code} is listed twice");
        let (refusals, warnings) = (refusals(code).await, warned(code));
        if !says.contains("codes::each_documented_code_is_given") || says.starts_with("Never") {
            assert!(
                refusals.is_empty() && warnings.is_empty(),
                "{code} is given"
            );
            continue;
        }
        assert!(
            !refusals.is_empty() || !warnings.is_empty(),
            "{code} has no case"
        );
        assert_eq!(
            !warnings.is_empty(),
            says.starts_with("A warning"),
            "{code}"
        );
        for reply in refusals {
            let status = if says.contains("(409)") { 409 } else { 400 };
            reply.refused(status, code);
        }
        for form in warnings {
            let world = World::new().await;
            let body = calls(&world, &form).await.ok(201);
            let path = format!(
                "/Calls/{}/Notifications.json?Log=1",
                body["sid"].as_str().unwrap()
            );
            let shown = world.get(&path).await.ok(200);
            assert_eq!(
                shown["notifications"][0]["error_code"],
                code.to_string(),
                "{form:?}"
            );
        }
    }
    assert_eq!(listed, DOCUMENTED.iter().copied().collect());
}
