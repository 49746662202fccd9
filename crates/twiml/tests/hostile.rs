//! Documents meant to harm, and documents damaged at random: refused or read, never a panic.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use twiml::{Document, Limits};

fn code(text: &str) -> u32 {
    Document::parse(text)
        .map(|document| panic!("{document:?}"))
        .unwrap_err()
        .code
}

#[test]
fn entities_and_doctypes_are_refused() {
    assert_eq!(
        code(
            "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><Response><Say>&b;</Say></Response>"
        ),
        12100
    );
    assert_eq!(
        code("<!DOCTYPE r SYSTEM 'file:///etc/passwd'><Response/>"),
        12100
    );
    assert_eq!(code("<Response><Say>&nbsp;</Say></Response>"), 12100);
    assert_eq!(code("<Response><Say>a & b</Say></Response>"), 12100);
}

#[test]
fn a_blank_before_the_prolog_is_refused_and_explained() {
    for blank in [" ", "\n", "\r\n\t"] {
        let error =
            Document::parse(&format!("{blank}<?xml version=\"1.0\"?><Response/>")).unwrap_err();
        assert_eq!(error.code, 12100);
        assert!(error.message.contains("before <?xml"), "{error}");
    }
    assert!(Document::parse("\u{FEFF}<?xml version=\"1.0\"?><Response/>").is_ok());
    assert!(Document::parse("\n<Response/>").is_ok());
}

#[test]
fn not_xml() {
    for text in [
        "",
        " ",
        "hello",
        "<Response>",
        "<Response></response>",
        "<Response/><Response/>",
        "<Response a='1' a='2'/>",
        "\0",
        "<Response><Say>\0</Say></Response>",
        "<Response><x:Say/></Response>",
    ] {
        assert_eq!(code(text), 12100, "{text:?}");
    }
}

#[test]
fn ten_thousand_verbs_end_in_a_named_problem() {
    let text = format!("<Response>{}</Response>", "<Pause/>\n".repeat(10_000));
    let document = Document::parse(&text).unwrap();
    assert_eq!(document.verbs.len(), 1_000);
    assert_eq!(document.problems.len(), 1);
    assert!(
        document.problems[0]
            .message
            .contains("more than 1000 verbs")
    );
    let few = Limits {
        verbs: 2,
        ..Limits::default()
    };
    assert_eq!(Document::parse_within(&text, few).unwrap().verbs.len(), 2);
    let small = Limits {
        nodes: 100,
        ..Limits::default()
    };
    assert_eq!(
        Document::parse_within(&text, small).unwrap_err().code,
        12100
    );
}

#[test]
fn a_hundred_thousand_levels_are_refused() {
    let deep = format!(
        "<Response>{}{}</Response>",
        "<Say>".repeat(100_000),
        "</Say>".repeat(100_000)
    );
    assert_eq!(code(&deep), 12100);
    assert_eq!(code(&"<Response>".repeat(100_000)), 12100);
    let forty = format!(
        "<Response><Say>{}x{}</Say></Response>",
        "<s>".repeat(40),
        "</s>".repeat(40)
    );
    assert_eq!(code(&forty), 12100);
    let twenty = format!(
        "<Response><Say>{}x{}</Say></Response>",
        "<s>".repeat(20),
        "</s>".repeat(20)
    );
    assert_eq!(Document::parse(&twenty).unwrap().verbs.len(), 1);
}

#[test]
fn huge_attributes_and_many_problems_stay_short() {
    let huge = "9".repeat(1_000_000);
    let document =
        Document::parse(&format!("<Response><Gather timeout='{huge}'/></Response>")).unwrap();
    assert!(document.problems[0].message.len() < 500);
    let wrong = format!("<Response>{}</Response>", "<Nonsense/>".repeat(5_000));
    let document = Document::parse(&wrong).unwrap();
    assert_eq!(document.problems.len(), 101);
    assert!(document.problems[100].message.contains("4900 more"));
}

#[test]
fn characters_that_are_not_xml() {
    for c in ["\u{1}", "\u{FFFE}", "&#xFFFFFFFFF;", "&#0;", "&#x1;"] {
        let text = format!("<Response><Say>a{c}</Say></Response>");
        assert_eq!(
            Document::parse(&text)
                .map(|d| d.print())
                .map_err(|e| e.code),
            Err(12100),
            "{c:?}"
        );
    }
    // A lone surrogate named by number comes out as the replacement character: harmless, though XML forbids it.
    let c = "&#xD800;";
    let document = Document::parse(&format!("<Response><Say>a{c}</Say></Response>")).expect(c);
    assert!(
        document.print().contains("<Say>a\u{FFFD}</Say>"),
        "{c}: {}",
        document.print()
    );
}

const WHOLE: &[&str] = &[
    r#"<?xml version="1.0" encoding="UTF-8"?><Response><Say voice="alice" loop="2">A &amp; B<break time="500ms"/> <prosody rate="slow">c</prosody><lang xml:lang="fr-FR">d</lang><![CDATA[<e>]]><!-- f -->g</Say><Play digits="1w2#"/><Gather numDigits="1" input="dtmf speech" speechTimeout="auto" finishOnKey=""><Say>x</Say><Play loop="0">/a.mp3?b=1&amp;c=2</Play><Pause length="3"/></Gather><Redirect method="GET">../next</Redirect></Response>"#,
    r#"<Response><Dial timeout="20" record="record-from-answer-dual" ringTone="uk" action="/a" hangupOnStar="true"><Number sendDigits="ww1" url="/w" machineDetection="DetectMessageEnd" statusCallbackEvent="initiated answered">+15551234567</Number><Client><Identity>é"'&lt;</Identity><Parameter name="a" value="&#10;b"/></Client><Sip username="u" password="p"><Uri priority="1">sip:a@b</Uri><Headers><Header name="X-A" value="1"/></Headers></Sip><Application><ApplicationSid>AP1</ApplicationSid></Application><WhatsApp>+1</WhatsApp><Sim>DE1</Sim></Dial><Dial><Conference beep="onEnter" waitUrl="" statusCallbackEvent="start end join">R</Conference></Dial><Dial><Queue url="/q">s</Queue></Dial></Response>"#,
    r#"<Response><Enqueue waitUrl="/w" workflowSid="WW1"><Task priority="3" timeout="9">{"a":1}</Task></Enqueue><Leave/><Record maxLength="9" finishOnKey="" transcribe="true"/><Refer><Sip>sip:a@b</Sip></Refer><Connect action="/c"><ConversationRelay url="wss://a/b" hints="x,y"><Language code="sv-SE"/><Parameter name="p" value="q"/></ConversationRelay></Connect><Start><Stream url="wss://a" track="both_tracks" name="s"/><Transcription languageCode="de-DE"><Config name="c" value="d"/></Transcription><Siprec connectorName="k"/><Recording channels="mono"/></Start><Stop><Stream name="s"/></Stop><Connect><VirtualAgent connectorName="v"/></Connect><Connect><Room participantIdentity="i">r</Room></Connect><Pay chargeAmount="1.00"><Prompt for="postal-code" attempt="1 2"><Say>z</Say></Prompt></Pay><Sms to="+1">hi</Sms><Echo/><Reject reason="busy"><Parameter name="a" value="b"/></Reject><Hangup/></Response>"#,
];

/// What is printed reads back as the same verbs, without problems.
fn prints_back(document: &Document) {
    let printed = document.print();
    let again = Document::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.problems, [], "{printed}");
    assert_eq!(again.verbs, document.verbs, "{printed}");
    assert_eq!(again.print(), printed);
}

#[test]
fn printed_documents_read_back_the_same() {
    for text in WHOLE {
        let document = Document::parse(text).unwrap();
        let fine = document
            .problems
            .iter()
            .all(|problem| problem.message.starts_with("Reject"));
        assert!(fine, "{:?}", document.problems);
        let mut document = document;
        document.verbs.retain(|verb| verb.value.name() != "Reject");
        prints_back(&document);
    }
}

/// A small generator of noise (xorshift), so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn damaged_documents_never_panic_and_still_print_back() {
    const PIECES: &[&str] = &[
        "<",
        ">",
        "/",
        "\"",
        "'",
        "&",
        "&lt;",
        "&#9;",
        "\0",
        "é",
        "\u{2028}",
        " ",
        "0",
        "-1",
        "99999999999",
        "x",
        "<Say>",
        "</Say>",
        "<Dial>",
        "</Dial>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<s>",
        "</s>",
        "sip:",
        "true",
        "1.5",
        "\u{A0}",
    ];
    let mut noise = Noise(0x2545_F491_4F6C_DD1D);
    let mut read = 0;
    for round in 0..20_000 {
        let mut text: Vec<char> = WHOLE[round % WHOLE.len()].chars().collect();
        for _ in 0..=noise.below(4) {
            let at = noise.below(text.len());
            match noise.below(4) {
                0 => {
                    text.remove(at);
                }
                1 => {
                    let piece = PIECES[noise.below(PIECES.len())];
                    text.splice(at..at, piece.chars());
                }
                2 => {
                    let other = noise.below(text.len());
                    text.swap(at, other);
                }
                _ => {
                    let end = (at + noise.below(12)).min(text.len());
                    text.drain(at..end);
                }
            }
        }
        let text: String = text.into_iter().collect();
        if let Ok(mut document) = Document::parse(&text) {
            read += 1;
            document.verbs.retain(|verb| verb.value.name() != "Reject");
            prints_back(&document);
        }
    }
    assert!(
        read > 1_000,
        "most noise should not be refused outright, or it tests nothing: {read}"
    );
}
