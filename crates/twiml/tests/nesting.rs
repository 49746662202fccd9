//! What may stand where.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use twiml::{Context, Document, Severity, Verb};

const VERBS: &[(&str, &str)] = &[
    ("Say", "<Say>x</Say>"),
    ("Play", "<Play>x</Play>"),
    ("Pause", "<Pause/>"),
    ("Gather", "<Gather/>"),
    ("Record", "<Record/>"),
    ("Dial", "<Dial>1</Dial>"),
    ("Enqueue", "<Enqueue>q</Enqueue>"),
    ("Leave", "<Leave/>"),
    ("Hangup", "<Hangup/>"),
    ("Redirect", "<Redirect/>"),
    ("Reject", "<Reject/>"),
    ("Refer", "<Refer><Sip>sip:a@b</Sip></Refer>"),
    ("Connect", "<Connect><Room>r</Room></Connect>"),
    ("Start", "<Start><Recording/></Start>"),
    ("Stop", "<Stop><Stream name='a'/></Stop>"),
    ("Echo", "<Echo/>"),
    ("Pay", "<Pay/>"),
    ("Prompt", "<Prompt/>"),
    ("Sms", "<Sms>x</Sms>"),
    ("Queue", "<Queue>q</Queue>"),
];

fn parse(inside: &str) -> Document {
    Document::parse(&format!("<Response>{inside}</Response>")).expect(inside)
}

fn codes(document: &Document) -> Vec<u32> {
    document
        .problems
        .iter()
        .map(|problem| problem.code)
        .collect()
}

#[test]
fn every_verb_stands_in_response() {
    for (name, xml) in VERBS {
        let document = parse(xml);
        assert_eq!(document.problems, [], "{name}");
        assert_eq!(document.verbs[0].value.name(), *name);
    }
}

#[test]
fn gather_holds_only_what_is_heard() {
    for (name, xml) in VERBS {
        let document = parse(&format!("<Gather>{xml}</Gather>"));
        let Verb::Gather(gather) = &document.verbs[0].value else {
            panic!()
        };
        if ["Say", "Play", "Pause"].contains(name) {
            assert_eq!(
                (gather.prompts.len(), codes(&document)),
                (1, vec![]),
                "{name}"
            );
        } else {
            assert_eq!(
                (gather.prompts.len(), codes(&document)),
                (0, vec![13320]),
                "{name}"
            );
        }
    }
}

#[test]
fn dial_holds_no_verb_but_queue() {
    for (name, xml) in VERBS.iter().filter(|(name, _)| *name != "Queue") {
        let document = parse(&format!("<Dial><Number>1</Number>{xml}</Dial>"));
        assert_eq!(codes(&document), [13215], "{name}");
    }
}

#[test]
fn conference_and_queue_are_alone_in_dial() {
    let nouns = [
        "<Number>1</Number>",
        "<Conference>c</Conference>",
        "<Queue>q</Queue>",
    ];
    for (first, kept) in nouns.iter().zip(["Number", "Conference", "Queue"]) {
        for second in &nouns[1..] {
            let document = parse(&format!("<Dial>{first}{second}</Dial>"));
            let Verb::Dial(dial) = &document.verbs[0].value else {
                panic!()
            };
            assert_eq!(
                (dial.targets.len(), dial.targets[0].value.name()),
                (1, kept)
            );
            assert_eq!(codes(&document), [13215]);
        }
    }
}

#[test]
fn dial_holds_ten_nouns() {
    let document = parse(&format!("<Dial>{}</Dial>", "<Number>1</Number>".repeat(12)));
    let Verb::Dial(dial) = &document.verbs[0].value else {
        panic!()
    };
    assert_eq!(dial.targets.len(), 10);
    assert_eq!(codes(&document), [13250, 13250]);
}

#[test]
fn text_beside_nouns_is_ignored() {
    assert_eq!(codes(&parse("<Dial>1<Number>2</Number></Dial>")), [13215]);
    assert_eq!(codes(&parse("hello<Hangup/>")), [12200]);
}

#[test]
fn names_are_case_sensitive() {
    let document = parse("<say>x</say><Hangup/>");
    assert_eq!(document.verbs.len(), 1);
    assert_eq!(codes(&document), [12200]);
    assert!(
        document.problems[0].message.contains("write Say"),
        "{}",
        document.problems[0]
    );
    let error = Document::parse("<response/>").unwrap_err();
    assert_eq!((error.code, error.severity), (12102, Severity::Error));
}

#[test]
fn places_count_lines_and_characters() {
    let document =
        Document::parse("<Response>\n  <Say>ä</Say><Play loop='x'>a</Play>\n</Response>").unwrap();
    let places: Vec<_> = document
        .verbs
        .iter()
        .map(|verb| verb.position.to_string())
        .collect();
    assert_eq!(places, ["line 2, column 3", "line 2, column 15"]);
    assert_eq!(
        document.problems[0].position.to_string(),
        "line 2, column 21"
    );
}

#[test]
fn reject_after_an_answer_is_named() {
    assert_eq!(codes(&parse("<Pause/><Reject/>")), [0u32; 0]);
    assert_eq!(codes(&parse("<Say>x</Say><Reject/>")), [12200]);
}

#[test]
fn ssml_keeps_words_and_loses_forbidden_tags() {
    let document = parse(
        "<Say>One <emphasis level='strong'>two</emphasis><break time='1.5s'/> \
         <sub alias='three'>3</sub> <s>four <p>five</p></s> <w role='a'><w>six</w></w> <b>seven</b></Say>",
    );
    let Verb::Say(say) = &document.verbs[0].value else {
        panic!()
    };
    assert_eq!(say.plain_text(), "One two three four five six seven");
    assert_eq!(codes(&document), [12200, 12200, 12200]);
}

#[test]
fn contexts_remove_what_they_forbid() {
    let everything: String = VERBS.iter().map(|(_, xml)| *xml).collect();
    let whole = parse(&everything);
    let heard = ["Say", "Play", "Pause", "Redirect"];
    for (context, allowed, dial_code) in [
        (
            Context::Whisper,
            [&heard[..], &["Gather", "Hangup"]].concat(),
            13201,
        ),
        (Context::QueueUrl, heard.to_vec(), 12200),
        (Context::ConferenceWait, heard.to_vec(), 13238),
        (
            Context::EnqueueWait,
            [&heard[..], &["Gather", "Hangup", "Leave"]].concat(),
            12200,
        ),
    ] {
        let mut document = whole.clone();
        let problems = document.restrict(context);
        for (name, _) in VERBS {
            let kept = document.verbs.iter().any(|verb| verb.value.name() == *name);
            assert_eq!(kept, allowed.contains(name), "{context:?} {name}");
        }
        assert_eq!(problems.len() + document.verbs.len(), VERBS.len());
        let dial = problems
            .iter()
            .find(|problem| problem.message.starts_with("Dial"))
            .unwrap();
        assert_eq!(dial.code, dial_code);
    }
    let mut document = whole.clone();
    assert_eq!(document.restrict(Context::Call), []);
    assert_eq!(document, whole);
}
