//! Forms and queries: as customers' servers write them (`webhook`), and as clients of the REST API
//! send them (`api`), with every reading of a parameter.
#![no_main]
#![allow(dead_code, reason = "the file is taken in whole")]

use api::form::{is_web_url, party, shorten};
use libfuzzer_sys::fuzz_target;
use model::error_code::ErrorCode;
use model::page::Cursor;

// The file itself rather than the crate, which would bring an HTTP client and its TLS along.
#[path = "../../crates/webhook/src/form.rs"]
mod form;

use form::Parameters;

fuzz_target!(|bytes: &[u8]| {
    customers(bytes);
    clients(bytes);
});

fn customers(bytes: &[u8]) {
    let read = Parameters::from_form(bytes);
    let printed = read.to_form();
    assert_eq!(Parameters::from_form(printed.as_bytes()), read);
    read.value("CallSid");
    if let Ok(url) = std::str::from_utf8(bytes) {
        let longer = read.append_to(url);
        assert!(longer.len() >= url.len(), "nothing of the URL is lost");
    }
}

/// Every name that came is read in every way there is.
fn clients(bytes: &[u8]) {
    const CODE: ErrorCode = ErrorCode::INVALID_PARAMETER;
    let Ok(form) = api::form::Form::parse(bytes) else {
        return;
    };
    let pairs = form.pairs();
    assert!(pairs.len() <= 1000, "{} parameters", pairs.len());
    let token = form.text("PageToken").map(str::parse::<Cursor>);
    if let Some(Ok(cursor)) = token {
        assert!(cursor.to_string().parse::<Cursor>().is_ok(), "{cursor}");
    }
    for (name, value) in pairs.iter().take(50) {
        assert!(form.raw(name).is_some(), "what came is there");
        assert!(form.all(name).any(|other| other == value));
        let _ = form.boolean(name);
        let _ = form.method(name, CODE);
        let _ = form.clearable(name);
        if let Ok(Some(number)) = form.integer(name, 5..=600, CODE) {
            assert!((5..=600).contains(&number), "{number}");
        }
        if let Ok(Some(Some(url))) = form.url(name, CODE) {
            assert!(is_web_url(&url), "{url}");
        }
        if let Ok(range) = form.range(name) {
            let _ = (range.from, range.until);
        }
        party(value);
        assert!(shorten(value).chars().count() <= 100);
    }
}
