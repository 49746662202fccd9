//! The virtual telephones as scripts work them: every knob over HTTP, judged by what the other end
//! notices; and what they say to input that makes no sense.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;

use std::time::{Duration, Instant};

use harness::{Folder, Receiver, SOON, Server, eventually};
use serde_json::{Value, json};

/// Samples of a second.
const RATE: usize = 8000;
/// The tone that a telephone plays, in hertz.
const TONE: f64 = 1000.0;

async fn started() -> (Folder, Server) {
    let folder = Folder::new();
    let rate = ("SWITCHBOARD_CALLS_PER_SECOND", "20");
    let server = Server::start(&folder, &[rate]).await;
    (folder, server)
}

async fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let path = format!("/_switchboard/v1/phones{path}");
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let (status, body) = server
        .try_request(method, &path, "application/json", body)
        .await
        .unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Root mean square of all samples.
fn level(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

/// The part of the energy at one frequency (Goertzel's algorithm), from 0 to about 1.
fn part_at(samples: &[i16], hertz: f64) -> f64 {
    let turn = 2.0 * (std::f64::consts::TAU * hertz / RATE as f64).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + turn * one - two, one);
    }
    let power = one * one + two * two - turn * one * two;
    let all = level(samples).powi(2) * samples.len() as f64;
    2.0 * power / (samples.len() as f64 * all.max(1.0))
}

fn tone_file(folder: &Folder) -> String {
    let path = folder.0.join("tone.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE as u32,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&path, spec).unwrap();
    for at in 0..RATE * 2 {
        let angle = std::f64::consts::TAU * TONE * at as f64 / RATE as f64;
        file.write_sample((8000.0 * angle.sin()) as i16).unwrap();
    }
    file.finalize().unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn two_telephones_speak_play_press_and_hang_up_as_they_are_told() {
    let (folder, server) = started().await;
    let receiver = Receiver::with(&[("/keys", "")]).await;
    let (speaker, player, presser) = (server.phone(1), server.phone(2), server.phone(3));
    let speak = json!({ "speak": "Good morning. This is a sentence of some length." });
    server.knobs(speaker, speak).await;
    let play =
        json!({ "answer_after_ms": 0, "play": tone_file(&folder), "hang_up_after_ms": 4000 });
    server.knobs(player, play).await;
    let keys = json!({ "answer_after_ms": 0, "digits": [{ "at_ms": 500, "digits": "12" }, { "at_ms": 1500, "digits": "#" }] });
    server.knobs(presser, keys).await;

    let together = format!("<Response><Dial>{player}</Dial></Response>");
    let gather = format!(
        "<Response><Gather numDigits=\"9\" timeout=\"20\" action=\"{}\"/></Response>",
        receiver.url("/keys")
    );
    let call = async |to: &str, twiml: &str| {
        let form = [
            ("To", to),
            ("From", server.number("demo")),
            ("Twiml", twiml),
        ];
        server.call(&form).await
    };
    let talk = call(speaker, &together).await;
    call(presser, &gather).await;

    let pressed = receiver.first("/keys").await;
    assert_eq!(pressed.get("Digits"), "12");

    // The player hangs up, and the Dial was the whole document.
    let talk = server.reaches(&talk, "completed").await;
    let seconds: u64 = talk["duration"].as_str().unwrap().parse().unwrap();
    assert!((3..=7).contains(&seconds), "{talk}");

    let speech = server.heard(player).await;
    assert!(
        level(&speech) > 300.0 && part_at(&speech, TONE) < 0.2,
        "no speech: {}",
        level(&speech)
    );
    let played = server.heard(speaker).await;
    let first = played.iter().position(|&sample| sample.abs() > 4000);
    let first = first.expect("the tone is heard") + RATE / 10;
    let tone = &played[first..first + RATE];
    assert!(part_at(tone, TONE) > 0.9, "{}", part_at(tone, TONE));
    assert!(part_at(tone, 1300.0) < 0.05);
}

/// The kinds of files that `Play` knows; here MP3, 700 Hz for three seconds.
#[tokio::test]
async fn it_plays_other_kinds_of_files() {
    let (_folder, server) = started().await;
    let mp3 = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../media/tests/sounds/tone.mp3"
    );
    let (listener, player) = (server.phone(5), server.phone(6));
    let knobs = json!({ "answer_after_ms": 0, "play": mp3, "hang_up_after_ms": 2500 });
    server.knobs(player, knobs).await;
    let together = format!("<Response><Dial>{player}</Dial></Response>");
    let form = [
        ("To", listener),
        ("From", server.number("demo")),
        ("Twiml", together.as_str()),
    ];
    let sid = server.call(&form).await;
    server.reaches(&sid, "completed").await;
    let played = server.heard(listener).await;
    // Behind the ringing, which is not that loud.
    let first = played.iter().position(|&sample| sample.abs() > 12_000);
    let first = first.expect("the tone is heard") + RATE / 10;
    let part = part_at(&played[first..first + RATE], 700.0);
    assert!(part > 0.9, "{part}");
}

#[tokio::test]
async fn it_answers_when_it_is_told_to_or_not_at_all() {
    let (_folder, server) = started().await;
    let rings = |at: usize, knobs: Value| {
        let server = &server;
        async move {
            server.knobs(server.phone(at), knobs).await;
            let form = [
                ("To", server.phone(at)),
                ("From", server.number("demo")),
                ("Twiml", "<Response><Hangup/></Response>"),
                ("Timeout", "3"),
            ];
            let sid = server.call(&form).await;
            let ended = eventually("the end of the call", SOON, async || {
                let record = server.record(&sid).await;
                harness::is_final(record["status"].as_str().unwrap()).then_some(record)
            });
            let begun = Instant::now();
            let status = ended.await["status"].as_str().unwrap().to_owned();
            (status, begun.elapsed())
        }
    };
    let (late, busy, rejected, nobody) = tokio::join!(
        rings(0, json!({ "answer_after_ms": 2000 })),
        rings(1, json!({ "busy": true })),
        rings(2, json!({ "reject": true })),
        rings(3, json!({ "no_answer": true })),
    );
    assert_eq!(late.0, "completed");
    assert!(late.1 >= Duration::from_millis(1900), "{late:?}");
    assert_eq!(busy.0, "busy");
    assert_eq!(rejected.0, "failed");
    assert_eq!(nobody.0, "no-answer");
    // Without knobs it is as at first.
    server.knobs(server.phone(1), json!({})).await;
    let again = rings(1, json!({})).await;
    assert_eq!(again.0, "completed");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let (_folder, server) = started().await;
    let (status, all) = ask(&server, "GET", "", &Value::Null).await;
    assert_eq!((status, all["phones"].as_array().unwrap().len()), (200, 10));
    assert_eq!(all["phones"][0]["state"], "idle");

    let first = format!("/{}", server.phone(0));
    let absurd = [
        (json!({ "anser_after_ms": 1 }), "anser_after_ms"),
        (json!({ "answer_after_ms": -1 }), "-1"),
        (json!({ "answer_after_ms": "soon" }), "soon"),
        (
            json!({ "digits": [{ "at_ms": 1, "digits": "12x" }] }),
            "0-9 * # A-D",
        ),
        (json!({ "digits": [{ "digits": "1" }] }), "at_ms"),
        (json!({ "busy": true, "reject": true }), "set one"),
        (json!({ "play": "/nonexistent.wav" }), "/nonexistent.wav"),
        (
            json!({ "play": concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml") }),
            "holds no sound",
        ),
        (json!("busy"), "busy"),
    ];
    for (body, reason) in &absurd {
        let (status, said) = ask(&server, "POST", &first, body).await;
        let message = said["message"].as_str().unwrap_or_default();
        assert!(
            status == 400 && message.contains(reason),
            "{body}: {status} {said}"
        );
    }
    // Nothing of it has been taken over.
    let (_, phone) = ask(&server, "GET", &first, &Value::Null).await;
    assert_eq!(phone["knobs"]["busy"], false);

    let (status, said) = ask(
        &server,
        "POST",
        &format!("{first}/calls"),
        &json!({ "to": "xyz" }),
    )
    .await;
    assert!(
        status == 400 && said["message"].as_str().unwrap().contains("number"),
        "{said}"
    );
    let (status, _) = ask(
        &server,
        "POST",
        "/+19998887777/calls",
        &json!({ "to": "+15005550100" }),
    )
    .await;
    assert_eq!(status, 404);
    let (status, _) = ask(&server, "GET", &format!("{first}/heard.wav"), &Value::Null).await;
    assert_eq!(status, 404, "it heard nothing yet");
    // Another telephone is made by setting it.
    let (status, made) = ask(&server, "POST", "/+19998887777", &json!({ "busy": true })).await;
    assert!(status == 200 && made["knobs"]["busy"] == true, "{made}");
}
