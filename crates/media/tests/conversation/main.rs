//! Two engines joined in memory under simulated time.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps fails, which is its purpose"
)]

mod bridge;
mod comfort_noise;
mod digits;
mod opus;
mod playback;
mod rtp;
mod silence;
mod sources;

use media::codec::{G722, L16, OPUS, PCMA, PCMU};
use media::{
    Command, Config, DigitSource, Engine, Event, Format, Latching, PayloadFormat, PlaybackEnd,
    PlaybackId, PortId, PortSettings, RecordDirection, RecordingEnd, RecordingId, Sound, Source,
    SrtpKeys, Suite, Tone,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Numbers that look random and are the same in every run.
fn chance(mut state: u32) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}
