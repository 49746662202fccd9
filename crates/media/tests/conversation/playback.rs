//! What is played, and what is recorded of it.

use super::*;

#[test]
fn what_is_played_is_heard() {
    for (format, error) in [(PCMU, 200), (PCMA, 200), (L16, 0)] {
        let mut world = World::new();
        let (a, b) = world.link(1, 2, format, |_, _| {});
        world.record(b, 1);
        let original = sine(format.sample_rate, 440.0, 1000);
        world.play(a, 9, Source::Pcm(Arc::new(original.clone())));
        world.run(2000);
        assert_eq!(world.ended(9), Some(PlaybackEnd::Finished));
        let heard = world.recorded(b, 1);
        // Sample 1 of the sine is the first that is not zero in any of the codecs.
        let start = heard.samples.iter().position(|s| s.abs() > 100).unwrap() - 1;
        let worst = original
            .samples
            .iter()
            .zip(&heard.samples[start..])
            .map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs())
            .max()
            .unwrap();
        assert!(worst <= error, "{}: {worst}", format.name);
    }
}

#[test]
fn a_playback_takes_the_place_of_the_bridge_and_gives_it_back() {
    let mut world = bridged(PCMU, PCMU);
    world.record(PortId(4), 1);
    world.play(PortId(1), 1, Source::Pcm(Arc::new(sine(8000, 700.0, 6000))));
    world.run(2000);
    world.play(
        PortId(3),
        2,
        Source::Pcm(Arc::new(sine(8000, 1500.0, 2000))),
    );
    world.run(4000);
    assert_eq!(
        world.engine.active_count(),
        1,
        "only the recording phone is busy"
    );
    let heard = world.recorded(PortId(4), 1);
    let part = |from: usize| Sound::new(8000, heard.samples[from * 8..(from + 1000) * 8].to_vec());
    assert!(purity(&part(700), 700.0) > 0.95);
    assert!(purity(&part(2600), 1500.0) > 0.95);
    assert!(purity(&part(4700), 700.0) > 0.95);
    let packets = world.rtp_of(PortId(3));
    for pair in packets.windows(2) {
        let sequence = |p: &[u8]| u16::from_be_bytes([p[2], p[3]]);
        let timestamp = |p: &[u8]| u32::from_be_bytes([p[4], p[5], p[6], p[7]]);
        assert_eq!(sequence(pair[1]), sequence(pair[0]).wrapping_add(1));
        let step = timestamp(pair[1]).wrapping_sub(timestamp(pair[0]));
        assert!((160..=480).contains(&step), "{step}");
    }
}

#[test]
fn both_sides_of_a_bridge_are_recorded() {
    let mut world = bridged(PCMU, PCMU);
    let (port, recording) = (PortId(2), RecordingId(1));
    let (max, direction) = (Duration::from_secs(2), RecordDirection::Dual);
    world.apply(Command::Record {
        port,
        recording,
        direction,
        max,
        silence: None,
    });
    world.play(PortId(1), 1, Source::Pcm(Arc::new(sine(8000, 700.0, 3000))));
    world.play(
        PortId(4),
        2,
        Source::Pcm(Arc::new(sine(8000, 1500.0, 3000))),
    );
    world.run(3000);
    let found = world.events.iter().find_map(|event| match event {
        Event::RecordingEnded {
            reason,
            sound,
            spoken: Some(spoken),
            ..
        } => Some((*reason, sound.clone(), spoken.clone())),
        _ => None,
    });
    let (reason, heard, spoken) = found.unwrap();
    assert_eq!(reason, RecordingEnd::MaxLength);
    assert_eq!(
        (heard.samples.len(), spoken.samples.len()),
        (16_000, 16_000)
    );
    assert!(
        purity(
            &Sound::new(8000, heard.samples[4000..12_000].to_vec()),
            700.0
        ) > 0.95
    );
    assert!(
        purity(
            &Sound::new(8000, spoken.samples[4000..12_000].to_vec()),
            1500.0
        ) > 0.95
    );
}

#[test]
fn echo_returns_what_was_said() {
    let mut world = World::new();
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    world.apply(Command::Echo { port: b });
    world.record(a, 1);
    world.play(a, 1, Source::Pcm(Arc::new(sine(8000, 900.0, 1000))));
    world.run(1500);
    let heard = world.recorded(a, 1);
    assert!(purity(&Sound::new(8000, heard.samples[3000..7000].to_vec()), 900.0) > 0.95);
}

#[test]
fn what_is_empty_ends_at_once_and_in_order() {
    let mut world = World::new();
    let (a, _) = world.link(1, 2, PCMU, |_, _| {});
    world.play(a, 1, Source::Digits("?".into()));
    world.play(a, 2, Source::Pcm(Arc::new(Sound::new(8000, Vec::new()))));
    world.play(
        a,
        3,
        Source::Tone(Tone {
            name: "none",
            cadence: &[],
        }),
    );
    world.play(a, 4, Source::Silence(Duration::from_millis(40)));
    world.apply(Command::Play {
        port: a,
        playback: PlaybackId(5),
        source: Source::Digits(String::new()),
        loops: 0,
    });
    world.run(200);
    assert_eq!(world.rtp_of(a).len(), 2);
    let order: Vec<u64> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PlaybackEnded {
                playback,
                reason: PlaybackEnd::Finished,
                ..
            } => Some(playback.0),
            _ => None,
        })
        .collect();
    assert_eq!(order, [1, 2, 3, 4, 5]);
}
