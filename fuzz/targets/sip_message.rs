//! SIP messages: what was read can be printed, and reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::header::{CSeq, SessionExpires, Via};
use sip::message::{Message, parse};
use sip::{HeaderName, NameAddr};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = parse::parse(bytes) else {
        return;
    };
    let headers = match &message {
        Message::Request(request) => &request.headers,
        Message::Response(response) => &response.headers,
    };
    // The header bodies are read later than the message, by whoever needs them.
    for (_, value) in headers.iter() {
        let _ = Via::parse(value);
        let _ = CSeq::parse(value);
        let _ = SessionExpires::parse(value);
        if let Ok(party) = NameAddr::parse(value) {
            let text = party.to_string();
            let again = NameAddr::parse(&text).map(|again| again.to_string());
            assert_eq!(again, Ok(text), "a printed address reads the same again");
        }
    }
    for name in [HeaderName::Via, HeaderName::Contact, HeaderName::Require] {
        headers.list(name);
    }
    let printed = match &message {
        Message::Request(request) => {
            let _ = parse::essentials(request);
            request.sdp();
            request.print()
        }
        Message::Response(response) => {
            response.sdp();
            response.print()
        }
    };
    match parse::parse(&printed) {
        Ok(Message::Request(again)) => assert_eq!(again.print(), printed),
        Ok(Message::Response(again)) => assert_eq!(again.print(), printed),
        Err(rejected) => panic!("what we print we refuse: {rejected:?}"),
    }
});
