//! One leg's media: what is heard from the peer and what is sent to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::codec::{Codec, Format, Parameters};
use crate::command::{Direction, PlaybackId, PortId, PortSettings};
use crate::detect::dtmf::Dtmf;
use crate::event::Statistics;
use crate::latch::Latch;
use crate::player::{Frame, Player};
use crate::recorder::Recorder;
use crate::resample::Resampler;
use crate::rtp::jitter::{Jitter, Next};
use crate::rtp::packet::Packet;
use crate::rtp::rtcp::{self, ReportBlock, SenderInfo};
use crate::rtp::sequence::Reception;
use crate::rtp::srtp::Context;
use crate::rtp::telephone_event::{self, Listener};
use crate::transmit::Transmits;

/// Frames of 20 ms made up from the last one before silence takes over.
const CONCEALED: u32 = 5;

/// Packets a stream begins with one after the other, silence if need be: 200 ms, more than peers
/// want to see before they believe where we are (our own latch wants 60 ms).
const OPENING: u64 = 10;
/// When the next packet of the opening is due: at the next tick, which may come a little early.
const OPENING_STEP: Duration = Duration::from_millis(15);
/// Longest time without a packet; far below what RFC 6263 section 4.6 asks for (15 s), so that
/// carriers that watch the stream see no call that has died.
const QUIET: Duration = Duration::from_secs(1);

/// The outgoing stream's numbers.
#[derive(Debug)]
pub struct Sender {
    sequence: u16,
    /// Timestamp that follows what was sent.
    timestamp: u32,
    /// When the packet before was sent, and the tick it was sent in.
    last: Option<Instant>,
    last_tick: u64,
    event_timestamp: u32,
}

/// How packets of another port are renumbered into this port's stream.
#[derive(Debug, Default)]
struct Forward {
    source: Option<u32>,
    sequence: u16,
    timestamp: u32,
}

struct Decoder {
    payload_type: u8,
    /// Sample rate in Hz.
    rate: u32,
    codec: Box<dyn Codec>,
}

/// One leg's media.
pub struct Port {
    pub id: PortId,
    pub ssrc: u32,
    pub cname: String,
    pub settings: Option<PortSettings>,
    pub latch: Option<Latch>,
    pub srtp_send: Option<Context>,
    pub srtp_receive: Option<Context>,
    pub reception: Reception,
    pub heard_first: bool,
    pub last_heard: Option<Instant>,
    pub configured: Option<Instant>,
    pub timeout_told: bool,
    /// Whether the peer must not be left without packets.
    pub keep_open: bool,
    /// When silence was last looked at; each look moves the next one on.
    silence_seen: Option<Instant>,
    pub keys: Listener,
    pub key_heard: Option<Instant>,
    pub dtmf: Option<Option<(Dtmf, u32)>>,
    pub queue: VecDeque<Player>,
    pub recorders: Vec<Recorder>,
    pub partner: Option<usize>,
    pub active: bool,
    /// Whether the jitter buffer is being fed.
    pub decoding: bool,
    pub statistics: Statistics,
    pub wake: Option<Instant>,
    pub rtcp_due: Option<Instant>,
    last_sr: Option<(u32, Instant)>,
    jitter: Option<Box<Jitter>>,
    decoder: Option<Decoder>,
    /// Format of the last sound received.
    pub receiving: Option<Format>,
    pcm: Vec<i16>,
    last_frame: Vec<i16>,
    concealed: u32,
    comfort: Option<i16>,
    /// Whether the peer sends comfort noise in its pauses.
    pub pauses: bool,
    noise: u32,
    /// The encoder and its sample rate.
    encoder: Option<(Box<dyn Codec>, u32)>,
    encoded: Vec<u8>,
    /// Sound waiting for a full packet, in frames of 20 ms, and its timestamp.
    unsent: Vec<i16>,
    unsent_frames: u32,
    unsent_timestamp: u32,
    marker: bool,
    pub sender: Sender,
    forward: Forward,
    /// What was heard and sent in this tick, and at which rate; empty for nothing.
    pub heard: Vec<i16>,
    pub heard_rate: u32,
    /// The rate at which the partner can send on what is heard, if there is a partner.
    pub wanted_rate: Option<u32>,
    pub spoken: Vec<i16>,
    pub spoken_rate: u32,
    to_partner: Option<(Resampler, u32, u32)>,
}

impl Port {
    pub fn new(id: PortId, ssrc: u32, cname: String, random: u64) -> Port {
        Port {
            id,
            ssrc,
            cname,
            settings: None,
            latch: None,
            srtp_send: None,
            srtp_receive: None,
            reception: Reception::default(),
            heard_first: false,
            last_heard: None,
            configured: None,
            timeout_told: false,
            keep_open: false,
            silence_seen: None,
            keys: Listener::default(),
            key_heard: None,
            dtmf: None,
            queue: VecDeque::new(),
            recorders: Vec::new(),
            partner: None,
            active: false,
            decoding: false,
            statistics: Statistics::default(),
            wake: None,
            rtcp_due: None,
            last_sr: None,
            jitter: None,
            decoder: None,
            receiving: None,
            pcm: Vec::new(),
            last_frame: Vec::new(),
            concealed: 0,
            comfort: None,
            pauses: false,
            noise: random as u32 | 1,
            encoder: None,
            encoded: Vec::new(),
            unsent: Vec::new(),
            unsent_frames: 0,
            unsent_timestamp: 0,
            marker: true,
            // The first sequence number stays clear of the first roll-over, which an SRTP peer
            // that misses the first packets could not see (RFC 3711 section 3.3.1).
            sender: Sender {
                sequence: (random >> 32) as u16 & 0x7fff,
                timestamp: random as u32,
                last: None,
                last_tick: 0,
                event_timestamp: 0,
            },
            forward: Forward::default(),
            heard: Vec::new(),
            heard_rate: 8000,
            wanted_rate: None,
            spoken: Vec::new(),
            spoken_rate: 8000,
            to_partner: None,
        }
    }

    pub fn configure(&mut self, now: Instant, settings: PortSettings) {
        let before = self.settings.as_ref();
        if before.map(|s| (s.send, s.max_bitrate, s.fec))
            != Some((settings.send, settings.max_bitrate, settings.fec))
        {
            self.encoder = None;
            self.unsent.clear();
            self.unsent_frames = 0;
            self.forward.source = None;
        }
        if before.map(|s| &s.receive) != Some(&settings.receive) {
            self.decoder = None;
            self.receiving = settings.receive.first().map(|receive| receive.format);
        }
        // New contexts only for new keys: the same ones must not forget what they have seen.
        // And once secure, never plain again (V11).
        if let Some(keys) = &settings.srtp {
            let old = before.and_then(|s| s.srtp.as_ref());
            if old.map(|k| (k.suite, k.send)) != Some((keys.suite, keys.send)) {
                self.srtp_send = Some(Context::new(keys.suite, &keys.send));
            }
            if old.map(|k| (k.suite, k.receive)) != Some((keys.suite, keys.receive)) {
                self.srtp_receive = Some(Context::new(keys.suite, &keys.receive));
            }
        }
        self.latch = Some(Latch::new(
            now,
            settings.remote_rtp,
            settings.latching,
            self.latch.as_ref(),
        ));
        self.heard_first = false;
        self.configured = Some(now);
        self.timeout_told = false;
        self.settings = Some(settings);
    }

    pub fn direction(&self) -> Direction {
        self.settings
            .as_ref()
            .map_or(Direction::Inactive, |settings| settings.direction)
    }

    pub fn send_format(&self) -> Option<Format> {
        self.settings.as_ref().map(|settings| settings.send.format)
    }

    /// The format of a received payload type.
    pub fn format_of(&self, payload_type: u8) -> Option<Format> {
        let receive = &self.settings.as_ref()?.receive;
        receive
            .iter()
            .find(|known| known.payload_type == payload_type)
            .map(|known| known.format)
    }

    pub fn keeps_spoken(&self) -> bool {
        self.recorders.iter().any(Recorder::keeps_spoken)
    }

    pub fn keeps_heard(&self) -> bool {
        self.recorders.iter().any(Recorder::keeps_heard)
    }

    fn forget_unsent(&mut self) {
        self.unsent.clear();
        self.unsent_frames = 0;
    }

    /// Begins or ends feeding the jitter buffer.
    pub fn set_decoding(&mut self, on: bool) {
        if on && !self.decoding {
            match &mut self.jitter {
                Some(jitter) => jitter.restart(),
                None => self.jitter = Some(Box::default()),
            }
            self.pcm.clear();
            self.last_frame.clear();
            self.comfort = None;
        }
        self.decoding = on;
    }

    /// A new source or a new beginning of the old one.
    pub fn restart_hearing(&mut self) {
        if let Some(jitter) = &mut self.jitter {
            jitter.restart();
        }
    }

    /// Keeps a packet until its time. Event packets take their place in the order too.
    pub fn store(&mut self, sequence: u64, packet: &Packet) {
        let ms = self
            .format_of(packet.payload_type)
            .map_or(20, |format| format.payload_ms(packet.payload));
        let noise = self
            .settings
            .as_ref()
            .is_some_and(|settings| settings.comfort_noise_receive == Some(packet.payload_type));
        if let Some(jitter) = &mut self.jitter {
            // With no sound before it there is nothing to wait for; and nothing may follow.
            if noise && !jitter.is_playing() {
                self.comfort = Some(noise_level(packet.payload));
            }
            jitter.store(
                sequence,
                packet.timestamp,
                packet.payload_type,
                ms,
                packet.payload,
            );
            self.statistics.packets_late = jitter.late();
        }
    }

    /// Makes 20 ms of what is heard; `heard` stays empty if there is nothing to hear.
    pub fn hear(&mut self) {
        self.heard.clear();
        let (Some(jitter), Some(settings)) = (&mut self.jitter, &self.settings) else {
            return;
        };
        let mut need = self.heard_rate as usize / 50;
        let leave_out = jitter.tick((self.pcm.len() * 1000 / self.heard_rate as usize) as u32);
        if leave_out {
            need *= 2;
        }
        // Bounded by what the buffer holds; each turn takes one packet or breaks.
        while self.pcm.len() < need {
            match jitter.take() {
                Next::Packet {
                    payload_type,
                    payload,
                    ..
                } => {
                    if Some(payload_type) == settings.comfort_noise_receive {
                        self.comfort = Some(noise_level(payload));
                        continue;
                    }
                    let Some(known) = settings
                        .receive
                        .iter()
                        .find(|known| known.payload_type == payload_type)
                    else {
                        // An event: the key's tone is not sound.
                        self.last_frame.clear();
                        continue;
                    };
                    let rate = match self.wanted_rate {
                        Some(wanted) => known.format.rate_for(wanted),
                        None => known.format.sample_rate,
                    };
                    if self.decoder.as_ref().is_none_or(|decoder| {
                        (decoder.payload_type, decoder.rate) != (payload_type, rate)
                    }) {
                        self.decoder = Some(Decoder {
                            payload_type,
                            rate,
                            codec: known.format.codec_with(&Parameters {
                                sample_rate: rate,
                                max_bitrate: None,
                                fec: true,
                            }),
                        });
                        if rate != self.heard_rate {
                            self.pcm.clear();
                            self.last_frame.clear();
                            self.heard_rate = rate;
                            need = self.heard_rate as usize / 50;
                        }
                    }
                    self.comfort = None;
                    self.concealed = 0;
                    let before = self.pcm.len();
                    if let Some(decoder) = &mut self.decoder {
                        decoder.codec.decode(payload, &mut self.pcm);
                    }
                    // What one packet may hold is bounded: 200 ms.
                    self.pcm.truncate(before + self.heard_rate as usize / 5);
                }
                Next::Lost { ms, following } => {
                    self.concealed += 1;
                    let samples = (self.heard_rate * ms / 1000) as usize;
                    let repaired = self.decoder.as_mut().is_some_and(|decoder| {
                        let following = following
                            .filter(|(payload_type, _)| *payload_type == decoder.payload_type)
                            .map(|(_, payload)| payload);
                        decoder.codec.conceal(samples, following, &mut self.pcm)
                    });
                    if !repaired {
                        conceal(
                            &self.last_frame,
                            self.concealed,
                            self.heard_rate as usize / 50,
                            &mut self.pcm,
                        );
                    }
                }
                Next::Empty if self.comfort.is_some() => {
                    jitter.pause();
                    break;
                }
                Next::Empty => {
                    self.concealed += 1;
                    if self.concealed > CONCEALED || self.last_frame.is_empty() {
                        jitter.pause();
                        break;
                    }
                    let frame = self.heard_rate as usize / 50;
                    let repaired = self
                        .decoder
                        .as_mut()
                        .is_some_and(|decoder| decoder.codec.conceal(frame, None, &mut self.pcm));
                    if !repaired {
                        conceal(&self.last_frame, self.concealed, frame, &mut self.pcm);
                    }
                }
                Next::Waiting => break,
            }
        }
        let frame = self.heard_rate as usize / 50;
        if leave_out && self.pcm.len() >= frame * 2 {
            self.pcm.drain(..frame);
        }
        if self.pcm.len() < frame {
            let Some(level) = self.comfort else {
                if !self.pcm.is_empty() {
                    self.pcm.resize(frame, 0);
                    std::mem::swap(&mut self.heard, &mut self.pcm);
                    self.pcm.clear();
                }
                return;
            };
            while self.pcm.len() < frame {
                self.noise = self
                    .noise
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                // Uniform noise of peak p has an RMS of p / 1.73.
                let value = i32::from((self.noise >> 16) as i16) * i32::from(level) / 32768;
                self.pcm.push((value * 7 / 4).clamp(-32768, 32767) as i16);
            }
        }
        self.heard.extend_from_slice(&self.pcm[..frame]);
        self.pcm.drain(..frame);
        if self.concealed == 0 {
            self.last_frame.clear();
            self.last_frame.extend_from_slice(&self.heard);
        }
    }

    /// Makes the next 20 ms of the running playback and sends it. A finished one is returned.
    pub fn play(
        &mut self,
        now: Instant,
        tick: u64,
        out: &mut Transmits,
    ) -> Option<Option<PlaybackId>> {
        // Nothing to play takes no time.
        if let Some(empty) = self.queue.pop_front_if(|player| player.is_finished()) {
            return Some(empty.playback);
        }
        let settings = self.settings.as_ref()?;
        let (format, events) = (settings.send.format, settings.telephone_event_send);
        self.spoken_rate = format.sample_rate;
        let mut spoken = std::mem::take(&mut self.spoken);
        spoken.clear();
        spoken.resize(format.sample_rate as usize / 50, 0);
        let player = self.queue.front_mut()?;
        let frame = player.frame(format.sample_rate, events.is_some(), &mut spoken);
        let finished = player.is_finished().then_some(player.playback);
        match (frame, events) {
            (
                Frame::Event {
                    digit,
                    frames,
                    first,
                    end,
                },
                Some(payload_type),
            ) => {
                self.send_event(now, tick, payload_type, digit, frames, first, end, out);
            }
            _ => self.speak(now, tick, &spoken, format.sample_rate, out),
        }
        self.spoken = spoken;
        if finished.is_some() {
            self.queue.pop_front();
        }
        finished
    }

    /// Sends what a partner was heard saying.
    pub fn relay(
        &mut self,
        now: Instant,
        tick: u64,
        heard: &[i16],
        rate: u32,
        out: &mut Transmits,
    ) {
        let Some(to) = self.send_format().map(|format| format.rate_for(rate)) else {
            return;
        };
        let mut spoken = std::mem::take(&mut self.spoken);
        spoken.clear();
        if rate == to {
            spoken.extend_from_slice(heard);
        } else {
            let known = self
                .to_partner
                .take()
                .filter(|known| (known.1, known.2) == (rate, to));
            let (mut resampler, ..) = known.unwrap_or_else(|| (Resampler::new(rate, to), rate, to));
            resampler.process(heard, &mut spoken);
            spoken.resize(to as usize / 50, 0);
            self.to_partner = Some((resampler, rate, to));
        }
        self.spoken_rate = to;
        self.speak(now, tick, &spoken, to, out);
        self.spoken = spoken;
    }

    /// Timestamp of a packet sent now after a pause.
    fn timestamp_at(&self, now: Instant, clock_rate: u32) -> u32 {
        let Some(last) = self.sender.last else {
            return self.sender.timestamp;
        };
        // The packet before covered the first 20 ms of the pause.
        let pause = now
            .saturating_duration_since(last)
            .saturating_sub(Duration::from_millis(20));
        self.sender
            .timestamp
            .wrapping_add((pause.as_micros() * u128::from(clock_rate) / 1_000_000) as u32)
    }

    /// Takes up the stream in this tick; after a pause the timestamp jumps by its length.
    fn resume(&mut self, now: Instant, tick: u64, clock_rate: u32) {
        if self.sender.last.is_none()
            || self.sender.last_tick + 1 != tick
            || self.forward.source.is_some()
        {
            self.sender.timestamp = self.timestamp_at(now, clock_rate);
            self.marker = true;
            self.forget_unsent();
            self.forward.source = None;
        }
        self.sender.last_tick = tick;
        self.sender.last = Some(now);
    }

    /// Appends the payload of samples at `rate` Hz, one of the format's.
    fn encode(&mut self, samples: &[i16], rate: u32, payload: &mut Vec<u8>) {
        let Some(settings) = &self.settings else {
            return;
        };
        let (encoder, _) = match &mut self.encoder {
            Some(known) if known.1 == rate => known,
            other => {
                let codec = settings.send.format.codec_with(&Parameters {
                    sample_rate: rate,
                    max_bitrate: settings.max_bitrate,
                    fec: settings.fec,
                });
                other.insert((codec, rate))
            }
        };
        encoder.encode(samples, payload);
    }

    /// Takes 20 ms at `rate` Hz and sends a packet once `ptime` is full.
    fn speak(&mut self, now: Instant, tick: u64, samples: &[i16], rate: u32, out: &mut Transmits) {
        let Some(settings) = &self.settings else {
            return;
        };
        if !settings.direction.sends() {
            return;
        }
        let send = settings.send;
        let frames = (settings.ptime.as_millis() / 20).clamp(1, 3) as u32;
        self.resume(now, tick, send.format.clock_rate);
        if self.unsent.len() != self.unsent_frames as usize * samples.len() {
            // What waits was made at another rate.
            self.forget_unsent();
        }
        if self.unsent_frames == 0 {
            self.unsent_timestamp = self.sender.timestamp;
        }
        self.unsent.extend_from_slice(samples);
        self.unsent_frames += 1;
        self.sender.timestamp = self
            .sender
            .timestamp
            .wrapping_add(send.format.clock_rate / 50);
        if self.unsent_frames >= frames {
            let unsent = std::mem::take(&mut self.unsent);
            let mut payload = std::mem::take(&mut self.encoded);
            payload.clear();
            self.encode(&unsent, rate, &mut payload);
            let marker = std::mem::take(&mut self.marker);
            let sequence = self.sender.sequence;
            self.sender.sequence = sequence.wrapping_add(1);
            self.send(
                marker,
                send.payload_type,
                sequence,
                self.unsent_timestamp,
                &payload,
                out,
            );
            self.encoded = payload;
            self.unsent = unsent;
            self.forget_unsent();
        }
    }

    /// When silence has to be sent unless something else is.
    pub fn silence_due(&self) -> Option<Instant> {
        let addressed = self.latch.as_ref().and_then(Latch::address).is_some();
        if !self.keep_open || !addressed || !self.direction().sends() {
            return None;
        }
        let opening = self.statistics.packets_sent < OPENING && self.partner.is_none();
        match self.sender.last.max(self.silence_seen) {
            Some(last) => Some(last + if opening { OPENING_STEP } else { QUIET }),
            None if opening => self.configured,
            None => self.configured.map(|configured| configured + QUIET),
        }
    }

    /// Sends one frame of silence, whatever the packet time (it is more than nothing), unless
    /// something is being played.
    pub fn silence(&mut self, now: Instant, tick: u64, out: &mut Transmits) {
        const NOTHING: [i16; 960] = [0; 960];
        self.silence_seen = Some(now);
        if !self.queue.is_empty() {
            return;
        }
        let Some(send) = self.settings.as_ref().map(|settings| settings.send) else {
            return;
        };
        self.resume(now, tick, send.format.clock_rate);
        let mut payload = std::mem::take(&mut self.encoded);
        payload.clear();
        // At the rate in use, so that the encoder keeps what it knows.
        let rate = match &self.encoder {
            Some((_, rate)) => *rate,
            None => send.format.sample_rate,
        };
        let frame = (rate as usize / 50).min(NOTHING.len());
        self.encode(&NOTHING[..frame], rate, &mut payload);
        let (sequence, timestamp) = (self.sender.sequence, self.sender.timestamp);
        self.sender.sequence = sequence.wrapping_add(1);
        self.sender.timestamp = timestamp.wrapping_add(send.format.clock_rate / 50);
        let marker = std::mem::take(&mut self.marker);
        self.send(
            marker,
            send.payload_type,
            sequence,
            timestamp,
            &payload,
            out,
        );
        self.encoded = payload;
        self.forget_unsent();
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "an event packet has that many fields"
    )]
    fn send_event(
        &mut self,
        now: Instant,
        tick: u64,
        payload_type: u8,
        digit: char,
        frames: u32,
        first: bool,
        end: bool,
        out: &mut Transmits,
    ) {
        let (Some(format), Some(event)) = (self.send_format(), telephone_event::event(digit))
        else {
            return;
        };
        if !self.direction().sends() {
            return;
        }
        self.resume(now, tick, format.clock_rate);
        let step = format.clock_rate / 50;
        // Sound waiting for a full packet would come after the event: it is let go.
        self.forget_unsent();
        if first {
            self.sender.event_timestamp = self.sender.timestamp;
        }
        self.sender.timestamp = self.sender.timestamp.wrapping_add(step);
        let payload = telephone_event::Payload {
            event,
            end,
            volume: 10,
            duration: (frames * telephone_event::CLOCK_RATE / 50).min(0xffff) as u16,
        }
        .print();
        let sequence = self.sender.sequence;
        self.sender.sequence = sequence.wrapping_add(1);
        self.send(
            first,
            payload_type,
            sequence,
            self.sender.event_timestamp,
            &payload,
            out,
        );
        self.marker = true;
    }

    /// Passes on another port's packet as it came, only renumbered. Returns whether it was sent.
    pub fn forward(
        &mut self,
        now: Instant,
        packet: &Packet,
        payload_type: u8,
        begins: bool,
        out: &mut Transmits,
    ) -> bool {
        let Some(format) = self.send_format() else {
            return false;
        };
        if !self.direction().sends() {
            return false;
        }
        let mut marker = packet.marker;
        if begins || self.forward.source != Some(packet.ssrc) {
            self.forward = Forward {
                source: Some(packet.ssrc),
                sequence: self.sender.sequence.wrapping_sub(packet.sequence),
                timestamp: self
                    .timestamp_at(now, format.clock_rate)
                    .wrapping_sub(packet.timestamp),
            };
            marker = true;
        }
        let sequence = packet.sequence.wrapping_add(self.forward.sequence);
        let timestamp = packet.timestamp.wrapping_add(self.forward.timestamp);
        if (sequence.wrapping_sub(self.sender.sequence) as i16) >= 0 {
            self.sender.sequence = sequence.wrapping_add(1);
            self.sender.timestamp = timestamp.wrapping_add(format.clock_rate / 50);
            self.sender.last = Some(now);
        }
        self.send(
            marker,
            payload_type,
            sequence,
            timestamp,
            packet.payload,
            out,
        );
        true
    }

    fn send(
        &mut self,
        marker: bool,
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
        payload: &[u8],
        out: &mut Transmits,
    ) {
        let Some(to) = self.latch.as_ref().and_then(Latch::address) else {
            return;
        };
        let (ssrc, srtp) = (self.ssrc, &mut self.srtp_send);
        let sent = out.add(self.id, to, |bytes, start| {
            Packet {
                marker,
                payload_type,
                sequence,
                timestamp,
                ssrc,
                payload,
            }
            .print(bytes);
            srtp.as_mut()
                .is_none_or(|srtp| srtp.protect_rtp(bytes, start).is_ok())
        });
        if sent {
            self.statistics.packets_sent += 1;
            self.statistics.bytes_sent += payload.len() as u64;
        }
    }

    /// Where RTCP goes.
    pub fn rtcp_address(&self) -> Option<SocketAddr> {
        let settings = self.settings.as_ref()?;
        let rtp = self.latch.as_ref()?.address();
        if settings.rtcp_mux {
            return rtp;
        }
        let described = settings.remote_rtcp?;
        match rtp {
            // Behind a NAT the described address leads nowhere.
            Some(rtp) if settings.remote_rtp != Some(rtp) => {
                Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
            }
            _ => Some(described),
        }
    }

    /// Sends a report, with BYE as the last word.
    pub fn send_rtcp(&mut self, now: Instant, ntp: u64, bye: bool, out: &mut Transmits) {
        let heard = self.reception.ssrc;
        if self.statistics.packets_sent == 0 && heard.is_none() {
            return;
        }
        let (Some(to), Some(format)) = (self.rtcp_address(), self.send_format()) else {
            return;
        };
        let sender = (self.statistics.packets_sent > 0).then(|| SenderInfo {
            ntp,
            timestamp: self.timestamp_at(now, format.clock_rate),
            packets: self.statistics.packets_sent as u32,
            bytes: self.statistics.bytes_sent as u32,
        });
        let block = heard.map(|ssrc| {
            let (fraction_lost, lost, highest) = self.reception.report();
            let (last_sr, delay) = self.last_sr.map_or((0, 0), |(ntp, at)| {
                (
                    ntp,
                    (now.saturating_duration_since(at).as_micros() * 65536 / 1_000_000) as u32,
                )
            });
            ReportBlock {
                ssrc,
                fraction_lost,
                lost,
                highest,
                jitter: self.reception.jitter(),
                last_sr,
                delay,
            }
        });
        let (ssrc, cname, srtp) = (self.ssrc, &self.cname, &mut self.srtp_send);
        out.add(self.id, to, |bytes, start| {
            rtcp::print(ssrc, cname, sender, block, bye, bytes);
            srtp.as_mut()
                .is_none_or(|srtp| srtp.protect_rtcp(bytes, start).is_ok())
        });
    }

    /// Takes a compound; true if the peer says goodbye.
    pub fn hear_rtcp(&mut self, now: Instant, ntp: u64, bytes: &[u8]) -> bool {
        let mut bye = false;
        let (ours, theirs) = (self.ssrc, self.reception.ssrc);
        rtcp::parse(bytes, |item| match item {
            rtcp::Item::Sender { ntp, .. } => self.last_sr = Some((ntp, now)),
            rtcp::Item::Block(block) if block.ssrc == ours => {
                self.statistics.remote_loss = Some(f32::from(block.fraction_lost) / 256.0);
                if block.last_sr != 0 {
                    // RFC 3550 section 6.4.1: A - LSR - DLSR.
                    let trip = ((ntp >> 16) as u32)
                        .wrapping_sub(block.last_sr)
                        .wrapping_sub(block.delay);
                    if trip < 60 << 16 {
                        self.statistics.rtt_ms = Some(trip as f32 * 1000.0 / 65536.0);
                    }
                }
            }
            rtcp::Item::Bye(ssrc) => bye |= theirs.is_none_or(|theirs| theirs == ssrc),
            rtcp::Item::Block(_) => {}
        });
        bye
    }

    /// The figures as of now.
    pub fn statistics(&self) -> Statistics {
        let clock = self.receiving.map_or(8000, |format| format.clock_rate);
        let jitter_ms = self.reception.jitter() as f32 * 1000.0 / clock as f32;
        let lost = self.reception.lost();
        let expected = self.reception.expected_total();
        let loss = if expected == 0 {
            0.0
        } else {
            100.0 * lost as f32 / expected as f32
        };
        Statistics {
            packets_lost: lost,
            jitter_ms,
            mos: mos(self.statistics.rtt_ms.unwrap_or(0.0), jitter_ms, loss),
            ..self.statistics
        }
    }
}

/// RMS of comfort noise, whose payload begins with it in -dBov (RFC 3389 section 3). The spectrum
/// that may follow is left out: the noise is white.
fn noise_level(payload: &[u8]) -> i16 {
    let level = f32::from(payload.first().copied().unwrap_or(127).min(127));
    (32767.0 * 10f32.powf(-level / 20.0)) as i16
}

/// The last frame once more, fainter each time.
fn conceal(last: &[i16], run: u32, frame: usize, pcm: &mut Vec<i16>) {
    if last.len() != frame || run > CONCEALED {
        pcm.resize(pcm.len() + frame, 0);
        return;
    }
    let (from, to) = ((CONCEALED + 1 - run) as i32, (CONCEALED - run) as i32);
    let scale = |i: usize| {
        (from * (frame - i) as i32 + to * i as i32) as f32 / (frame as f32 * CONCEALED as f32)
    };
    pcm.extend(
        last.iter()
            .enumerate()
            .map(|(i, &sample)| (f32::from(sample) * scale(i)) as i16),
    );
}

/// A simplified E-model (ITU-T G.107): delay and loss cost quality.
fn mos(rtt_ms: f32, jitter_ms: f32, loss_percent: f32) -> f32 {
    let latency = rtt_ms / 2.0 + jitter_ms * 2.0 + 10.0;
    let delay = if latency < 160.0 {
        latency / 40.0
    } else {
        (latency - 120.0) / 10.0
    };
    let r = (93.2 - delay - loss_percent * 2.5).clamp(0.0, 93.2);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_falls_with_loss_and_delay() {
        assert!(mos(0.0, 0.0, 0.0) > 4.3);
        assert!(mos(40.0, 5.0, 5.0) < mos(40.0, 5.0, 1.0));
        assert!(mos(800.0, 5.0, 0.0) < 3.7);
        assert!((1.0..1.2).contains(&mos(2000.0, 100.0, 50.0)));
    }

    #[test]
    fn concealment_fades_to_silence() {
        let mut pcm = Vec::new();
        for run in 1..=6 {
            conceal(&[1000; 160], run, 160, &mut pcm);
        }
        assert_eq!(pcm[0], 1000);
        assert!(pcm.windows(2).all(|pair| pair[1] <= pair[0]));
        assert_eq!(pcm[800..], [0; 160]);
    }
}
