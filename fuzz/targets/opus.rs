//! Opus packets of a stranger, in any order, some of them lost: the first byte chooses the rate, then
//! each packet follows its length; a length of 0 is a packet that never came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::codec::{OPUS, Parameters};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else {
        return;
    };
    let sample_rate = if choice & 1 == 0 { 8_000 } else { 16_000 };
    let mut codec = OPUS.codec_with(&Parameters {
        sample_rate,
        max_bitrate: None,
        fec: true,
    });
    let frame = sample_rate as usize / 50;
    let mut heard = Vec::new();
    // Each turn takes one byte at least.
    for _ in 0..64 {
        let Some((length, after)) = rest.split_first() else {
            break;
        };
        let (packet, after) = after.split_at((*length as usize).min(after.len()));
        rest = after;
        heard.clear();
        if *length == 0 {
            let following = rest.get(1..).filter(|_| choice & 2 == 0);
            codec.conceal(frame, following, &mut heard);
            assert!(heard.len() <= frame);
        } else {
            let ms = OPUS.payload_ms(packet);
            assert!(ms <= 120);
            codec.decode(packet, &mut heard);
            assert!(heard.len() <= (sample_rate * 120 / 1000) as usize);
        }
    }
    let mut payload = Vec::new();
    heard.resize(frame, 0);
    codec.encode(&heard, &mut payload);
    assert_eq!(OPUS.payload_ms(&payload), 20);
});
