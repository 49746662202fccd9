//! Ports that say nothing, and ports that are closed.

use super::*;

#[test]
fn after_closing_nothing_remains() {
    let mut world = bridged(PCMU, G722);
    world.apply(Command::Play {
        port: PortId(2),
        playback: PlaybackId(1),
        source: Source::Tone(Tone::ringback("uk")),
        loops: 0,
    });
    world.record(PortId(3), 5);
    world.play(PortId(1), 3, Source::Silence(Duration::from_secs(1)));
    world.run(500);
    for port in 1..=4 {
        world.apply(Command::ClosePort { port: PortId(port) });
    }
    world.run(20);
    assert_eq!(
        (world.engine.port_count(), world.engine.active_count()),
        (0, 0)
    );
    assert_eq!(world.ended(1), Some(PlaybackEnd::Stopped));
    assert!(world.events.iter().any(|e| matches!(
        e,
        Event::RecordingEnded {
            reason: RecordingEnd::Closed,
            ..
        }
    )));
    let before = (world.sent.len(), world.events.len());
    world.run(60_000);
    assert_eq!((world.sent.len(), world.events.len()), before);
    // Orders to ports that are gone are answered, not lost.
    world.play(PortId(1), 77, Source::Silence(Duration::from_secs(1)));
    world.run(20);
    assert_eq!(world.ended(77), Some(PlaybackEnd::Stopped));
}

#[test]
fn a_close_is_heard_as_bye_and_silence_as_timeout() {
    let mut world = World::new();
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    world.play(a, 1, Source::Silence(Duration::from_millis(200)));
    world.run(31_000);
    assert_eq!(
        world
            .events
            .iter()
            .filter(|e| **e == Event::MediaTimeout { port: b })
            .count(),
        1
    );
    world.apply(Command::ClosePort { port: a });
    world.run(60);
    assert!(world.events.contains(&Event::Bye { port: b }));
    assert!(world.now > world.start);
}

#[test]
fn a_call_with_nothing_to_say_keeps_the_way_open() {
    let mut world = World::new();
    // Port 2 does not know where its peer is, as behind a NAT.
    let (a, b) = world.link(1, 2, PCMU, |port, settings| {
        if port == PortId(2) {
            settings.remote_rtp = None;
        }
    });
    world.run(1000);
    assert!(world.rtp_of(a).is_empty(), "before the answer");
    world.apply(Command::KeepOpen { port: a });
    world.apply(Command::KeepOpen { port: b });
    world.run(3000);
    assert!(world.events.contains(&Event::Latched {
        port: b,
        address: address(a)
    }));
    assert!(!world.rtp_of(b).is_empty(), "b answers whom it has found");
    let sent = world.rtp_of(a);
    assert_eq!(sent.len(), 12, "ten at once, then one a second");
    for (i, packet) in sent.iter().enumerate() {
        assert_eq!(packet[12..], [0xff; 160], "silence in PCMU");
        let first = u16::from_be_bytes([sent[0][2], sent[0][3]]);
        assert_eq!(u16::from_be_bytes([packet[2], packet[3]]), first + i as u16);
        assert_eq!(packet[1] & 0x80 != 0, [0, 10, 11].contains(&i), "{i}");
    }
    // What is played is not disturbed, and its timestamps go on without a gap.
    let before = world.rtp_of(b).len();
    world.play(b, 1, Source::Silence(Duration::from_secs(1)));
    world.run(1000);
    let played = &world.rtp_of(b)[before..];
    assert_eq!(played.len(), 50);
    let stamp = |packet: &[u8]| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    for pair in played.windows(2) {
        assert_eq!(stamp(pair[1]).wrapping_sub(stamp(pair[0])), 160);
    }
}

#[test]
fn a_call_that_begins_with_sound_needs_no_silence() {
    let mut world = World::new();
    let (a, _) = world.link(1, 2, PCMU, |_, _| {});
    world.apply(Command::KeepOpen { port: a });
    world.play(a, 1, Source::Tone(Tone::ringback("us")));
    world.run(1000);
    assert_eq!(world.rtp_of(a).len(), 50);
}

#[test]
fn ticks_that_nobody_needs_may_be_left_out() {
    let mut world = World::new();
    let (a, _) = world.link(1, 2, PCMU, |_, _| {});
    let next = world.now + Duration::from_millis(20);
    assert!(
        world.engine.poll_timeout(next) > Some(next),
        "nothing to do but a report, later"
    );
    world.play(a, 1, Source::Silence(Duration::from_millis(100)));
    assert_eq!(world.engine.poll_timeout(next), Some(next));
    world.run(200);
    world.now += Duration::from_secs(3);
    world.play(a, 2, Source::Silence(Duration::from_millis(100)));
    world.run(200);
    let sent = world.rtp_of(a);
    let stamp = |i: usize| u32::from_be_bytes(sent[i][4..8].try_into().unwrap());
    let jump = stamp(5).wrapping_sub(stamp(4));
    assert!((24_000..27_000).contains(&jump), "{jump}");
    assert!(sent[5][1] & 0x80 != 0, "a talkspurt begins");
}
