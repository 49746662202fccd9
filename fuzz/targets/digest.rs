//! Digest challenges and answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::digest::{DigestFields, answer, verify};
use sip::{Credentials, Secret};

fuzz_target!(|text: &str| {
    let Some(fields) = DigestFields::parse(text) else {
        return;
    };
    let secret = Secret::Password("open sesame".to_owned());
    verify(&fields, &secret, "REGISTER");
    let credentials = Credentials {
        username: "alice".to_owned(),
        secret: secret.clone(),
        realm: None,
    };
    let Some(answer) = answer(&fields, &credentials, "REGISTER", "sip:example.com", "c", 1) else {
        return;
    };
    let answered = DigestFields::parse(&answer).expect("our own answer is Digest");
    // We refuse answers without qop, which only RFC 2069 peers ask us for.
    if fields.value("qop").is_some() {
        assert!(verify(&answered, &secret, "REGISTER"), "{answer}");
    }
});
