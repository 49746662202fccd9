//! From whom packets are taken: keys, strangers, address translation.

use super::*;

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
