//! Two ports that hear each other.

use super::*;

#[test]
fn a_bridge_of_one_codec_passes_payloads_untouched() {
    let mut world = bridged(PCMU, PCMU);
    assert_eq!(world.engine.active_count(), 0);
    world.play(PortId(1), 1, Source::Pcm(Arc::new(sine(8000, 700.0, 1000))));
    world.play(PortId(1), 2, Source::Digits("5".into()));
    world.run(2000);
    assert_eq!(world.engine.active_count(), 0);
    let said: Vec<Vec<u8>> = world
        .rtp_of(PortId(1))
        .iter()
        .map(|p| p[12..].to_vec())
        .collect();
    let passed: Vec<Vec<u8>> = world
        .rtp_of(PortId(3))
        .iter()
        .map(|p| p[12..].to_vec())
        .collect();
    assert!(said.len() >= 50);
    assert_eq!(said, passed);
    assert!(
        world
            .rtp_of(PortId(3))
            .iter()
            .all(|p| p[8..12] == 3333u32.to_be_bytes())
    );
    assert_eq!(world.digits(PortId(2)), "5");
    assert_eq!(world.digits(PortId(4)), "5");
}

#[test]
fn a_bridge_of_two_codecs_keeps_the_sound() {
    for (first, second) in [
        (PCMU, PCMA),
        (PCMU, G722),
        (G722, PCMA),
        (L16, PCMU),
        (PCMU, OPUS),
        (OPUS, G722),
    ] {
        let mut world = bridged(first, second);
        world.record(PortId(4), 1);
        world.record(PortId(1), 2);
        world.play(
            PortId(1),
            1,
            Source::Pcm(Arc::new(sine(16000, 700.0, 3000))),
        );
        world.play(
            PortId(4),
            2,
            Source::Pcm(Arc::new(sine(8000, 1100.0, 3000))),
        );
        world.run(1000);
        world.play(PortId(1), 3, Source::Digits("7".into()));
        world.run(3000);
        for (port, recording, hz) in [(4, 1, 700.0), (1, 2, 1100.0)] {
            let mut heard = world.recorded(PortId(port), recording);
            let second = heard.rate as usize;
            heard.samples = heard.samples[second..second * 2].to_vec();
            assert!(
                purity(&heard, hz) > 0.95,
                "{} {}: {}",
                first.name,
                second,
                purity(&heard, hz)
            );
        }
        assert_eq!(world.digits(PortId(4)), "7");
    }
}

#[test]
fn a_bridge_in_which_nobody_speaks_is_kept_open_too() {
    let mut world = bridged(PCMU, PCMU);
    let before = world.rtp_of(PortId(2)).len();
    world.apply(Command::KeepOpen { port: PortId(2) });
    world.run(5000);
    let silent = world.rtp_of(PortId(2)).len() - before;
    assert!((4..=6).contains(&silent), "{silent}");
    // Forwarding goes on where silence left off.
    world.play(PortId(4), 1, Source::Silence(Duration::from_millis(200)));
    world.run(400);
    let sent = world.rtp_of(PortId(2));
    for pair in sent[before..].windows(2) {
        let number = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
        assert_eq!(number(pair[1]), number(pair[0]).wrapping_add(1));
    }
    assert!(sent.len() >= before + silent + 10);
}

#[test]
fn a_port_moves_to_another_engine_and_misses_nothing() {
    let mut world = World::new();
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    world.record(b, 7);
    world.play(a, 1, Source::Pcm(Arc::new(sine(8000, 440.0, 2000))));
    world.run(1000);
    let moved = world.engine.release(a).unwrap();
    assert_eq!(world.engine.port_count(), 1);
    assert!(world.engine.release(a).is_none());
    let mut other = World::new();
    other.start = world.start;
    other.now = world.now;
    other.engine.adopt(moved);
    for _ in 0..60 {
        other.run(20);
        let flown = std::mem::take(&mut other.flying);
        world.flying.extend(
            flown
                .into_iter()
                .map(|(_, from, to, bytes)| (world.tick + 1, from, to, bytes)),
        );
        world.run(20);
    }
    assert_eq!(other.ended(1), Some(PlaybackEnd::Finished));
    world.run(200);
    let heard = world.recorded(b, 7);
    assert!(heard.duration() >= Duration::from_millis(2000));
    let sound: Vec<i16> = heard
        .samples
        .iter()
        .copied()
        .skip_while(|s| s.abs() < 100)
        .take(15_600)
        .collect();
    let share = purity(&Sound::new(8000, sound), 440.0);
    assert!(share > 0.98, "one tone without a gap: {share}");
}
