//! Session descriptions, as an offer and as an answer to ours.
#![no_main]

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use sip::sdp::{Description, Direction, Format, Local, accept, answer};

fuzz_target!(|text: &str| {
    let Ok(theirs) = Description::parse(text) else {
        return;
    };
    let printed = theirs.to_string();
    let again = Description::parse(&printed).expect("we read what we print");
    // A payload type that stands twice in one m= line means nothing; which of the two an rtpmap
    // belongs to may change.
    let twice = theirs.media.iter().any(|media| {
        let mut seen = HashSet::new();
        !media
            .formats
            .iter()
            .all(|format| seen.insert(format.payload_type))
    });
    if !twice {
        assert_eq!(again.to_string(), printed);
    }
    theirs.holds();
    for key in [None, Some("A".repeat(40))] {
        let ours = Local {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 10_000,
            formats: vec![
                Format::new(9, "G722", 8000),
                Format::new(0, "PCMU", 8000),
                Format::new(101, "telephone-event", 8000).with_fmtp("0-16"),
            ],
            ptime: 20,
            direction: Direction::SendRecv,
            srtp_key: key,
            session_id: 1,
            version: 1,
        };
        if let Ok(answer) = answer(&ours, &theirs) {
            assert!(!answer.agreed.formats.is_empty());
            assert_eq!(
                answer.description.media.len(),
                theirs.media.len(),
                "RFC 3264 section 6: as many m= lines as the offer"
            );
            let text = answer.description.to_string();
            Description::parse(&text).expect("an answer of ours can be read");
        }
        let _ = accept(&ours, &theirs);
    }
});
