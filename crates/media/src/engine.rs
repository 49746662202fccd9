//! All ports of one media thread.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::command::{Command, PlaybackId, PortId, PortSettings, Source};
use crate::detect::dtmf::Dtmf;
use crate::event::{DigitSource, Event, PlaybackEnd, RecordingEnd};
use crate::latch::{Latch, Verdict};
use crate::player::Player;
use crate::port::Port;
use crate::port_map::PortMap;
use crate::recorder::Recorder;
use crate::rtp::packet::{Packet, is_rtcp};
use crate::rtp::sequence::Arrival;
use crate::rtp::telephone_event::{self, Payload};
use crate::sound::Sound;
use crate::transmit::Transmits;

/// Playbacks waiting on one port at most; further ones end at once.
const MAX_QUEUE: usize = 256;
/// Recordings of one port at the same time at most.
const MAX_RECORDERS: usize = 8;
/// Events nobody fetched; beyond this what strangers can cause (digits) is dropped.
const MAX_EVENTS: usize = 65_536;
/// A key whose packets stop is released after this.
const KEY_TIMEOUT: Duration = Duration::from_millis(200);
/// Mean time between RTCP reports (RFC 3550 section 6.2).
const RTCP_INTERVAL: Duration = Duration::from_secs(5);
/// Two ticks further apart than this have a pause between them.
const PAUSE: Duration = Duration::from_millis(40);
/// Seconds between 1900 and 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct Config {
    /// An instant and the wall-clock time since 1970 at that instant; RTCP's NTP timestamps are
    /// counted from here.
    pub wall_clock: (Instant, Duration),
    /// Most ports open at once; further ones are refused.
    pub max_ports: usize,
    /// Silence of the remote side after which `MediaTimeout` is reported.
    pub media_timeout: Duration,
}

impl Config {
    /// Defaults, with the wall clock at `now` being `since_1970`.
    pub fn new(now: Instant, since_1970: Duration) -> Self {
        Config {
            wall_clock: (now, since_1970),
            max_ports: 20_000,
            media_timeout: Duration::from_secs(30),
        }
    }
}

/// A port on its way from one engine to another, with all that it plays, keeps and remembers.
pub struct Moved(Box<Port>);

impl std::fmt::Debug for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Moved({:?})", self.0.id)
    }
}

/// The media of many legs, advanced from outside.
pub struct Engine {
    config: Config,
    chance: u64,
    index: PortMap<usize>,
    ports: Vec<Option<Box<Port>>>,
    free: Vec<usize>,
    /// Ports with something to do in each tick.
    active: Vec<usize>,
    /// Reports and time limits; entries overtaken by earlier ones are skipped when they come up.
    wakes: BinaryHeap<Reverse<(Instant, usize, PortId)>>,
    events: VecDeque<Event>,
    out: Transmits,
    ticks: u64,
    /// When the last tick was, and whether it left nothing for the next one to do.
    last_tick: Option<Instant>,
    rested: bool,
    /// A partner's frame on its way; kept to reuse its memory.
    frame: Vec<i16>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Engine({} ports, {} active)",
            self.index.len(),
            self.active.len()
        )
    }
}

impl Engine {
    /// An engine without ports. `seed` feeds everything that has to be unpredictable to peers:
    /// first sequence numbers and timestamps, and the spread of RTCP.
    pub fn new(config: Config, seed: u64) -> Self {
        Engine {
            config,
            chance: seed,
            index: PortMap::default(),
            ports: Vec::new(),
            free: Vec::new(),
            active: Vec::new(),
            wakes: BinaryHeap::new(),
            events: VecDeque::new(),
            out: Transmits::default(),
            ticks: 0,
            last_tick: None,
            rested: true,
            frame: Vec::new(),
        }
    }

    /// Number of open ports.
    pub fn port_count(&self) -> usize {
        self.index.len()
    }

    /// Number of ports that cost something in each tick.
    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    /// SplitMix64 (Steele and others, 2014).
    fn random(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn ntp(&self, now: Instant) -> u64 {
        let (base, wall) = self.config.wall_clock;
        let wall = wall + now.saturating_duration_since(base);
        ((wall.as_secs() + NTP_OFFSET) << 32)
            | ((u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000)
    }

    fn at(&self, id: PortId) -> Option<usize> {
        self.index.get(&id).copied()
    }

    fn port(&mut self, at: usize) -> Option<&mut Port> {
        self.ports.get_mut(at)?.as_deref_mut()
    }

    fn peek(&self, at: usize) -> Option<&Port> {
        self.ports.get(at)?.as_deref()
    }

    /// Carries out an order.
    pub fn apply(&mut self, now: Instant, command: Command) {
        match command {
            Command::OpenPort { port, ssrc, cname } => self.open(port, ssrc, cname),
            Command::Configure { port, settings } => self.configure(now, port, *settings),
            Command::KeepOpen { port } => {
                let Some(at) = self.at(port) else { return };
                if let Some(open) = self.port(at) {
                    open.keep_open = true;
                }
                self.schedule(at);
            }
            Command::ClosePort { port } => self.close(now, port),
            Command::Play {
                port,
                playback,
                source,
                loops,
            } => self.play(port, playback, source, loops),
            Command::StopPlayback { port, playback } => self.stop_playback(port, playback),
            Command::Bridge { a, b } => {
                if let (Some(a), Some(b)) = (self.at(a), self.at(b)) {
                    self.unbridge(a);
                    self.unbridge(b);
                    self.join(a, b);
                }
            }
            Command::Unbridge { port } => {
                if let Some(at) = self.at(port) {
                    self.unbridge(at);
                }
            }
            Command::Echo { port } => {
                if let Some(at) = self.at(port) {
                    self.unbridge(at);
                    self.join(at, at);
                }
            }
            Command::Record {
                port,
                recording,
                direction,
                max,
                silence,
            } => {
                let at = self.at(port);
                match at.and_then(|at| self.port(at)) {
                    Some(open) if open.recorders.len() < MAX_RECORDERS => {
                        let rate = open.receiving.map_or(8000, |format| format.sample_rate);
                        open.recorders
                            .push(Recorder::new(recording, direction, max, silence, rate));
                    }
                    _ => self.recording_ended(
                        port,
                        Recorder::new(recording, direction, max, silence, 8000),
                        RecordingEnd::Closed,
                    ),
                }
                if let Some(at) = at {
                    self.refresh(at);
                }
            }
            Command::StopRecord { port, recording } => {
                let Some(at) = self.at(port) else { return };
                let ended = self.port(at).and_then(|open| {
                    let which = open
                        .recorders
                        .iter()
                        .position(|r| r.recording == recording)?;
                    Some(open.recorders.remove(which))
                });
                if let Some(recorder) = ended {
                    self.recording_ended(port, recorder, RecordingEnd::Stopped);
                    self.refresh(at);
                }
            }
            Command::DetectDtmf { port, on } => {
                let Some(at) = self.at(port) else { return };
                if let Some(open) = self.port(at)
                    && open.dtmf.is_some() != on
                {
                    open.dtmf = on.then_some(None);
                }
                self.refresh(at);
            }
            Command::Statistics { port } => {
                if let Some(statistics) = self
                    .at(port)
                    .and_then(|at| self.peek(at))
                    .map(Port::statistics)
                {
                    self.events
                        .push_back(Event::Statistics { port, statistics });
                }
            }
        }
    }

    fn open(&mut self, id: PortId, ssrc: u32, cname: String) {
        if self.index.contains_key(&id) || self.index.len() >= self.config.max_ports {
            return;
        }
        let random = self.random();
        self.place(Box::new(Port::new(id, ssrc, cname, random)));
    }

    fn place(&mut self, port: Box<Port>) -> usize {
        let id = port.id;
        let at = match self.free.pop() {
            Some(at) => {
                self.ports[at] = Some(port);
                at
            }
            None => {
                self.ports.push(Some(port));
                self.ports.len() - 1
            }
        };
        self.index.insert(id, at);
        at
    }

    /// Takes a port off its place; nothing here knows of it afterwards.
    fn remove(&mut self, id: PortId) -> Option<Box<Port>> {
        let at = self.at(id)?;
        self.unbridge(at);
        let port = self.ports[at].take()?;
        self.index.remove(&id);
        self.free.push(at);
        self.active.retain(|&active| active != at);
        Some(port)
    }

    /// Lets a port go to another engine; it leaves its bridge. `None` if it is not open.
    pub fn release(&mut self, port: PortId) -> Option<Moved> {
        let mut port = self.remove(port)?;
        port.active = false;
        port.wake = None;
        Some(Moved(port))
    }

    /// Takes up a port that another engine released. Its number must not be open here.
    pub fn adopt(&mut self, moved: Moved) {
        let at = self.place(moved.0);
        self.refresh(at);
        self.schedule(at);
    }

    fn configure(&mut self, now: Instant, id: PortId, settings: PortSettings) {
        let Some(at) = self.at(id) else { return };
        let interval = self.rtcp_interval() / 2;
        if let Some(port) = self.port(at) {
            port.configure(now, settings);
            // The first report comes after half the interval (RFC 3550 section 6.2).
            port.rtcp_due.get_or_insert(now + interval);
        }
        self.refresh(at);
        self.schedule(at);
    }

    /// The mean interval spread between 0.5 and 1.5, and made up for (RFC 3550 section 6.3.1).
    fn rtcp_interval(&mut self) -> Duration {
        let part = (self.random() >> 40) as f64 / (1u64 << 24) as f64;
        RTCP_INTERVAL.mul_f64((0.5 + part) / 1.21828)
    }

    fn close(&mut self, now: Instant, id: PortId) {
        let Some(mut port) = self.remove(id) else {
            return;
        };
        let ntp = self.ntp(now);
        port.send_rtcp(now, ntp, true, &mut self.out);
        for player in port.queue.drain(..) {
            self.playback_ended(id, player.playback, PlaybackEnd::Stopped);
        }
        for recorder in port.recorders.drain(..) {
            self.recording_ended(id, recorder, RecordingEnd::Closed);
        }
        self.events.push_back(Event::Statistics {
            port: id,
            statistics: port.statistics(),
        });
    }

    fn playback_ended(&mut self, port: PortId, playback: Option<PlaybackId>, reason: PlaybackEnd) {
        if let Some(playback) = playback {
            self.events.push_back(Event::PlaybackEnded {
                port,
                playback,
                reason,
            });
        }
    }

    fn recording_ended(&mut self, port: PortId, recorder: Recorder, reason: RecordingEnd) {
        let recording = recorder.recording;
        let (sound, spoken, trailing_silence): (Sound, _, _) = recorder.finish();
        self.events.push_back(Event::RecordingEnded {
            port,
            recording,
            reason,
            sound,
            spoken,
            trailing_silence,
        });
    }

    fn play(&mut self, id: PortId, playback: PlaybackId, source: Source, loops: u32) {
        let player = Player::new(Some(playback), source, loops);
        let at = self.at(id);
        match at.and_then(|at| self.port(at)) {
            Some(port) if port.queue.len() < MAX_QUEUE => port.queue.push_back(player),
            _ => self.playback_ended(id, Some(playback), PlaybackEnd::Stopped),
        }
        if let Some(at) = at {
            self.refresh(at);
        }
    }

    fn stop_playback(&mut self, id: PortId, playback: PlaybackId) {
        let Some(at) = self.at(id) else { return };
        let Some(port) = self.port(at) else { return };
        let before = port.queue.len();
        port.queue
            .retain(|player| player.playback != Some(playback));
        if port.queue.len() < before {
            self.playback_ended(id, Some(playback), PlaybackEnd::Stopped);
            self.refresh(at);
        }
    }

    fn join(&mut self, a: usize, b: usize) {
        if let Some(port) = self.port(a) {
            port.partner = Some(b);
        }
        if let Some(port) = self.port(b) {
            port.partner = Some(a);
        }
        self.refresh(a);
    }

    fn unbridge(&mut self, at: usize) {
        let Some(partner) = self.port(at).and_then(|port| port.partner.take()) else {
            return;
        };
        if let Some(port) = self.port(partner) {
            port.partner = None;
        }
        self.refresh(at);
        self.refresh(partner);
    }

    /// Whether the sound of one port goes to the other untouched: it is in the format wanted there,
    /// and its pauses are understood there.
    fn forwards(&self, to: usize, from: usize) -> bool {
        let (Some(to), Some(from)) = (self.peek(to), self.peek(from)) else {
            return false;
        };
        let understood = to
            .settings
            .as_ref()
            .is_some_and(|settings| settings.comfort_noise_send.is_some());
        to.queue.is_empty()
            && !to.keeps_spoken()
            && from.receiving.is_some()
            && to.send_format() == from.receiving
            && (understood || !from.pauses)
    }

    /// Decides anew what a port and its partner have to do in each tick.
    fn refresh(&mut self, at: usize) {
        let partner = self.peek(at).and_then(|port| port.partner);
        self.refresh_one(at);
        if let Some(partner) = partner.filter(|&partner| partner != at) {
            self.refresh_one(partner);
        }
    }

    fn refresh_one(&mut self, at: usize) {
        let Some(port) = self.peek(at) else { return };
        let (mut relays_out, mut relays_in) = (false, false);
        if let Some(partner) = port.partner {
            relays_out = !self.forwards(partner, at);
            relays_in = !self.forwards(at, partner);
        }
        let wanted_rate = port
            .partner
            .and_then(|partner| self.peek(partner)?.send_format())
            .map(|format| format.sample_rate);
        let configured = port.settings.is_some();
        let decoding = port.keeps_heard() || port.dtmf.is_some() || relays_out;
        let active = configured
            && (decoding || relays_in || !port.queue.is_empty() || !port.recorders.is_empty());
        if let Some(port) = self.port(at) {
            port.wanted_rate = wanted_rate;
            port.set_decoding(decoding);
            if active && !port.active {
                port.active = true;
                self.active.push(at);
            } else if !active {
                // Taken off the list at the end of the next tick.
                port.active = false;
                self.active.retain(|&other| other != at);
            }
        }
    }

    /// Takes one received datagram, RTP or RTCP; SRTP is decrypted in place.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        port: PortId,
        from: SocketAddr,
        bytes: &mut [u8],
    ) {
        let Some(at) = self.at(port) else { return };
        if is_rtcp(bytes) {
            self.handle_rtcp(now, at, from, bytes);
        } else if self.handle_rtp(now, at, from, bytes).is_none()
            && let Some(port) = self.port(at)
        {
            port.statistics.packets_rejected += 1;
        }
    }

    fn handle_rtcp(&mut self, now: Instant, at: usize, from: SocketAddr, bytes: &mut [u8]) {
        let ntp = self.ntp(now);
        let Some(port) = self.port(at) else { return };
        let Some(settings) = &port.settings else {
            return;
        };
        let mut length = bytes.len();
        if let Some(srtp) = &mut port.srtp_receive {
            match srtp.unprotect_rtcp(bytes) {
                Ok(plain) => length = plain,
                Err(_) => {
                    port.statistics.packets_rejected += 1;
                    return;
                }
            }
        } else {
            // Without a key the address is all there is to go by.
            let rtp = port.latch.as_ref().and_then(Latch::address);
            if rtp.map(|rtp| rtp.ip()) != Some(from.ip()) && settings.remote_rtcp != Some(from) {
                port.statistics.packets_rejected += 1;
                return;
            }
        }
        if port.hear_rtcp(now, ntp, &bytes[..length]) && self.events.len() < MAX_EVENTS {
            let port = self.ports[at].as_ref().expect("the port was just used").id;
            self.events.push_back(Event::Bye { port });
        }
    }

    /// `None` if the packet was refused.
    fn handle_rtp(
        &mut self,
        now: Instant,
        at: usize,
        from: SocketAddr,
        bytes: &mut [u8],
    ) -> Option<()> {
        let base = self.config.wall_clock.0;
        let port = self.ports.get_mut(at)?.as_deref_mut()?;
        let settings = port.settings.as_ref()?;
        let mut length = bytes.len();
        let secure = port.srtp_receive.is_some();
        if let Some(srtp) = &mut port.srtp_receive {
            length = srtp.unprotect_rtp(bytes).ok()?;
        }
        let packet = Packet::parse(&bytes[..length])?;
        let is_event = settings.telephone_event_receive == Some(packet.payload_type);
        let is_noise = settings.comfort_noise_receive == Some(packet.payload_type);
        let format = port.format_of(packet.payload_type);
        if format.is_none() && !is_event && !is_noise {
            return None;
        }
        let id = port.id;
        let mut latched = false;
        match port
            .latch
            .as_mut()?
            .judge(now, from, packet.ssrc, packet.sequence, secure)
        {
            Verdict::Refuse => return None,
            Verdict::Accept => {}
            Verdict::Latched => {
                self.events.push_back(Event::Latched {
                    port: id,
                    address: from,
                });
                latched = true;
            }
        }
        port.last_heard = Some(now);
        port.timeout_told = false;
        if !port.heard_first {
            port.heard_first = true;
            self.events.push_back(Event::FirstPacket { port: id });
        }
        let clock = format
            .or(port.receiving)
            .map_or(8000, |format| format.clock_rate);
        let arrival = (now.saturating_duration_since(base).as_micros() * u128::from(clock)
            / 1_000_000) as u32;
        // An event's packets all carry the timestamp of its beginning.
        let arrived = port.reception.note(
            packet.ssrc,
            packet.sequence,
            packet.timestamp,
            arrival,
            !is_event,
        );
        port.statistics.packets_received += 1;
        port.statistics.bytes_received += packet.payload.len() as u64;
        let mut released = None;
        let (sequence, begins) = match arrived {
            Arrival::Continues(sequence) => (sequence, false),
            Arrival::Begins(sequence) => {
                port.restart_hearing();
                released = port.keys.restart();
                (sequence, true)
            }
            Arrival::Stray => return Some(()),
        };
        if is_event {
            let payload = Payload::parse(packet.payload)?;
            released = released.or(port.keys.hear(packet.timestamp, payload));
            port.key_heard = Some(now);
        }
        let mut changed = format.is_some() && format != port.receiving;
        if changed {
            port.receiving = format;
        }
        if is_noise && !port.pauses {
            port.pauses = true;
            changed = true;
        }
        if changed {
            self.refresh(at);
        }
        let port = self.port(at)?;
        if port.decoding && port.direction().receives() {
            port.store(sequence, &packet);
        }
        let held = port.keys.is_held();
        let receives = port.direction().receives();
        let partner = port.partner;
        let mut forwarded = false;
        if let Some(to) = partner.filter(|_| receives)
            && self.forwards(to, at)
        {
            let out = &mut self.out;
            if let Some(to) = self.ports[to].as_deref_mut() {
                let payload_type =
                    to.settings
                        .as_ref()
                        .and_then(|settings| match (is_event, is_noise) {
                            (true, _) => settings.telephone_event_send,
                            (_, true) => settings.comfort_noise_send,
                            _ => Some(settings.send.payload_type),
                        });
                if let Some(payload_type) = payload_type {
                    forwarded = to.forward(now, &packet, payload_type, begins, out);
                }
            }
        }
        if let Some((digit, duration)) = released {
            self.digit(
                at,
                digit,
                u32::from(duration) * 1000 / telephone_event::CLOCK_RATE,
                DigitSource::TelephoneEvent,
                forwarded,
            );
        }
        if latched || (is_event && held) {
            self.schedule(at);
        }
        Some(())
    }

    /// Reports a key, and plays it to the partner if its packets do not reach it.
    fn digit(
        &mut self,
        at: usize,
        digit: char,
        duration_ms: u32,
        source: DigitSource,
        forwarded: bool,
    ) {
        let Some(port) = self.peek(at) else { return };
        let (id, partner) = (port.id, port.partner);
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(Event::Digit {
                port: id,
                digit,
                duration_ms,
                source,
            });
        }
        if source == DigitSource::InBand || forwarded {
            return;
        }
        let Some(partner) = partner else { return };
        if let Some(to) = self.port(partner)
            && to.queue.len() < MAX_QUEUE
        {
            to.queue
                .push_back(Player::new(None, Source::Digits(digit.to_string()), 1));
        }
        self.refresh(partner);
    }

    /// When [`Engine::tick`] is due, `next` being the time of the next one: then, as long as a port
    /// plays, relays or records; otherwise not before the next report or time limit.
    pub fn poll_timeout(&self, next: Instant) -> Option<Instant> {
        if !self.active.is_empty() {
            return Some(next);
        }
        self.wakes.peek().map(|Reverse((due, ..))| next.max(*due))
    }

    /// Advances sound by 20 ms. To be called every 20 ms, but for the ticks that
    /// [`Engine::poll_timeout`] says nobody needs.
    pub fn tick(&mut self, now: Instant) {
        self.ticks += 1;
        // Ticks left out are a pause in every stream.
        if self.rested
            && self
                .last_tick
                .is_some_and(|last| now.saturating_duration_since(last) > PAUSE)
        {
            self.ticks += 1;
        }
        self.last_tick = Some(now);
        self.wake(now);
        // Ports are only taken off the list between these passes.
        let active = std::mem::take(&mut self.active);
        for &at in &active {
            self.hear(at);
        }
        let mut again = Vec::new();
        for &at in &active {
            if self.speak(now, at) {
                again.push(at);
            }
        }
        for &at in &active {
            if self.record(at) {
                again.push(at);
            }
        }
        self.active = active;
        for at in again {
            self.refresh(at);
        }
        self.rested = self.active.is_empty();
    }

    fn hear(&mut self, at: usize) {
        let Some(port) = self.port(at) else { return };
        port.heard.clear();
        port.spoken.clear();
        if !port.decoding {
            return;
        }
        port.hear();
        let rate = port.heard_rate;
        let mut digit = None;
        if let Some(detector) = &mut port.dtmf {
            let (detector, _) = match detector {
                Some(known) if known.1 == rate => known,
                other => other.insert((Dtmf::new(rate), rate)),
            };
            // Silence ends a key too.
            const NOTHING: [i16; 160] = [0; 160];
            digit = detector.hear(if port.heard.is_empty() {
                &NOTHING
            } else {
                &port.heard
            });
        }
        if let Some((digit, ms)) = digit {
            self.digit(at, digit, ms, DigitSource::InBand, true);
        }
    }

    /// True if a playback ended.
    fn speak(&mut self, now: Instant, at: usize) -> bool {
        let tick = self.ticks;
        let Some(port) = self.ports.get_mut(at).and_then(|port| port.as_deref_mut()) else {
            return false;
        };
        if !port.queue.is_empty() {
            let Some(finished) = port.play(now, tick, &mut self.out) else {
                return false;
            };
            let id = port.id;
            self.playback_ended(id, finished, PlaybackEnd::Finished);
            return true;
        }
        let Some(partner) = port.partner else {
            return false;
        };
        let Some(from) = self.peek(partner) else {
            return false;
        };
        if from.heard.is_empty() || self.forwards(at, partner) {
            return false;
        }
        let rate = from.heard_rate;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        if let Some(from) = self.peek(partner) {
            frame.extend_from_slice(&from.heard);
        }
        if let Some(port) = self.ports[at].as_deref_mut() {
            port.relay(now, tick, &frame, rate, &mut self.out);
        }
        self.frame = frame;
        false
    }

    /// True if a recording ended.
    fn record(&mut self, at: usize) -> bool {
        let Some(port) = self.port(at) else {
            return false;
        };
        if port.recorders.is_empty() {
            return false;
        }
        let heard = (!port.heard.is_empty()).then_some((&port.heard[..], port.heard_rate));
        let spoken = (!port.spoken.is_empty()).then_some((&port.spoken[..], port.spoken_rate));
        let mut ended = Vec::new();
        let mut which = 0;
        while which < port.recorders.len() {
            match port.recorders[which].push(heard, spoken) {
                Some(reason) => ended.push((port.recorders.remove(which), reason)),
                None => which += 1,
            }
        }
        let id = port.id;
        let any = !ended.is_empty();
        for (recorder, reason) in ended {
            self.recording_ended(id, recorder, reason);
        }
        any
    }

    /// Enters a port's next time limit.
    fn schedule(&mut self, at: usize) {
        let timeout = self.config.media_timeout;
        let Some(port) = self.port(at) else { return };
        let key = port
            .key_heard
            .filter(|_| port.keys.is_held())
            .map(|heard| heard + KEY_TIMEOUT);
        let silence = match (port.last_heard, port.configured) {
            _ if port.timeout_told || !port.direction().receives() => None,
            (Some(heard), Some(configured)) => Some(heard.max(configured) + timeout),
            (None, configured) => configured.map(|configured| configured + timeout),
            _ => None,
        };
        let dues = [key, silence, port.rtcp_due, port.silence_due()];
        let Some(next) = dues.into_iter().flatten().min() else {
            return;
        };
        if port.wake.is_none_or(|wake| next < wake) {
            port.wake = Some(next);
            let id = port.id;
            self.wakes.push(Reverse((next, at, id)));
        }
    }

    /// Does what has come due.
    fn wake(&mut self, now: Instant) {
        while let Some(&Reverse((due, at, id))) = self.wakes.peek() {
            if due > now {
                break;
            }
            self.wakes.pop();
            let ntp = self.ntp(now);
            let interval = self.rtcp_interval();
            let timeout = self.config.media_timeout;
            let Some(port) = self.ports.get_mut(at).and_then(|port| port.as_deref_mut()) else {
                continue;
            };
            if port.id != id || port.wake != Some(due) {
                continue;
            }
            port.wake = None;
            if port.rtcp_due.is_some_and(|due| due <= now) {
                port.send_rtcp(now, ntp, false, &mut self.out);
                port.rtcp_due = Some(now + interval);
            }
            if port.silence_due().is_some_and(|due| due <= now) {
                port.silence(now, self.ticks, &mut self.out);
            }
            let since = port.last_heard.max(port.configured);
            if !port.timeout_told
                && port.direction().receives()
                && since.is_some_and(|since| now.saturating_duration_since(since) >= timeout)
            {
                port.timeout_told = true;
                self.events.push_back(Event::MediaTimeout { port: id });
            }
            let lapsed = port
                .key_heard
                .is_some_and(|heard| now.saturating_duration_since(heard) >= KEY_TIMEOUT);
            let released = if lapsed { port.keys.release() } else { None };
            let forwarded =
                released.is_some() && port.partner.is_some_and(|to| self.forwards(to, at));
            if let Some((digit, duration)) = released {
                self.digit(
                    at,
                    digit,
                    u32::from(duration) * 1000 / telephone_event::CLOCK_RATE,
                    DigitSource::TelephoneEvent,
                    forwarded,
                );
            }
            self.schedule(at);
        }
    }

    /// Hands out what is to be sent, oldest first. RTCP is told from RTP by its second byte
    /// being 192 to 223 (RFC 5761 section 4).
    pub fn drain_transmits(&mut self, send: impl FnMut(PortId, SocketAddr, &[u8])) {
        self.out.drain(send);
    }

    /// The oldest event not yet fetched.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
