//! RTP packets, telephone events in them, and SRTP around them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::Suite;
use media::rtp::packet::{Packet, header_len, is_rtcp};
use media::rtp::srtp::Context;
use media::rtp::telephone_event::Payload;

fuzz_target!(|bytes: &[u8]| {
    is_rtcp(bytes);
    header_len(bytes);
    if let Some(packet) = Packet::parse(bytes) {
        if let Some(event) = Payload::parse(packet.payload) {
            event.print();
        }
        let mut printed = Vec::new();
        packet.print(&mut printed);
        assert_eq!(Packet::parse(&printed), Some(packet));
        // What one side protects the other reads, once.
        let mut sealed = printed.clone();
        let mut sender = Context::new(Suite::AesCm128HmacSha1_80, &[7; 30]);
        let mut receiver = Context::new(Suite::AesCm128HmacSha1_80, &[7; 30]);
        if sender.protect_rtp(&mut sealed, 0).is_ok() {
            let mut twice = sealed.clone();
            let length = receiver.unprotect_rtp(&mut sealed).expect("our own seal");
            assert_eq!(sealed[..length], printed[..]);
            assert!(receiver.unprotect_rtp(&mut twice).is_err(), "a replay");
        }
    }
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32] {
        let mut context = Context::new(suite, &[7; 30]);
        let _ = context.unprotect_rtp(&mut bytes.to_vec());
        let _ = context.unprotect_rtcp(&mut bytes.to_vec());
    }
});
