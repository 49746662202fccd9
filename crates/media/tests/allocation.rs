//! The promise that a packet costs no memory: counted by the allocator itself.
#![allow(unsafe_code, reason = "an allocator can only be counted by being one")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use media::codec::{Format, G722, PCMA, PCMU};
use media::{
    Command, Config, Engine, PayloadFormat, PlaybackId, PortId, PortSettings, Source, Tone,
};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of 10 s in a bridge from PCMU to `other`, after 4 s of running in.
fn allocations(other: Format, play: bool) -> usize {
    let start = Instant::now();
    let mut engine = Engine::new(Config::new(start, Duration::ZERO), 1);
    let peer = |port: u64| SocketAddr::from(([127, 0, 0, 1], 3000 + port as u16));
    for (port, format) in [(1, PCMU), (2, other)] {
        engine.apply(
            start,
            Command::OpenPort {
                port: PortId(port),
                ssrc: port as u32,
                cname: "x".into(),
            },
        );
        let payload = PayloadFormat {
            payload_type: format.payload_type.unwrap_or(96),
            format,
        };
        engine.apply(
            start,
            Command::Configure {
                port: PortId(port),
                settings: Box::new(PortSettings::new(peer(port), payload)),
            },
        );
    }
    engine.apply(
        start,
        Command::Bridge {
            a: PortId(1),
            b: PortId(2),
        },
    );
    if play {
        let source = Source::Tone(Tone::ringback("us"));
        engine.apply(
            start,
            Command::Play {
                port: PortId(2),
                playback: PlaybackId(1),
                source,
                loops: 0,
            },
        );
    }
    let mut before = 0;
    let mut sent = 0;
    for i in 0..700u16 {
        if i == 200 {
            before = COUNT.load(Ordering::Relaxed);
            sent = 0;
        }
        let now = start + Duration::from_millis(20) * u32::from(i);
        let mut packet = [0x55u8; 172];
        packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9]);
        packet[2..4].copy_from_slice(&i.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(i) * 160).to_be_bytes());
        engine.handle_packet(now, PortId(1), peer(1), &mut packet);
        engine.tick(now);
        engine.drain_transmits(|_, _, _| sent += 1);
        while engine.poll_event().is_some() {}
    }
    let count = COUNT.load(Ordering::Relaxed) - before;
    assert!(sent >= 500, "{sent} packets were sent");
    count
}

/// One test, so that no other thread is counted.
#[test]
fn packets_cost_no_memory() {
    assert_eq!(allocations(PCMU, false), 0, "forwarding");
    assert_eq!(allocations(PCMA, false), 0, "transcoding");
    assert_eq!(allocations(G722, false), 0, "transcoding with another rate");
    assert_eq!(allocations(PCMU, true), 0, "playing");
}
