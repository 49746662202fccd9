//! Replies of a name server, or of whoever pretends to be one: the first byte chooses the question.
#![no_main]
#![allow(dead_code, reason = "the file is taken in whole")]

use libfuzzer_sys::fuzz_target;
use sip::resolve::{Answer, Question};

// The file itself: the server is a program, not a library.
#[path = "../../crates/server/src/resolver/message.rs"]
mod message;

/// What our query has in it.
const ID: u16 = 0x1234;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, reply)) = bytes.split_first() else {
        return;
    };
    let name = "_sip._udp.example.com".to_owned();
    let question = match choice & 1 {
        0 => Question::Srv(name),
        _ => Question::Naptr(name),
    };
    let asked = message::query(ID, &question).expect("a name that can be asked");
    // Whatever came, what follows our own question is read as an answer to it too.
    let mut answer = asked[..asked.len() - 11].to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..8].copy_from_slice(&[0, choice >> 1]);
    answer[10..12].copy_from_slice(&[0, 0]);
    answer.extend(reply);
    for bytes in [reply, answer.as_slice()] {
        let Some(read) = message::read(bytes, ID, &question) else {
            continue;
        };
        let records = match (&read.answer, &question) {
            (Answer::Srv(records), Question::Srv(_)) => records.len(),
            (Answer::Naptr(records), Question::Naptr(_)) => records.len(),
            (other, _) => panic!("{other:?} to {question:?}"),
        };
        assert!(records <= 100, "{records} records");
        // A record has eleven bytes at least.
        assert!(records * 11 <= bytes.len(), "records from nowhere");
    }
});
