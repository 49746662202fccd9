//! Packets as RFC 3550 wants them, on a network that does not keep to it.

use super::*;

#[test]
fn sequence_timestamp_and_marker_are_as_the_rfc_says() {
    let mut world = World::new();
    let (a, _) = world.link(1, 2, PCMU, |_, settings| {
        settings.ptime = Duration::from_millis(40)
    });
    world.play(a, 1, Source::Silence(Duration::from_millis(400)));
    world.run(1000);
    world.play(a, 2, Source::Silence(Duration::from_millis(400)));
    world.run(1000);
    let packets: Vec<(u16, u32, bool)> = world
        .rtp_of(a)
        .iter()
        .map(|p| {
            assert_eq!(p.len(), 12 + 320);
            (
                u16::from_be_bytes([p[2], p[3]]),
                u32::from_be_bytes([p[4], p[5], p[6], p[7]]),
                p[1] & 0x80 != 0,
            )
        })
        .collect();
    assert_eq!(packets.len(), 20);
    for (i, pair) in packets.windows(2).enumerate() {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
        // After 400 ms of sound come 600 ms of nothing.
        let step = if i == 9 { 8000 - 9 * 320 } else { 320 };
        assert_eq!(pair[1].1.wrapping_sub(pair[0].1), step);
        assert_eq!(pair[1].2, i == 9);
    }
    assert!(packets[0].2);
}

#[test]
fn a_bad_network_is_smoothed_over() {
    let mut world = World::new();
    let mut random = chance(7);
    world.network = Box::new(move || {
        let delay = u64::from(random() % 4);
        match random() % 100 {
            0..20 => vec![],
            20..25 => vec![delay, delay + 1],
            _ => vec![delay],
        }
    });
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    world.record(b, 1);
    world.play(a, 1, Source::Pcm(Arc::new(sine(8000, 500.0, 10_000))));
    world.run(10_500);
    world.play(a, 2, Source::Digits("1234567890".into()));
    world.run(3000);
    assert_eq!(world.digits(b), "1234567890");
    let heard = world.recorded(b, 1);
    let frames = heard.samples[4000..76_000].chunks(160);
    let total = frames.len();
    let silent = frames
        .filter(|frame| frame.iter().all(|s| s.abs() < 200))
        .count();
    // A fifth is lost, yet hardly anything of it is silence.
    assert!(silent * 50 < total, "{silent} of {total} frames silent");
    world.apply(Command::Statistics { port: b });
    world.run(20);
    let Some(Event::Statistics { statistics, .. }) = world.events.last() else {
        panic!("no statistics")
    };
    let loss = statistics.packets_lost as f64
        / (statistics.packets_lost + statistics.packets_received) as f64;
    assert!((0.08..0.25).contains(&loss), "{loss}");
    assert!(
        statistics.jitter_ms > 5.0 && statistics.mos < 3.8,
        "{statistics:?}"
    );
}

#[test]
fn noise_from_anywhere_is_survived() {
    let mut world = bridged(PCMU, G722);
    world.record(PortId(2), 1);
    world.apply(Command::DetectDtmf {
        port: PortId(3),
        on: true,
    });
    let mut random = chance(99);
    for round in 0..20_000u32 {
        let length = (random() % 300) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        if length > 1 {
            bytes[0] = 0x80 | (random() as u8 & 0x3f);
            bytes[1] = [0, 9, 13, 101, 200, 201, 203][random() as usize % 7];
        }
        let (port, peer) = if round % 2 == 0 {
            (PortId(2), PortId(1))
        } else {
            (PortId(3), PortId(4))
        };
        world
            .engine
            .handle_packet(world.now, port, address(peer), &mut bytes);
        if round % 50 == 0 {
            world.run(20);
        }
    }
    assert_eq!(world.engine.port_count(), 4);
}
