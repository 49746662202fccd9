//! What the engine reports.

use std::net::SocketAddr;
use std::time::Duration;

use crate::command::{PlaybackId, PortId, RecordingId};
use crate::sound::Sound;

/// Something that happened on a port.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A playback is over. Every `Play` gets exactly one of these.
    PlaybackEnded {
        /// The port.
        port: PortId,
        /// The playback.
        playback: PlaybackId,
        /// Why it is over.
        reason: PlaybackEnd,
    },
    /// The remote side pressed a key; reported when the key is released.
    Digit {
        /// The port.
        port: PortId,
        /// `0-9 A-D * #`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
        /// How it was heard.
        source: DigitSource,
    },
    /// A recording is over. Every `Record` gets exactly one of these.
    RecordingEnded {
        /// The port.
        port: PortId,
        /// The recording.
        recording: RecordingId,
        /// Why it is over.
        reason: RecordingEnd,
        /// What was recorded; the remote side alone or the mix. Empty if nothing was.
        sound: Sound,
        /// The second channel of [`crate::RecordDirection::Dual`], as long as `sound`.
        spoken: Option<Sound>,
        /// How much silence `sound` ends with; a caller that trims cuts this much.
        trailing_silence: Duration,
    },
    /// The port now sends to, and hears only, this address.
    Latched {
        /// The port.
        port: PortId,
        /// The address.
        address: SocketAddr,
    },
    /// The first packet of the remote side after `Configure` was accepted.
    FirstPacket {
        /// The port.
        port: PortId,
    },
    /// Nothing was heard for the configured time although the direction says it should be.
    /// Reported once for each stretch of silence.
    MediaTimeout {
        /// The port.
        port: PortId,
    },
    /// The peer said RTCP BYE.
    Bye {
        /// The port.
        port: PortId,
    },
    /// Answer to a request for statistics, and the last word of a closed port.
    Statistics {
        /// The port.
        port: PortId,
        /// The figures.
        statistics: Statistics,
    },
}

/// Why a playback is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaybackEnd {
    /// It was played to its end.
    Finished,
    /// It was stopped, or its port was closed or never open.
    Stopped,
}

/// Why a recording is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingEnd {
    /// It was stopped.
    Stopped,
    /// It reached its greatest length.
    MaxLength,
    /// The remote side was silent for the agreed time.
    Silence,
    /// The port was closed or never open.
    Closed,
}

/// How a digit was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigitSource {
    /// As an RFC 4733 event.
    TelephoneEvent,
    /// As a tone in the audio.
    InBand,
}

/// Figures of one port since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// RTP packets accepted.
    pub packets_received: u64,
    /// Payload bytes accepted.
    pub bytes_received: u64,
    /// Packets expected but not received (RFC 3550 A.3); never below 0.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Packets refused: wrong source, unparsable, bad authentication or replayed.
    pub packets_rejected: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 A.8).
    pub jitter_ms: f32,
    /// Round trip in milliseconds, once an RTCP report has allowed to measure it.
    pub rtt_ms: Option<f32>,
    /// Loss the peer last reported about our stream, 0.0 to 1.0.
    pub remote_loss: Option<f32>,
    /// Estimated mean opinion score of what is heard, 1.0 to 4.4 (simplified ITU-T G.107).
    pub mos: f32,
}
