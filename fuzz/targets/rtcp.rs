//! RTCP compounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::Suite;
use media::rtp::rtcp::{Item, parse, print};
use media::rtp::srtp::Context;

fuzz_target!(|bytes: &[u8]| {
    let mut blocks = Vec::new();
    let whole = parse(bytes, |item| {
        if let Item::Block(block) = item {
            blocks.push(block);
        }
    });
    assert!(blocks.len() <= bytes.len() / 24, "no block from nowhere");
    for block in blocks {
        let mut printed = Vec::new();
        print(1, "name", None, Some(block), whole, &mut printed);
        let mut again = None;
        let read = parse(&printed, |item| {
            if let Item::Block(block) = item {
                again = Some(block);
            }
        });
        assert!(read, "we read what we print");
        assert_eq!(again, Some(block));
    }
    let mut context = Context::new(Suite::AesCm128HmacSha1_80, &[7; 30]);
    let _ = context.unprotect_rtcp(&mut bytes.to_vec());
});
