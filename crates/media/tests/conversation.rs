//! Two engines joined in memory under simulated time.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps fails, which is its purpose"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::codec::{G722, L16, OPUS, PCMA, PCMU};
use media::{
    Command, Config, DigitSource, Engine, Event, Format, Latching, PayloadFormat, PlaybackEnd,
    PlaybackId, PortId, PortSettings, RecordDirection, RecordingEnd, RecordingId, Sound, Source,
    SrtpKeys, Suite, Tone,
};

/// What the network does to a packet: the delays, in ticks, with which copies arrive.
type Network = Box<dyn FnMut() -> Vec<u64>>;

struct World {
    start: Instant,
    now: Instant,
    tick: u64,
    engine: Engine,
    events: Vec<Event>,
    /// Due tick, from, to, bytes.
    flying: Vec<(u64, SocketAddr, SocketAddr, Vec<u8>)>,
    network: Network,
    /// Every packet that was sent.
    sent: Vec<(PortId, SocketAddr, Vec<u8>)>,
}

/// Port n lives at this address.
fn address(port: PortId) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 10_000 + port.0 as u16))
}

fn payload(format: Format) -> PayloadFormat {
    PayloadFormat {
        payload_type: format.payload_type.unwrap_or(97),
        format,
    }
}

fn sine(rate: u32, hz: f64, ms: u32) -> Sound {
    let n = rate * ms / 1000;
    Sound::new(
        rate,
        (0..n)
            .map(|i| {
                ((std::f64::consts::TAU * hz * f64::from(i) / f64::from(rate)).sin() * 8000.0)
                    as i16
            })
            .collect(),
    )
}

/// Share of the energy at one frequency.
fn purity(sound: &Sound, hz: f64) -> f64 {
    let (mut re, mut im, mut energy) = (0.0, 0.0, 1.0);
    for (i, &sample) in sound.samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * hz * i as f64 / f64::from(sound.rate);
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
        energy += f64::from(sample).powi(2);
    }
    (re * re + im * im) * 2.0 / sound.samples.len() as f64 / energy
}

impl World {
    fn new() -> World {
        let start = Instant::now();
        World {
            start,
            now: start,
            tick: 0,
            engine: Engine::new(Config::new(start, Duration::from_secs(1_800_000_000)), 42),
            events: Vec::new(),
            flying: Vec::new(),
            network: Box::new(|| vec![0]),
            sent: Vec::new(),
        }
    }

    fn apply(&mut self, command: Command) {
        self.engine.apply(self.now, command);
    }

    /// Two ports that send to each other over the network.
    fn link(
        &mut self,
        a: u64,
        b: u64,
        format: Format,
        change: impl Fn(PortId, &mut PortSettings),
    ) -> (PortId, PortId) {
        let (a, b) = (PortId(a), PortId(b));
        for (port, peer) in [(a, b), (b, a)] {
            self.apply(Command::OpenPort {
                port,
                ssrc: port.0 as u32 * 1111,
                cname: format!("{}@test", port.0),
            });
            let mut settings = PortSettings::new(address(peer), payload(format));
            settings.telephone_event_send = Some(101);
            settings.telephone_event_receive = Some(101);
            change(port, &mut settings);
            self.apply(Command::Configure {
                port,
                settings: Box::new(settings),
            });
        }
        (a, b)
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.tick += 1;
            self.now += Duration::from_millis(20);
            let tick = self.tick;
            let mut due: Vec<_> = Vec::new();
            self.flying.retain_mut(|flight| {
                let here = flight.0 <= tick;
                if here {
                    due.push((flight.1, flight.2, std::mem::take(&mut flight.3)));
                }
                !here
            });
            for (from, to, mut bytes) in due {
                // Addresses below belong to nobody here.
                let Some(port) = u64::from(to.port()).checked_sub(10_000).map(PortId) else {
                    continue;
                };
                self.engine.handle_packet(self.now, port, from, &mut bytes);
            }
            self.engine.tick(self.now);
            let (sent, network, flying) = (&mut self.sent, &mut self.network, &mut self.flying);
            self.engine.drain_transmits(|port, to, bytes| {
                sent.push((port, to, bytes.to_vec()));
                for delay in network() {
                    flying.push((tick + 1 + delay, address(port), to, bytes.to_vec()));
                }
            });
            while let Some(event) = self.engine.poll_event() {
                self.events.push(event);
            }
        }
    }

    fn play(&mut self, port: PortId, playback: u64, source: Source) {
        self.apply(Command::Play {
            port,
            playback: PlaybackId(playback),
            source,
            loops: 1,
        });
    }

    fn record(&mut self, port: PortId, recording: u64) {
        let command = Command::Record {
            port,
            recording: RecordingId(recording),
            direction: RecordDirection::Heard,
            max: Duration::from_secs(60),
            silence: None,
        };
        self.apply(command);
    }

    fn recorded(&mut self, port: PortId, recording: u64) -> Sound {
        self.apply(Command::StopRecord {
            port,
            recording: RecordingId(recording),
        });
        self.run(20);
        let found = self.events.iter().find_map(|event| match event {
            Event::RecordingEnded {
                recording: r,
                reason,
                sound,
                ..
            } if r.0 == recording => {
                assert_eq!(*reason, RecordingEnd::Stopped);
                Some(sound.clone())
            }
            _ => None,
        });
        found.expect("the recording has ended")
    }

    fn digits(&self, at: PortId) -> String {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Digit { port, digit, .. } if *port == at => Some(*digit),
                _ => None,
            })
            .collect()
    }

    fn ended(&self, id: u64) -> Option<PlaybackEnd> {
        self.events.iter().find_map(|event| match event {
            Event::PlaybackEnded {
                playback, reason, ..
            } if playback.0 == id => Some(*reason),
            _ => None,
        })
    }

    fn rtp_of(&self, of: PortId) -> Vec<&Vec<u8>> {
        self.sent
            .iter()
            .filter(|(port, _, bytes)| *port == of && !(192..=223).contains(&bytes[1]))
            .map(|(_, _, bytes)| bytes)
            .collect()
    }
}

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
fn digits_arrive_exactly_both_ways() {
    let mut world = World::new();
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    world.play(a, 1, Source::Digits("1122w#A*0".into()));
    world.play(b, 2, Source::Digits("99".into()));
    world.run(4000);
    assert_eq!(world.digits(b), "1122#A*0");
    assert_eq!(world.digits(a), "99");
    for event in &world.events {
        if let Event::Digit {
            duration_ms,
            source,
            ..
        } = event
        {
            assert_eq!((*duration_ms, *source), (100, DigitSource::TelephoneEvent));
        }
    }
}

#[test]
fn digits_as_tones_are_detected() {
    for format in [PCMU, PCMA, G722] {
        let mut world = World::new();
        let (a, b) = world.link(1, 2, format, |_, settings| {
            settings.telephone_event_send = None;
            settings.telephone_event_receive = None;
        });
        world.apply(Command::DetectDtmf { port: b, on: true });
        world.play(a, 1, Source::Digits("0123456789*#ABCD".into()));
        world.run(5000);
        assert_eq!(world.digits(b), "0123456789*#ABCD", "{}", format.name);
    }
}

/// Numbers that look random and are the same in every run.
fn chance(mut state: u32) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
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

/// Two phones, 1 and 4, each with its port, 2 and 3, which are bridged.
fn bridged(first: Format, second: Format) -> World {
    let mut world = World::new();
    world.link(1, 2, first, |_, _| {});
    world.link(4, 3, second, |_, _| {});
    world.apply(Command::Bridge {
        a: PortId(2),
        b: PortId(3),
    });
    world
}

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
fn keys_reach_the_other_side_of_opus_and_g711() {
    for (first, second) in [(OPUS, PCMU), (PCMU, OPUS)] {
        let mut world = bridged(first, second);
        world.play(PortId(1), 1, Source::Digits("190".into()));
        world.run(3000);
        assert_eq!(world.digits(PortId(2)), "190");
        assert_eq!(world.digits(PortId(4)), "190");
        for event in &world.events {
            if let Event::Digit { duration_ms, .. } = event {
                assert_eq!(*duration_ms, 100);
            }
        }
    }
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

/// Level in dB below full scale.
fn level(samples: &[i16]) -> f64 {
    let mean = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
    20.0 * (mean.sqrt().max(0.001) / 32767.0).log10()
}

/// A telephone that talks for 400 ms, then sends one packet of comfort noise (RFC 3389) and rests.
fn talks_and_rests(world: &mut World, port: PortId) {
    for n in 0..20u16 {
        let noise = n == 19;
        let mut packet = vec![0x80, if noise { 13 } else { 0 }];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend(77u32.to_be_bytes());
        // The level of the noise in -dBov; speech is loud.
        packet.extend(if noise {
            vec![40]
        } else {
            [0x80, 0x00].repeat(80)
        });
        world
            .engine
            .handle_packet(world.now, port, address(PortId(0)), &mut packet);
        world.run(20);
    }
    world.run(800);
}

/// A port whose peer is at address 0, which is nobody's.
fn open_to_nobody(world: &mut World, port: u64, format: Format, noise: Option<u8>) -> PortId {
    let port = PortId(port);
    world.apply(Command::OpenPort {
        port,
        ssrc: 5,
        cname: "noise@test".into(),
    });
    let mut settings = PortSettings::new(address(PortId(0)), payload(format));
    settings.comfort_noise_send = noise;
    world.apply(Command::Configure {
        port,
        settings: Box::new(settings),
    });
    port
}

#[test]
fn comfort_noise_fills_the_pauses_at_its_level() {
    let mut world = World::new();
    let port = open_to_nobody(&mut world, 1, PCMU, Some(13));
    world.record(port, 1);
    talks_and_rests(&mut world, port);
    let sound = world.recorded(port, 1);
    let rest = &sound.samples[sound.samples.len() - 4000..];
    let level = level(rest);
    assert!((-43.0..-37.0).contains(&level), "{level} dB");
}

#[test]
fn comfort_noise_crosses_a_bridge_whole_or_as_sound() {
    for (format, noise) in [(PCMU, Some(13)), (PCMU, None), (PCMA, None)] {
        let mut world = World::new();
        let from = open_to_nobody(&mut world, 1, PCMU, Some(13));
        let to = open_to_nobody(&mut world, 2, format, noise);
        world.apply(Command::Bridge { a: from, b: to });
        world.run(20);
        talks_and_rests(&mut world, from);
        let packets = world.rtp_of(to);
        let kinds: Vec<u8> = packets.iter().map(|packet| packet[1] & 0x7f).collect();
        let last = packets.last().unwrap();
        if noise.is_some() {
            // Passed on as it came, and nothing after it.
            assert_eq!(kinds[kinds.len() - 1], 13);
            assert_eq!(last[12..], [40]);
            continue;
        }
        assert!(!kinds.contains(&13), "{kinds:?}");
        // The pause is heard all the same.
        assert!(kinds.len() > 45, "{kinds:?}");
        let mut heard = Vec::new();
        for packet in &packets[packets.len() - 20..] {
            format.codec().decode(&packet[12..], &mut heard);
        }
        let level = level(&heard);
        assert!((-43.0..-37.0).contains(&level), "{level} dB");
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

fn keys(port: PortId, suite: Suite) -> SrtpKeys {
    let (mine, other) = if port.0 == 1 {
        ([1; 30], [2; 30])
    } else {
        ([2; 30], [1; 30])
    };
    SrtpKeys {
        suite,
        send: mine,
        receive: other,
    }
}

#[test]
fn secure_both_ways_and_tampering_is_refused() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32] {
        let mut world = World::new();
        let (a, b) = world.link(1, 2, PCMU, |port, settings| {
            settings.srtp = Some(keys(port, suite))
        });
        world.record(b, 1);
        world.play(a, 1, Source::Pcm(Arc::new(sine(8000, 600.0, 1000))));
        world.play(b, 2, Source::Digits("42".into()));
        world.run(12_000);
        assert_eq!(world.digits(a), "42");
        let heard = world.recorded(b, 1);
        assert!(purity(&Sound::new(8000, heard.samples[2000..6000].to_vec()), 600.0) > 0.95);

        let before = world.events.len();
        let captured: Vec<Vec<u8>> = world.rtp_of(a).into_iter().cloned().collect();
        for packet in &captured {
            for tampered in [false, true] {
                let mut bytes = packet.clone();
                if tampered {
                    bytes[20] ^= 1;
                }
                world
                    .engine
                    .handle_packet(world.now, b, address(a), &mut bytes);
            }
        }
        // Neither does plain RTP get in.
        let mut plain = captured[0][..172].to_vec();
        world
            .engine
            .handle_packet(world.now, b, address(a), &mut plain);
        world.apply(Command::Statistics { port: b });
        world.run(20);
        let Some(Event::Statistics { statistics, .. }) = world.events.get(before) else {
            panic!("no statistics")
        };
        assert_eq!(statistics.packets_rejected as usize, captured.len() * 2 + 1);
        assert_eq!(statistics.packets_received as usize, captured.len());
        assert!(statistics.rtt_ms.is_some(), "RTCP got through");
    }
}

#[test]
fn sprayed_packets_neither_get_in_nor_divert() {
    let mut world = World::new();
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    let attacker = SocketAddr::from(([127, 0, 0, 1], 666));
    world.record(b, 1);
    world.play(a, 1, Source::Pcm(Arc::new(sine(8000, 600.0, 4000))));
    world.play(b, 2, Source::Tone(Tone::ringback("us")));
    let loud = vec![0x80u8; 160];
    for i in 0..4000u16 {
        if i % 20 == 0 {
            world.run(20);
        }
        let mut packet = vec![0x80, 0, (i >> 8) as u8, i as u8, 0, 0, 0, 0, 9, 9, 9, 9];
        packet.extend(&loud);
        for port in [a, b] {
            world
                .engine
                .handle_packet(world.now, port, attacker, &mut packet.clone());
        }
    }
    assert!(world.sent.iter().all(|(_, to, _)| *to != attacker));
    let heard = world.recorded(b, 1);
    assert!(
        heard.samples.iter().all(|s| s.abs() < 9000),
        "nothing of the attacker was heard"
    );
}

#[test]
fn a_peer_behind_nat_is_found() {
    let mut world = World::new();
    let a = PortId(1);
    world.apply(Command::OpenPort {
        port: a,
        ssrc: 5,
        cname: "a".into(),
    });
    let mut settings = PortSettings::new(SocketAddr::from(([10, 0, 0, 9], 4000)), payload(PCMU));
    settings.latching = Latching::Learn {
        window: Duration::from_secs(3),
        expected: Some([127, 0, 0, 1].into()),
    };
    world.apply(Command::Configure {
        port: a,
        settings: Box::new(settings),
    });
    let nat = SocketAddr::from(([127, 0, 0, 1], 777));
    for i in 0..10u8 {
        world.run(20);
        let mut packet = vec![0x80, 0, 0, i, 0, 0, 0, i, 1, 2, 3, 4];
        packet.extend([0xff; 160]);
        world.engine.handle_packet(world.now, a, nat, &mut packet);
    }
    world.play(a, 1, Source::Silence(Duration::from_millis(20)));
    world.run(40);
    assert!(world.events.contains(&Event::Latched {
        port: a,
        address: nat
    }));
    assert!(world.events.contains(&Event::FirstPacket { port: a }));
    assert_eq!(world.sent.last().unwrap().1, nat);
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
