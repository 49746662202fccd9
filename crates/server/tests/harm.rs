//! Documents that mean harm, against the whole program: each call ends as documented, and others are
//! served meanwhile.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use harness::{Folder, Reaction, Receiver, SOON, Server, eventually};

/// Ten entities, each of ten of the one before: 10 GB if somebody expanded them.
fn bomb() -> String {
    let mut text = "<!DOCTYPE Response [<!ENTITY a0 \"aaaaaaaaaa\">".to_owned();
    for level in 1..10 {
        let one = format!("&a{};", level - 1);
        text += &format!("<!ENTITY a{level} \"{}\">", one.repeat(10));
    }
    text + "]><Response><Say>&a9;</Say></Response>"
}

// document-3 document-8 document-16
#[tokio::test]
async fn documents_that_mean_harm_end_their_own_call_only() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    let receiver = Receiver::start(|got, _| {
        let document = |text: String| {
            let lines = "Content-Type: text/xml\r\n".to_owned();
            Reaction::Answer(200, lines, text)
        };
        match got.target.as_str() {
            "/bomb" => document(bomb()),
            "/large" => document(format!(
                "<Response><Say>{}</Say></Response>",
                "a".repeat(64 * 1024)
            )),
            "/deep" => document(format!("<Response>{}", "<Gather>".repeat(4000))),
            "/many" => document(format!(
                "<Response>{}</Response>",
                "<Pause/>".repeat(7000).replacen("<Pause/>", "<Hangup/>", 1)
            )),
            "/loop" => Reaction::Twiml("<Redirect/>".to_owned()),
            "/well" => Reaction::Twiml("<Hangup/>".to_owned()),
            _ => Reaction::Empty,
        }
    })
    .await;
    let mut calls = Vec::new();
    for (at, path, code) in [
        (0, "/loop", "11215"),
        (1, "/bomb", "12100"),
        (2, "/large", "11750"),
        (3, "/deep", "12100"),
        (4, "/many", "12200"),
    ] {
        let form = [
            ("To", server.phone(at)),
            ("From", server.number("demo")),
            ("Url", &receiver.url(path)),
        ];
        calls.push((server.call(&form).await, path, code));
    }
    // The last in the queue; it is not held up by them.
    let form = [
        ("To", server.phone(5)),
        ("From", server.number("demo")),
        ("Url", &receiver.url("/well")),
    ];
    let well = server.call(&form).await;
    server.reaches(&well, "completed").await;
    for (call, path, code) in calls {
        let list = format!("/Calls/{call}/Notifications.json");
        eventually(&format!("{code} for {path}"), SOON * 2, async || {
            let (_, list) = server.api("GET", &list, &[]).await;
            let all = list["notifications"].as_array()?;
            all.iter()
                .any(|one| one["error_code"] == code)
                .then_some(())
        })
        .await;
        eventually("the end of the call", SOON * 2, async || {
            let call = server.record(&call).await;
            harness::is_final(call["status"].as_str()?).then_some(())
        })
        .await;
    }
    // Own limit: a thousand documents for one call.
    let asked = receiver.got("/loop").len();
    assert_eq!(asked, 1000);
}
