//! TwiML documents: what is printed reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twiml::{Context, Document};

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse(text) else {
        return;
    };
    let printed = document.print();
    let again = Document::parse(&printed).expect("we read what we print");
    assert_eq!(again.print(), printed);
    for context in [Context::ConferenceWait, Context::EnqueueWait] {
        document.clone().restrict(context);
    }
});
