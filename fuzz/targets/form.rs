//! Form bodies and queries, as customers' servers and clients write them.
#![no_main]
#![allow(dead_code, reason = "the file is taken in whole")]

use libfuzzer_sys::fuzz_target;

// The file itself rather than the crate, which would bring an HTTP client and its TLS along.
#[path = "../../crates/webhook/src/form.rs"]
mod form;

use form::Parameters;

fuzz_target!(|bytes: &[u8]| {
    let read = Parameters::from_form(bytes);
    let printed = read.to_form();
    assert_eq!(Parameters::from_form(printed.as_bytes()), read);
    read.value("CallSid");
    if let Ok(url) = std::str::from_utf8(bytes) {
        let longer = read.append_to(url);
        assert!(longer.len() >= url.len(), "nothing of the URL is lost");
    }
});
