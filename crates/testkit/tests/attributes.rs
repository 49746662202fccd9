//! document-13: no attribute of a verb or noun that is executed is passed over in silence. Setting it
//! changes what the engine does, or the debugger hears of it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use twiml::nouns::{Client, Number, Sip, Uri};
use twiml::verbs::{Dial, Gather, Pause, Play, Redirect, Reject, Say};

/// What the engine does about a document (the first `@`: where the attribute goes) and what happens then.
fn done(document: &str, attribute: &str, happens: &str) -> String {
    let document = document.replacen('@', attribute, 1);
    let script = format!(
        "number asks https://app.test/voice\ncall from +15551230001 to +15005550006\napp answers <Response>{document}</Response>\n{}\n",
        happens.replace("; ", "\n")
    );
    match testkit::scenario::run(&script) {
        Ok(played) => {
            let effects = played.lines().filter(|line| line.starts_with("  "));
            effects.collect::<Vec<_>>().join("\n")
        }
        Err(error) => error,
    }
}

/// Each attribute with a value, in one of these documents with one of these events, is noticed.
fn all(element: &str, attributes: &[&str], values: &[(&str, &str)], plays: &[(&str, &str)]) {
    let named: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, attributes, "{element}: one row for each, in order");
    for (name, value) in values {
        let written = format!("{name}=\"{value}\"");
        let noticed = plays.iter().any(|(document, happens)| {
            let before = document.split('@').next().unwrap_or_default();
            let tag = &before[before.rfind('<').unwrap_or(0)..];
            let clash = tag.contains(&format!(" {name}="));
            !clash && done(document, "", happens) != done(document, &written, happens)
        });
        assert!(noticed, "{element} {written} is passed over in silence");
    }
}

#[test]
fn verbs_that_sound() {
    let say = [("voice", "alice"), ("language", "de-DE"), ("loop", "2")];
    all("Say", Say::ATTRIBUTES, &say, &[("<Say @>x</Say>", "")]);
    let play = [("loop", "2"), ("digits", "1")];
    all(
        "Play",
        Play::ATTRIBUTES,
        &play,
        &[("<Play @>/a.mp3</Play>", "")],
    );
    let pause = [("length", "9")];
    all(
        "Pause",
        Pause::ATTRIBUTES,
        &pause,
        &[("<Pause @/><Say>x</Say>", "5 s later")],
    );
    let redirect = [("method", "GET")];
    all(
        "Redirect",
        Redirect::ATTRIBUTES,
        &redirect,
        &[("<Redirect @>/a</Redirect>", "")],
    );
    let reject = [("reason", "busy")];
    all(
        "Reject",
        Reject::ATTRIBUTES,
        &reject,
        &[("<Reject @/>", "")],
    );
}

#[test]
fn gather() {
    let values = [
        ("action", "/a"),
        ("method", "GET"),
        ("input", "speech"),
        ("timeout", "9"),
        ("finishOnKey", "*"),
        ("numDigits", "1"),
        ("actionOnEmptyResult", "true"),
        ("speechTimeout", "auto"),
        ("maxSpeechTime", "9"),
        ("language", "de-DE"),
        ("hints", "yes"),
        ("speechModel", "x"),
        ("enhanced", "true"),
        ("profanityFilter", "false"),
        ("partialResultCallback", "/p"),
        ("partialResultCallbackMethod", "GET"),
        ("bargeIn", "false"),
        ("debug", "true"),
    ];
    let document = "<Gather @><Say>x</Say></Gather>";
    let plays = [
        (document, "caller presses 1; 6 s later"),
        (document, "caller presses #"),
        (document, "caller presses 12; 6 s later"),
    ];
    all("Gather", Gather::ATTRIBUTES, &values, &plays);
}

const TALK: &str = "+15550000001 rings; +15550000001 answers; caller presses *; 20 s later";

#[test]
fn dial() {
    let values = [
        ("action", "/a"),
        ("method", "GET"),
        ("timeout", "5"),
        ("hangupOnStar", "true"),
        ("timeLimit", "9"),
        ("callerId", "+15005550007"),
        ("callReason", "x"),
        ("record", "true"),
        ("trim", "trim-silence"),
        ("recordingTrack", "inbound"),
        ("recordingStatusCallback", "/r"),
        ("recordingStatusCallbackMethod", "GET"),
        ("recordingStatusCallbackEvent", "absent"),
        ("answerOnBridge", "true"),
        ("ringTone", "jp"),
        ("sequential", "true"),
        ("referUrl", "/r"),
        ("referMethod", "GET"),
        ("events", "call-progress-event"),
        ("recordingConfigurationId", "x"),
    ];
    let one = "<Dial @><Number>+15550000001</Number></Dial>";
    let action = "<Dial action=\"/b\" @><Number>+15550000001</Number></Dial>";
    let two = "<Dial @><Number>+15550000001</Number><Number>+15550000002</Number></Dial>";
    let refused = "+15550000001 refuses 486";
    let plays = [
        (one, TALK),
        (one, "9 s later"),
        (one, refused),
        (action, refused),
        (two, ""),
    ];
    all("Dial", Dial::ATTRIBUTES, &values, &plays);
}

const DETECTION: [(&str, &str); 7] = [
    ("machineDetection", "Enable"),
    ("machineDetectionTimeout", "9"),
    ("machineDetectionSpeechThreshold", "2000"),
    ("machineDetectionSpeechEndThreshold", "1000"),
    ("machineDetectionSilenceTimeout", "3000"),
    ("amdStatusCallback", "/a"),
    ("amdStatusCallbackMethod", "GET"),
];

#[test]
fn nouns() {
    let ends = "PARTY rings; PARTY answers; PARTY hangs up";
    let plays = |open: &str, close: &str, party: &str| {
        let documents = [
            format!("<Dial>{open} @>{close}</Dial>"),
            format!("<Dial>{open} url=\"/w\" statusCallback=\"/s\" @>{close}</Dial>"),
        ];
        documents.map(|document| (document, ends.replace("PARTY", party)))
    };
    let check = |element: &str,
                 attributes: &[&str],
                 values: &[(&str, &str)],
                 plays: [(String, String); 2]| {
        let plays: Vec<_> = plays
            .iter()
            .map(|(d, h)| (d.as_str(), h.as_str()))
            .collect();
        all(element, attributes, values, &plays);
    };
    let mut number = vec![
        ("sendDigits", "1"),
        ("url", "/w"),
        ("method", "GET"),
        ("byoc", "BY1"),
        ("statusCallback", "/s"),
        ("statusCallbackMethod", "GET"),
        ("statusCallbackEvent", "ringing"),
    ];
    number.extend(DETECTION);
    let party = "+15550000001";
    check(
        "Number",
        Number::ATTRIBUTES,
        &number,
        plays("<Number", &format!("{party}</Number>"), party),
    );
    let mut sip = vec![
        ("username", "u"),
        ("password", "p"),
        ("url", "/w"),
        ("method", "GET"),
        ("statusCallback", "/s"),
        ("statusCallbackMethod", "GET"),
        ("statusCallbackEvent", "ringing"),
    ];
    sip.extend(DETECTION);
    let party = "sip:a@b.test";
    let documents = [
        "username=\"x\"",
        "password=\"x\"",
        "url=\"/w\" statusCallback=\"/s\"",
    ]
    .map(|more| format!("<Dial><Sip {more} @>{party}</Sip></Dial>"));
    let happens = ends.replace("PARTY", party);
    let documents: Vec<_> = documents
        .iter()
        .map(|d| (d.as_str(), happens.as_str()))
        .collect();
    all("Sip", Sip::ATTRIBUTES, &sip, &documents);
    let client = [
        ("url", "/w"),
        ("method", "GET"),
        ("statusCallback", "/s"),
        ("statusCallbackMethod", "GET"),
        ("statusCallbackEvent", "ringing"),
        ("clientNotificationUrl", "/n"),
    ];
    check(
        "Client",
        Client::ATTRIBUTES,
        &client,
        plays("<Client", "joey</Client>", "client:joey"),
    );
}

#[test]
fn addresses_of_sip() {
    let values = [
        ("priority", "1"),
        ("weight", "65535"),
        ("username", "u"),
        ("password", "p"),
    ];
    let other = "<Uri priority=\"5\" weight=\"1\">sip:c@d.test</Uri>";
    let plays = [
        format!("<Dial><Sip><Uri @>sip:a@b.test</Uri>{other}</Sip></Dial>"),
        "<Dial><Sip><Uri priority=\"5\" @>sip:a@b.test</Uri><Uri priority=\"5\" weight=\"1000\">sip:c@d.test</Uri></Sip></Dial>".to_owned(),
        format!(
            "<Dial><Sip><Uri priority=\"1\" username=\"x\" @>sip:a@b.test</Uri>{other}</Sip></Dial>"
        ),
        format!(
            "<Dial><Sip><Uri priority=\"1\" password=\"x\" @>sip:a@b.test</Uri>{other}</Sip></Dial>"
        ),
    ];
    let plays: Vec<_> = plays
        .iter()
        .map(|document| (document.as_str(), ""))
        .collect();
    all("Uri", Uri::ATTRIBUTES, &values, &plays);
}
