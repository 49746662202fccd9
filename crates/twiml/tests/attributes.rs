//! For every verb and noun that is executed: what each attribute is when it is not written,
//! and under which code a bad value is reported before that default is used.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use twiml::nouns::{Client, Conference, Number, Queue, Sip};
use twiml::verbs::{DialTarget, Enqueue, Gather, Pause, Play, Redirect, Reject, Say};
use twiml::words::{
    Beep, CallEvent, ConferenceRecord, DialRecord, InputKind, RecordingEvent, RejectReason, Trim,
};
use twiml::{Document, Method, Repeat, Verb};

/// The only verb of a document, and the codes of its problems.
fn only(xml: &str) -> (Verb, Vec<u32>) {
    let mut document = Document::parse(&format!("<Response>{xml}</Response>")).expect(xml);
    let codes: Vec<u32> = document
        .problems
        .iter()
        .map(|problem| problem.code)
        .collect();
    for code in &codes {
        let known = model::error_code::ErrorCode::find(*code);
        assert!(known.is_some(), "{xml}: the debugger does not know {code}");
    }
    assert_eq!(document.verbs.len(), 1, "{xml}: {:?}", document.problems);
    (document.verbs.remove(0).value, codes)
}

/// Checks rows of attribute, bad value and code. `template` holds `@` where attributes go.
/// A bad value leaves the verb as if the attribute were not written.
fn bad(template: &str, rows: &[(&str, &str, u32)]) {
    let (unwritten, codes) = only(&template.replacen('@', "", 1));
    assert_eq!(codes, [0u32; 0], "{template}");
    for (attribute, value, code) in rows {
        let xml = template.replacen('@', &format!(" {attribute}=\"{value}\""), 1);
        let (verb, codes) = only(&xml);
        assert_eq!(codes, [*code], "{xml}");
        assert_eq!(verb, unwritten, "{xml}");
    }
}

/// Checks rows of attribute and good value: no problem, and something else than the default.
fn good(template: &str, rows: &[(&str, &str)]) {
    let (unwritten, _) = only(&template.replacen('@', "", 1));
    for (attribute, value) in rows {
        let xml = template.replacen('@', &format!(" {attribute}=\"{value}\""), 1);
        let (verb, codes) = only(&xml);
        assert_eq!(codes, [0u32; 0], "{xml}");
        assert_ne!(verb, unwritten, "{xml}");
    }
}

/// Checks rows of attribute, value out of bounds, code and the bound that is used instead.
fn clamped(template: &str, rows: &[(&str, &str, u32, &str)]) {
    for (attribute, value, code, used) in rows {
        let (verb, codes) = only(&template.replacen('@', &format!(" {attribute}=\"{value}\""), 1));
        assert_eq!(codes, [*code], "{attribute}={value}");
        let (same, _) = only(&template.replacen('@', &format!(" {attribute}=\"{used}\""), 1));
        assert_eq!(verb, same, "{attribute}={value} is used as {used}");
    }
}

macro_rules! verb {
    ($kind:ident, $xml:expr) => {
        match only($xml).0 {
            Verb::$kind(verb) => verb,
            other => panic!("{other:?}"),
        }
    };
}

macro_rules! noun {
    ($kind:ident, $xml:expr) => {
        match verb!(Dial, $xml).targets.remove(0).value {
            DialTarget::$kind(noun) => noun,
            other => panic!("{other:?}"),
        }
    };
}

#[test]
fn say() {
    let Say {
        voice,
        language,
        repeat,
        content,
    } = verb!(Say, "<Say> Good\n evening </Say>");
    assert_eq!((voice, language, repeat), (None, None, Repeat::Times(1)));
    assert_eq!(content, [twiml::Ssml::Text("Good evening".into())]);
    let say = "<Say@>x</Say>";
    bad(
        say,
        &[
            ("loop", "twice", 13510),
            ("loop", "-1", 13510),
            ("Voice", "man", 12200),
        ],
    );
    clamped(
        say,
        &[
            ("loop", "1001", 13510, "1000"),
            ("loop", "99999999999", 13510, "1000"),
        ],
    );
    good(
        say,
        &[
            ("voice", "Polly.Joanna-Neural"),
            ("language", "de-DE"),
            ("loop", "0"),
        ],
    );
    assert_eq!(verb!(Say, "<Say loop='0'>x</Say>").repeat, Repeat::Forever);
}

#[test]
fn play() {
    let Play {
        repeat,
        digits,
        url,
    } = verb!(Play, "<Play>\n /hello.mp3\n</Play>");
    assert_eq!(
        (repeat, digits, url.as_deref()),
        (Repeat::Times(1), None, Some("/hello.mp3"))
    );
    bad(
        "<Play@>a.mp3</Play>",
        &[
            ("loop", "x", 13410),
            ("digits", "12x", 13430),
            ("digits", "", 13430),
        ],
    );
    good("<Play@>a.mp3</Play>", &[("loop", "0"), ("loop", "3")]);
    assert_eq!(
        verb!(Play, "<Play digits='w1A#'/>").digits.as_deref(),
        Some("w1A#")
    );
    let (both, codes) = only("<Play digits='1'>a.mp3</Play>");
    assert_eq!(codes, [12200]);
    assert!(matches!(both, Verb::Play(Play { url: None, .. })));
}

#[test]
fn pause() {
    assert_eq!(
        verb!(Pause, "<Pause/>"),
        Pause {
            length: Duration::from_secs(1)
        }
    );
    bad(
        "<Pause@/>",
        &[
            ("length", "long", 13910),
            ("length", "", 13910),
            ("length", "1.5", 13910),
        ],
    );
    good("<Pause@/>", &[("length", "0"), ("length", "10")]);
}

#[test]
fn gather() {
    let gather = verb!(Gather, "<Gather/>");
    assert_eq!(gather, Gather::default());
    assert_eq!(
        (gather.action.as_deref(), gather.method),
        (None, Method::Post)
    );
    assert_eq!(gather.input, [InputKind::Dtmf]);
    assert!(gather.takes_dtmf() && !gather.takes_speech());
    assert_eq!(gather.timeout, Duration::from_secs(5));
    assert_eq!((gather.finish_on_key, gather.num_digits), (Some('#'), None));
    assert!(!gather.action_on_empty_result && gather.barge_in && gather.profanity_filter);
    assert!(!gather.enhanced && !gather.debug);
    assert_eq!(gather.speech_timeout, None);
    assert_eq!(gather.max_speech_time, Duration::from_secs(60));
    assert_eq!(
        (&*gather.language, &*gather.speech_model),
        ("en-US", "default")
    );
    let gather = "<Gather@/>";
    bad(
        gather,
        &[
            ("action", "http://[", 11100),
            ("method", "PUT", 13312),
            ("input", "smell", 13326),
            ("input", "", 13326),
            ("timeout", "soon", 13313),
            ("finishOnKey", "12", 13310),
            ("finishOnKey", "A", 13310),
            ("numDigits", "many", 13314),
            ("actionOnEmptyResult", "yes", 13338),
            ("speechTimeout", "later", 13327),
            ("maxSpeechTime", "x", 13328),
            ("partialResultCallbackMethod", "x", 13329),
            ("bargeIn", "x", 13332),
            ("profanityFilter", "x", 13333),
            ("numdigits", "1", 12200),
        ],
    );
    good(
        gather,
        &[
            ("action", "/menu?a=1"),
            ("method", "get"),
            ("input", "dtmf speech"),
            ("finishOnKey", ""),
            ("finishOnKey", "*"),
            ("actionOnEmptyResult", "TRUE"),
            ("speechTimeout", "auto"),
            ("speechTimeout", "3"),
        ],
    );
    clamped(
        gather,
        &[("numDigits", "0", 13314, "1"), ("timeout", "0", 13313, "1")],
    );
    assert_eq!(
        verb!(Gather, "<Gather finishOnKey=''/>").finish_on_key,
        None
    );
}

#[test]
fn record() {
    let record = verb!(Record, "<Record/>");
    assert_eq!(
        (record.method, record.timeout),
        (Method::Post, Duration::from_secs(5))
    );
    assert_eq!(record.finish_on_key, "1234567890*#");
    assert_eq!((record.trim, record.play_beep), (Trim::TrimSilence, true));
    assert_eq!(
        record.recording_status_callback_event,
        [RecordingEvent::Completed]
    );
    assert_eq!(record.longest(), Duration::from_secs(3_600));
    let written_down = verb!(Record, "<Record transcribe='true'/>");
    assert_eq!(written_down.longest(), Duration::from_secs(120));
    bad(
        "<Record@/>",
        &[
            ("method", "x", 13610),
            ("timeout", "x", 13611),
            ("maxLength", "x", 13612),
            ("finishOnKey", "1x", 13613),
            ("transcribe", "x", 13614),
            ("playBeep", "x", 13616),
            ("recordingStatusCallbackEvent", "x", 13621),
            ("recordingStatusCallback", "http://[", 13256),
            ("trim", "x", 13699),
        ],
    );
    good(
        "<Record@/>",
        &[
            ("timeout", "0"),
            ("finishOnKey", ""),
            ("trim", "do-not-trim"),
        ],
    );
}

#[test]
fn dial() {
    let dial = verb!(Dial, "<Dial>+1 (555) 123-4567</Dial>");
    assert_eq!(dial.timeout, Duration::from_secs(30));
    assert_eq!(dial.time_limit, Duration::from_secs(14_400));
    assert_eq!(
        (dial.record, dial.trim),
        (DialRecord::DoNotRecord, Trim::DoNotTrim)
    );
    assert!(!dial.hangup_on_star && !dial.answer_on_bridge && !dial.sequential);
    assert_eq!(
        (dial.caller_id, dial.ring_tone, dial.action),
        (None, None, None)
    );
    assert_eq!(dial.targets.len(), 1);
    let dial = "<Dial@>+15551234567</Dial>";
    bad(
        dial,
        &[
            ("action", "http://[", 11100),
            ("method", "x", 13210),
            ("timeout", "x", 13212),
            ("hangupOnStar", "x", 13213),
            ("timeLimit", "x", 13216),
            ("record", "x", 13217),
            ("sequential", "x", 13218),
            ("answerOnBridge", "x", 13219),
            ("ringTone", "xx", 13220),
            ("recordingStatusCallback", "http://[", 13256),
            ("recordingStatusCallbackEvent", "x", 13621),
            ("recordingTrack", "x", 13622),
            ("trim", "x", 13699),
        ],
    );
    clamped(
        dial,
        &[
            ("timeout", "1", 13212, "5"),
            ("timeout", "601", 13212, "600"),
        ],
    );
    good(
        dial,
        &[
            ("record", "record-from-ringing-dual"),
            ("ringTone", "us-old"),
            ("callerId", "client:x"),
        ],
    );
    assert_eq!(
        verb!(Dial, "<Dial record='true'>1</Dial>").record,
        DialRecord::RecordFromAnswer
    );
}

#[test]
fn number() {
    let number = noun!(Number, "<Dial><Number>1-800-FLOWERS</Number></Dial>");
    assert_eq!(
        number,
        Number {
            number: "18003569377".into(),
            ..Number::default()
        }
    );
    assert_eq!(number.status_callback_event, [CallEvent::Completed]);
    assert_eq!(
        (number.url, number.method, number.machine_detection),
        (None, Method::Post, None)
    );
    assert_eq!(number.machine_detection_timeout, Duration::from_secs(30));
    bad(
        "<Dial><Number@>+15551234567</Number></Dial>",
        &[
            ("sendDigits", "x", 13222),
            ("method", "x", 13221),
            ("url", "http://[", 11100),
            ("statusCallback", "http://[", 11100),
            ("statusCallbackEvent", "x", 12200),
            ("machineDetection", "x", 12200),
        ],
    );
    good(
        "<Dial><Number@>+15551234567</Number></Dial>",
        &[
            ("statusCallbackEvent", "initiated ringing"),
            ("machineDetection", "Enable"),
            ("sendDigits", "ww1#"),
        ],
    );
    let partly = only("<Dial><Number statusCallbackEvent='answered x'>1</Number></Dial>");
    assert_eq!(partly.1, [12200]);
}

#[test]
fn sip() {
    let sip = noun!(
        Sip,
        "<Dial><Sip>sip:a@example.com;transport=tls?X-T=1</Sip></Dial>"
    );
    assert_eq!(sip.uris[0].uri, "sip:a@example.com;transport=tls?X-T=1");
    assert_eq!(
        Sip {
            uris: vec![],
            ..sip
        },
        Sip::default()
    );
    let long = "x".repeat(256);
    bad(
        "<Dial><Sip@>sip:a@example.com</Sip></Dial>",
        &[
            ("method", "x", 13241),
            ("username", &long, 13249),
            ("password", &long, 13249),
        ],
    );
    let many = "<Dial><Sip><Uri priority='1'>sip:a@b</Uri><Uri weight='2'>sips:c@d</Uri>\
        <Headers><Header name='X-A' value='1'/><Header name='Via' value='1'/></Headers></Sip></Dial>";
    let (verb, codes) = only(many);
    assert_eq!(codes, [13252], "Via is not a customer's to set");
    let Verb::Dial(mut dial) = verb else { panic!() };
    let DialTarget::Sip(sip) = dial.targets.remove(0).value else {
        panic!()
    };
    assert_eq!((sip.uris.len(), sip.headers.len()), (2, 1));
}

#[test]
fn client_conference_queue() {
    let client = noun!(Client, "<Dial><Client>alice</Client></Dial>");
    assert_eq!(
        client,
        Client {
            identity: "alice".into(),
            ..Client::default()
        }
    );
    let long = noun!(
        Client,
        "<Dial><Client><Identity>bob</Identity><Parameter name='a' value='b'/></Client></Dial>"
    );
    assert_eq!((&*long.identity, long.parameters.len()), ("bob", 1));
    let conference = noun!(Conference, "<Dial><Conference>Room 7</Conference></Dial>");
    assert_eq!(
        conference,
        Conference {
            name: "Room 7".into(),
            ..Conference::default()
        }
    );
    assert_eq!(
        (conference.beep, conference.max_participants),
        (Beep::Both, 250)
    );
    assert!(conference.start_conference_on_enter && !conference.end_conference_on_exit);
    assert_eq!(
        (conference.record, conference.waiting_method()),
        (ConferenceRecord::DoNotRecord, Method::Get)
    );
    let silent = noun!(
        Conference,
        "<Dial><Conference waitUrl=''>r</Conference></Dial>"
    );
    assert_eq!(silent.wait_url.as_deref(), Some(""));
    bad(
        "<Dial><Conference@>r</Conference></Dial>",
        &[
            ("muted", "x", 13230),
            ("endConferenceOnExit", "x", 13231),
            ("startConferenceOnEnter", "x", 13232),
            ("waitUrl", "http://[", 13233),
            ("waitMethod", "x", 13234),
            ("beep", "x", 13235),
            ("trim", "x", 13239),
            ("maxParticipants", "x", 12200),
        ],
    );
    let queue = noun!(Queue, "<Dial><Queue>support</Queue></Dial>");
    assert_eq!(
        queue,
        Queue {
            name: "support".into(),
            ..Queue::default()
        }
    );
    bad(
        "<Dial><Queue@>q</Queue></Dial>",
        &[("method", "x", 14210), ("url", "http://[", 14211)],
    );
}

#[test]
fn enqueue_redirect_reject() {
    let enqueue = verb!(Enqueue, "<Enqueue>support</Enqueue>");
    assert_eq!(
        enqueue,
        Enqueue {
            name: Some("support".into()),
            ..Enqueue::default()
        }
    );
    assert_eq!(enqueue.wait_method(), Method::Get);
    assert_eq!(
        verb!(Enqueue, "<Enqueue waitUrl='/w'>s</Enqueue>").wait_method(),
        Method::Post
    );
    bad(
        "<Enqueue@>q</Enqueue>",
        &[
            ("method", "x", 14201),
            ("waitUrl", "http://[", 14202),
            ("action", "http://[", 14203),
            ("waitUrlMethod", "x", 14206),
        ],
    );
    assert_eq!(
        verb!(Redirect, "<Redirect/>"),
        Redirect {
            method: Method::Post,
            url: String::new()
        }
    );
    bad("<Redirect@>/next</Redirect>", &[("method", "x", 13710)]);
    let reject = verb!(Reject, "<Reject/>");
    assert_eq!(
        reject,
        Reject {
            reason: RejectReason::Rejected,
            parameters: vec![]
        }
    );
    bad("<Reject@/>", &[("reason", "tired", 13810)]);
    good("<Reject@/>", &[("reason", "busy")]);
}

#[test]
fn unusable_verbs_are_skipped_and_the_rest_runs() {
    let long = format!("<Say>{}</Say>", "x".repeat(4097));
    let queue = format!("<Enqueue>{}</Enqueue>", "q".repeat(65));
    for (xml, code) in [
        ("<Say/>", 13520),
        ("<Say>  </Say>", 13520),
        (&*long, 13521),
        ("<Play/>", 12200),
        ("<Play>http://[</Play>", 11100),
        ("<Redirect>http://[</Redirect>", 11100),
        ("<Dial/>", 13223),
        ("<Dial>nobody</Dial>", 13223),
        ("<Dial><Sip>http://example.com</Sip></Dial>", 13243),
        ("<Dial><Conference/></Dial>", 13237),
        ("<Dial><Queue/></Dial>", 14212),
        ("<Enqueue/>", 14204),
        (&*queue, 14205),
        ("<Refer/>", 13243),
        ("<Connect/>", 12200),
        ("<Connect><ConversationRelay/></Connect>", 11100),
        ("<Start/>", 12200),
        ("<Sms/>", 14103),
    ] {
        let document = Document::parse(&format!("<Response>{xml}<Hangup/></Response>")).expect(xml);
        let names: Vec<_> = document
            .verbs
            .iter()
            .map(|verb| verb.value.name())
            .collect();
        assert_eq!(names, ["Hangup"], "{xml}");
        assert_eq!(
            document.problems[0].code, code,
            "{xml}: {:?}",
            document.problems
        );
    }
}

#[test]
fn words_are_read_in_any_case() {
    for (lower, mixed) in [
        ("<Reject reason='busy'/>", "<Reject reason='BUSY'/>"),
        (
            "<Redirect method='GET'>/a</Redirect>",
            "<Redirect method='get'>/a</Redirect>",
        ),
        (
            "<Gather bargeIn='false' input='dtmf speech'/>",
            "<Gather bargeIn='False' input='DTMF Speech'/>",
        ),
        (
            "<Dial ringTone='us-old' record='record-from-ringing'>1</Dial>",
            "<Dial ringTone='US-OLD' record='Record-From-Ringing'>1</Dial>",
        ),
    ] {
        assert_eq!(only(lower), only(mixed));
        assert_eq!(only(mixed).1, [0u32; 0], "{mixed}");
    }
}
