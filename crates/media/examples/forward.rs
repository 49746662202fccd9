//! Prints what one forwarded packet costs: `cargo run --release -p media --example forward`.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::codec::{Format, PCMA, PCMU};
use media::{Command, Config, Engine, PayloadFormat, PortId, PortSettings, SrtpKeys, Suite};

/// Bridges, so that more than one port's memory is touched.
const PAIRS: u64 = 500;
/// Packets of each port.
const ROUNDS: u16 = 200;

fn main() {
    measure("same codec", PCMU, false);
    measure("two codecs", PCMA, false);
    measure("same codec, sent as SRTP", PCMU, true);
}

fn settings(port: u64, format: Format) -> PortSettings {
    let remote = SocketAddr::from(([127, 0, 0, 1], 2000 + port as u16));
    PortSettings::new(
        remote,
        PayloadFormat {
            payload_type: format.payload_type.unwrap_or(96),
            format,
        },
    )
}

fn measure(what: &str, other: Format, secure: bool) {
    let start = Instant::now();
    let mut engine = Engine::new(Config::new(start, Duration::ZERO), 1);
    for port in 0..PAIRS * 2 {
        engine.apply(
            start,
            Command::OpenPort {
                port: PortId(port),
                ssrc: port as u32,
                cname: String::new(),
            },
        );
        let mut settings = settings(port, if port % 2 == 0 { PCMU } else { other });
        if secure && port % 2 == 1 {
            settings.srtp = Some(SrtpKeys {
                suite: Suite::AesCm128HmacSha1_80,
                send: [1; 30],
                receive: [2; 30],
            });
        }
        engine.apply(
            start,
            Command::Configure {
                port: PortId(port),
                settings: Box::new(settings),
            },
        );
        if port % 2 == 1 {
            engine.apply(
                start,
                Command::Bridge {
                    a: PortId(port - 1),
                    b: PortId(port),
                },
            );
        }
    }
    let mut packet = [0x55u8; 172];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    let mut sent = 0u64;
    let began = Instant::now();
    for round in 0..ROUNDS {
        let now = start + Duration::from_millis(20) * u32::from(round);
        for port in (0..PAIRS * 2).step_by(2) {
            packet[2..4].copy_from_slice(&round.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(round) * 160).to_be_bytes());
            let from = SocketAddr::from(([127, 0, 0, 1], 2000 + port as u16));
            engine.handle_packet(now, PortId(port), from, &mut packet);
        }
        engine.tick(now);
        engine.drain_transmits(|_, _, bytes| {
            black_box(bytes);
            sent += 1;
        });
    }
    let per_packet = began.elapsed().as_nanos() as u64 / (u64::from(ROUNDS) * PAIRS);
    println!("{what}: {per_packet} ns a packet, {sent} sent");
}
