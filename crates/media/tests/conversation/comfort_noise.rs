//! Comfort noise (RFC 3389).

use super::*;

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
