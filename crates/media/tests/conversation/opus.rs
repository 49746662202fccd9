//! Opus (RFC 7587): its clock, its bridges, its repair of losses.

use super::*;

#[test]
fn a_bridge_of_opus_passes_payloads_untouched_and_keys_through() {
    let mut world = bridged(OPUS, OPUS);
    world.play(
        PortId(1),
        1,
        Source::Pcm(Arc::new(sine(16000, 700.0, 1000))),
    );
    world.play(PortId(1), 2, Source::Digits("5#".into()));
    world.run(2000);
    assert_eq!(world.engine.active_count(), 0);
    let payloads = |port| -> Vec<&[u8]> { world.rtp_of(port).iter().map(|p| &p[12..]).collect() };
    let (said, passed) = (payloads(PortId(1)), payloads(PortId(3)));
    assert!(said.len() >= 50);
    assert_eq!(said, passed);
    assert_eq!(world.digits(PortId(2)), "5#");
    assert_eq!(world.digits(PortId(4)), "5#");
}

#[test]
fn opus_obeys_the_packet_time_and_counts_in_48_khz() {
    for ms in [20, 40, 60] {
        let mut world = World::new();
        let (a, b) = world.link(1, 2, OPUS, |_, settings| {
            settings.ptime = Duration::from_millis(ms.into());
        });
        world.record(b, 1);
        world.play(a, 1, Source::Pcm(Arc::new(sine(16000, 700.0, 1200))));
        world.run(2000);
        let packets = world.rtp_of(a);
        assert_eq!(packets.len(), 1200 / ms as usize);
        for pair in packets.windows(2) {
            let at = |p: &[u8]| u32::from_be_bytes([p[4], p[5], p[6], p[7]]);
            assert_eq!(at(pair[1]).wrapping_sub(at(pair[0])), 48 * ms);
            assert_eq!(OPUS.payload_ms(&pair[0][12..]), ms);
        }
        let heard = world.recorded(b, 1);
        let start = heard.samples.iter().position(|s| s.abs() > 2000).unwrap();
        let part = Sound::new(heard.rate, heard.samples[start..start + 16_000].to_vec());
        let purity = purity(&part, 700.0);
        assert!(purity > 0.9, "{ms} ms: {purity}");
    }
}

#[test]
fn opus_hides_a_lost_tenth() {
    // A hum with overtones that swells like syllables: what the encoder takes for a voice.
    let voice: Vec<i16> = (0..160_000)
        .map(|i| {
            let t = f64::from(i) / 16_000.0 * std::f64::consts::TAU;
            let hum: f64 = (1..8)
                .map(|n| (t * 150.0 * f64::from(n)).sin() / f64::from(n))
                .sum();
            (hum * (1.2 + (t * 5.0).sin()) * 4000.0) as i16
        })
        .collect();
    let heard = |lost: u32| {
        let mut world = World::new();
        let mut random = chance(11);
        world.network = Box::new(move || match random() % 100 {
            n if n < lost => vec![],
            _ => vec![0],
        });
        let (a, b) = world.link(1, 2, OPUS, |_, _| {});
        world.record(b, 1);
        world.play(
            a,
            1,
            Source::Pcm(Arc::new(Sound::new(16_000, voice.clone()))),
        );
        world.run(10_500);
        let sound = world.recorded(b, 1);
        let frames = sound.samples[16_000..144_000].chunks(320);
        let level = |part: &[i16]| {
            let energy: f64 = part.iter().map(|&s| f64::from(s).powi(2)).sum();
            (energy / part.len() as f64).sqrt()
        };
        let quiet = frames.filter(|frame| level(frame) < 300.0).count();
        let peak = sound
            .samples
            .iter()
            .map(|s| s.unsigned_abs())
            .max()
            .unwrap();
        (level(&sound.samples[16_000..144_000]), quiet, peak)
    };
    let (whole, holes, peak) = heard(0);
    assert_eq!(holes, 0);
    let (repaired, holes, peak_repaired) = heard(10);
    assert!(
        (0.85..1.1).contains(&(repaired / whole)),
        "{}",
        repaired / whole
    );
    assert!(holes <= 4, "{holes} of 400 frames are silent");
    assert!(
        f64::from(peak_repaired) < f64::from(peak) * 1.3,
        "{peak_repaired} {peak}"
    );
}
