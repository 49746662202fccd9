//! What is heard: files, speech and noise through the real program.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "harness/harness.rs"]
mod harness;
#[path = "harness/telephone.rs"]
mod telephone;

use std::time::Duration;

use harness::{Folder, Reaction, Receiver, SOON, Server};
use media::codec::{G722, PCMU};
use media::{Format, Sound};
use serde_json::json;
use telephone::Telephone;
use tokio::net::UdpSocket;

/// 700 Hz for three seconds.
const TONE: &[u8] = include_bytes!("../../media/tests/sounds/tone.mp3");

async fn started() -> (Folder, Server) {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]).await;
    (folder, server)
}

/// A call to a virtual telephone, until it is over; what the telephone heard.
async fn heard(server: &Server, phone: usize, form: &[(&str, &str)]) -> Sound {
    let mut form = form.to_vec();
    form.extend([("To", server.phone(phone)), ("From", server.number("demo"))]);
    let sid = server.call(&form).await;
    server.reaches(&sid, "completed").await;
    Sound::new(8000, server.heard(server.phone(phone)).await)
}

/// Mean square.
fn energy(samples: &[i16]) -> f64 {
    let squares = samples.iter().map(|&sample| f64::from(sample).powi(2));
    squares.sum::<f64>() / samples.len().max(1) as f64
}

/// Share of the energy at one frequency.
fn purity(sound: &Sound, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in sound.samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * hz * i as f64 / f64::from(sound.rate);
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
    }
    let length = sound.samples.len().max(1) as f64;
    (re * re + im * im) * 2.0 / length / length / energy(&sound.samples).max(1.0)
}

/// Which frames of 20 ms are not silent.
fn loud(sound: &Sound) -> Vec<bool> {
    let frames = sound.samples.chunks(sound.rate as usize / 50);
    frames.map(|frame| energy(frame) > 50_000.0).collect()
}

/// The part from the first to the last frame that is not silent.
fn sounding(sound: &Sound) -> Sound {
    let (loud, frame) = (loud(sound), sound.rate as usize / 50);
    let first = loud.iter().position(|&loud| loud).expect("silence only") * frame;
    let last = (loud.iter().rposition(|&loud| loud).unwrap() + 1) * frame;
    Sound::new(
        sound.rate,
        sound.samples[first..last.min(sound.samples.len())].to_vec(),
    )
}

fn sine(hz: f64, rate: u32, seconds: u32) -> Sound {
    let angle = move |i: u32| std::f64::consts::TAU * hz * f64::from(i) / f64::from(rate);
    let samples = (0..rate * seconds).map(|i| (angle(i).sin() * 8000.0) as i16);
    Sound::new(rate, samples.collect())
}

// play-5
#[tokio::test]
async fn an_mp3_is_heard_and_asked_about_before_it_is_played_again() {
    let (_folder, server) = started().await;
    let receiver = Receiver::start(|got, _| match got.headers.get("if-none-match") {
        None => Reaction::File("audio/mpeg", "ETag: \"one\"\r\n".into(), TONE.to_vec()),
        Some(_) => Reaction::Status(304),
    })
    .await;
    let twiml = format!(
        "<Response><Play>{}</Play></Response>",
        receiver.url("/tone.mp3")
    );
    for phone in 0..2 {
        let heard = sounding(&heard(&server, phone, &[("Twiml", &twiml)]).await);
        let seconds = heard.duration().as_secs_f64();
        assert!((2.8..3.3).contains(&seconds), "{seconds} s");
        let purity = purity(&heard, 700.0);
        assert!(purity > 0.9, "{purity} at 700 Hz");
    }
    let got = receiver.got("/tone.mp3");
    let asked: Vec<_> = got
        .iter()
        .map(|got| got.headers.get("if-none-match"))
        .collect();
    assert_eq!(asked, [None, Some(&"\"one\"".to_owned())]);
}

// document-15
#[tokio::test]
async fn sound_that_comes_in_place_of_a_document_is_played_itself() {
    let (_folder, server) = started().await;
    // Far longer than a document may be.
    let file = media::wav::write(&sine(700.0, 44_100, 2), None);
    assert!(file.len() > 150_000);
    let receiver = Receiver::start(move |got, _| match got.method.as_str() {
        "POST" => Reaction::File("audio/wav", String::new(), file.clone()),
        _ => Reaction::Status(405),
    })
    .await;
    let heard = heard(&server, 0, &[("Url", &receiver.url("/voice"))]).await;
    let heard = sounding(&heard);
    let seconds = heard.duration().as_secs_f64();
    assert!((1.8..2.2).contains(&seconds), "{seconds} s");
    assert!(purity(&heard, 700.0) > 0.9);
    let got = receiver.got("/voice");
    assert_eq!(got.len(), 1, "{got:?}");
}

// say-8
#[tokio::test]
async fn a_break_is_heard_as_silence() {
    let (_folder, server) = started().await;
    let twiml = "<Response><Say>One<break time=\"2s\"/>two</Say></Response>";
    let heard = loud(&sounding(&heard(&server, 0, &[("Twiml", twiml)]).await));
    let gap = heard
        .split(|&loud| loud)
        .map(<[bool]>::len)
        .max()
        .unwrap_or_default() as f64
        * 0.02;
    // The words have a little silence of their own around them.
    assert!((1.9..3.2).contains(&gap), "{gap} s of silence");
}

/// Sound that comes to a telephone in the next seconds.
async fn received(socket: &UdpSocket, format: Format, seconds: u32) -> Sound {
    let mut codec = format.codec();
    let mut samples = Vec::new();
    let mut buffer = [0; 2048];
    while samples.len() < (seconds * format.sample_rate) as usize {
        let received = tokio::time::timeout(SOON, socket.recv_from(&mut buffer));
        let (length, _) = received.await.expect("no more sound comes").unwrap();
        // RTP of this format, and no RTCP.
        if length > 12 && Some(buffer[1] & 0x7f) == format.payload_type {
            codec.decode(&buffer[12..length], &mut samples);
        }
    }
    Sound::new(format.sample_rate, samples)
}

/// The description of a telephone that speaks one format, with its sound at this port.
fn description(telephone: &Telephone, socket: &UdpSocket, format: Format) -> String {
    let port = socket.local_addr().unwrap().port();
    let payload_type = format.payload_type.unwrap();
    telephone.description().replace(
        &format!("m=audio {} RTP/AVP 0", telephone.address.port()),
        &format!("m=audio {port} RTP/AVP {payload_type}"),
    )
}

// dial-14
#[tokio::test]
async fn a_caller_hears_it_ring_before_the_answer() {
    let (_folder, server) = started().await;
    let slow = json!({ "answer_after_ms": 4000 });
    server.knobs(server.phone(1), slow).await;
    let dial = format!(
        "<Dial answerOnBridge=\"true\" ringTone=\"uk\" callerId=\"{}\">{}</Dial>",
        server.number("demo"),
        server.phone(1)
    );
    let receiver = Receiver::with(&[("/voice", &dial)]).await;
    let (_, numbers) = server
        .api("GET", "/IncomingPhoneNumbers.json?FriendlyName=menu", &[])
        .await;
    let number = &numbers["incoming_phone_numbers"][0];
    let path = format!(
        "/IncomingPhoneNumbers/{}.json",
        number["sid"].as_str().unwrap()
    );
    let voice = receiver.url("/voice");
    let changed = server.api("POST", &path, &[("VoiceUrl", &voice)]).await;
    assert_eq!(changed.0, 200);

    let mut telephone = Telephone::of("alice").await;
    telephone.register(&server).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let offer = description(&telephone, &socket, PCMU);
    let to = format!(
        "sip:{}@{}",
        server.number("menu"),
        server.fact("sip_domain")
    );
    let listen = async {
        // 400 ms twice, then two seconds of silence.
        let heard = loop {
            let heard = received(&socket, PCMU, 1).await;
            if energy(&heard.samples) > 50_000.0 {
                break sounding(&heard);
            }
        };
        let sid = receiver.first("/voice").await.get("CallSid").to_owned();
        assert_eq!(server.record(&sid).await["status"], "ringing");
        (heard, sid)
    };
    let ((answer, _), (heard, sid)) = tokio::join!(telephone.call(&server, &to, &offer), listen);
    for hz in [400.0, 450.0] {
        let purity = purity(&heard, hz);
        assert!(purity > 0.2, "{purity} at {hz} Hz");
    }
    let mut early = telephone.provisional.iter();
    let early = early.rfind(|response| response.status > 100).unwrap();
    assert_eq!((early.status, answer.status), (183, 200));
    // The answer says the same as before.
    assert!(!early.body.is_empty());
    assert_eq!(early.body, answer.body);
    server.reaches(&sid, "in-progress").await;
}

// sound-1, sound-2
#[tokio::test]
async fn a_wide_band_telephone_is_offered_noise_and_hears_above_4_khz() {
    let (_folder, server) = started().await;
    let file = media::wav::write(&sine(6000.0, 16_000, 2), None);
    let receiver =
        Receiver::start(move |_, _| Reaction::File("audio/wav", String::new(), file.clone())).await;
    let mut telephone = Telephone::of("alice").await;
    telephone.register(&server).await;
    let to = format!("sip:alice@{}", server.fact("sip_domain"));
    let file = format!("<Play>{}</Play>", receiver.url("/6000.wav"));
    for (verb, seconds) in [
        (file.as_str(), 1),
        ("<Say>She sells sea shells. She sells sea shells.</Say>", 2),
    ] {
        let twiml = format!("<Response>{verb}<Pause length=\"60\"/></Response>");
        let from = server.number("demo");
        let form = [("To", to.as_str()), ("From", from), ("Twiml", &twiml)];
        let sid = server.call(&form).await;
        let (invite, from) = telephone.request("INVITE").await;
        let offer = String::from_utf8_lossy(&invite.body).into_owned();
        assert!(offer.contains("a=rtpmap:13 CN/8000\r\n"), "{offer}");
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let description = description(&telephone, &socket, G722);
        let contact = format!("Contact: <sip:alice@{}>\r\n", telephone.address);
        telephone
            .answer(&invite, from, "200 OK", &contact, &description)
            .await;
        telephone.request("ACK").await;
        let heard = loop {
            // Silence comes first.
            let heard = received(&socket, G722, 1).await;
            if energy(&heard.samples) > 50_000.0 {
                break received(&socket, G722, seconds).await;
            }
        };
        let high = energy(&heard.samples) - energy(&heard.resampled(8000).samples);
        if verb == file {
            assert!(purity(&heard, 6000.0) > 0.4, "{}", purity(&heard, 6000.0));
        }
        let share = high / energy(&heard.samples);
        assert!(share > 0.01, "{share} of the energy is above 4 kHz");
        server.change(&sid, &[("Status", "completed")]).await;
        let (bye, from) = telephone.request("BYE").await;
        telephone.answer(&bye, from, "200 OK", "", "").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
