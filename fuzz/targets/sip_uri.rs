//! SIP URIs and the header bodies built from them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::{NameAddr, Params, Uri};

fuzz_target!(|text: &str| {
    let _ = Params::parse(text);
    if let Ok(party) = NameAddr::parse(text) {
        party.tag();
        let printed = party.to_string();
        let again = NameAddr::parse(&printed).map(|again| again.to_string());
        assert_eq!(again, Ok(printed), "a printed address reads the same again");
    }
    let Ok(uri) = Uri::parse(text) else { return };
    uri.user_name();
    uri.address();
    uri.aor();
    assert!(uri.same(&uri), "a URI is itself");
    let printed = uri.to_string();
    let again = Uri::parse(&printed).map(|again| again.to_string());
    assert_eq!(again, Ok(printed), "a printed URI reads the same again");
});
