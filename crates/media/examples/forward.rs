//! Prints what one packet costs that is passed on in a bridge, and what a call of Opus costs:
//! `cargo run --release -p media --example forward`.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::codec::{Format, OPUS, PCMA, PCMU};
use media::{Command, Config, Engine, PayloadFormat, PortId, PortSettings, SrtpKeys, Suite};

/// Bridges, so that more than one port's memory is touched.
const PAIRS: u64 = 500;
/// Packets of each port.
const ROUNDS: u16 = 200;

fn main() {
    measure("same codec", PCMU, false);
    measure("two codecs", PCMA, false);
    measure("same codec, sent as SRTP", PCMU, true);
    call("Opus with PCMU", [OPUS, PCMU]);
    call("Opus with Opus", [OPUS, OPUS]);
    call("PCMU with PCMU", [PCMU, PCMU]);
}

/// Four seconds of something like a voice, as packets of 20 ms.
fn voice(format: Format) -> Vec<Vec<u8>> {
    let mut codec = format.codec();
    let rate = format.sample_rate;
    let sound: Vec<i16> = (0..rate * 4)
        .map(|i| {
            let t = f64::from(i) / f64::from(rate) * std::f64::consts::TAU;
            let hum: f64 = (1..20)
                .map(|n| (t * 120.0 * f64::from(n)).sin() / f64::from(n))
                .sum();
            (hum * (1.2 + (t * 5.0).sin()) * 4000.0) as i16
        })
        .collect();
    let encode = |samples: &[i16]| {
        let mut payload = Vec::new();
        codec.encode(samples, &mut payload);
        payload
    };
    sound.chunks_exact(rate as usize / 50).map(encode).collect()
}

/// Time that this thread has had a processor, so that others' work is not counted; else the clock.
fn worked(began: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let worked = told.and_then(|text| text.split(' ').next()?.parse().ok());
    worked.map_or_else(|| began.elapsed(), Duration::from_nanos)
}

/// Calls of two legs that both talk all the time: how much of one core each costs.
fn call(what: &str, formats: [Format; 2]) {
    const CALLS: u64 = 20;
    const SECONDS: u32 = 10;
    let start = Instant::now();
    let mut engine = Engine::new(Config::new(start, Duration::ZERO), 1);
    for port in 0..CALLS * 2 {
        let id = PortId(port);
        let (ssrc, cname) = (port as u32, String::new());
        engine.apply(
            start,
            Command::OpenPort {
                port: id,
                ssrc,
                cname,
            },
        );
        let settings = Box::new(settings(port, formats[port as usize % 2]));
        engine.apply(start, Command::Configure { port: id, settings });
        if port % 2 == 1 {
            let a = PortId(port - 1);
            engine.apply(start, Command::Bridge { a, b: id });
        }
    }
    let said = formats.map(voice);
    let mut packet = Vec::new();
    let (mut sent, mut bytes_sent) = (0u64, 0);
    let before = worked(start);
    for round in 0..SECONDS * 50 {
        let now = start + Duration::from_millis(20) * round;
        for port in 0..CALLS * 2 {
            let side = port as usize % 2;
            let format = formats[side];
            packet.clear();
            packet.extend([0x80, format.payload_type.unwrap_or(96)]);
            packet.extend((round as u16).to_be_bytes());
            packet.extend((round * (format.clock_rate / 50)).to_be_bytes());
            packet.extend((port as u32 + 1000).to_be_bytes());
            packet.extend(&said[side][(round as usize + port as usize) % said[side].len()]);
            let from = SocketAddr::from(([127, 0, 0, 1], 2000 + port as u16));
            engine.handle_packet(now, PortId(port), from, &mut packet);
        }
        engine.tick(now);
        engine.drain_transmits(|_, _, bytes| {
            sent += 1;
            bytes_sent += black_box(bytes).len();
        });
    }
    let share = (worked(start) - before).as_secs_f64() / f64::from(SECONDS) / CALLS as f64;
    let expected = u64::from(SECONDS) * 50 * CALLS * 2;
    assert!(sent * 100 > expected * 98, "{sent} packets of {expected}");
    println!(
        "{what}: {:.4} % of a core a call, {} bytes a packet",
        share * 100.0,
        bytes_sent as u64 / sent
    );
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
