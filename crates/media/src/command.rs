//! What the owner of a media thread may ask of it: plain values, so that they can cross a channel.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::codec::Format;
use crate::rtp::srtp::Suite;
use crate::sound::Sound;
use crate::tone::Tone;

/// One leg's media inside an engine. The number is chosen by the caller and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u64);

/// One playback. The number is chosen by the caller and comes back in the event that ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybackId(pub u64);

/// One recording. The number is chosen by the caller and comes back with the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId(pub u64);

/// An order to the engine. Orders about a port that is not open do nothing, except that what
/// was to be played or recorded is reported as ended at once.
#[derive(Debug, Clone)]
pub enum Command {
    /// Makes a port. It neither sends nor hears until it is configured.
    OpenPort {
        /// The new port.
        port: PortId,
        /// Synchronisation source of everything it sends (RFC 3550 section 5.1).
        ssrc: u32,
        /// Canonical name for RTCP SDES (RFC 3550 section 6.5.1).
        cname: String,
    },
    /// Sets what the offer and answer settled on; again after each re-INVITE.
    Configure {
        /// The port.
        port: PortId,
        /// The outcome of negotiation.
        settings: Box<PortSettings>,
    },
    /// Keeps the way to the peer open from now on, the call being answered: the port begins with a
    /// few frames of silence unless it has more to say, and never falls silent for longer than a
    /// second. A peer behind a NAT, or one that waits to learn where we are, hears from us even
    /// during a `Pause` (RFC 6263 section 4).
    KeepOpen {
        /// The port.
        port: PortId,
    },
    /// Ends the port: running playbacks and recordings end with their events, RTCP BYE is sent.
    ClosePort {
        /// The port.
        port: PortId,
    },
    /// Plays a source after everything already queued on the port.
    Play {
        /// The port that will speak.
        port: PortId,
        /// Name of this playback.
        playback: PlaybackId,
        /// What is played.
        source: Source,
        /// How many times; 0 repeats until stopped.
        loops: u32,
    },
    /// Stops one playback, queued or running.
    StopPlayback {
        /// The port.
        port: PortId,
        /// The playback.
        playback: PlaybackId,
    },
    /// Lets two ports hear each other. Each leaves the bridge it was in.
    Bridge {
        /// One side.
        a: PortId,
        /// The other side.
        b: PortId,
    },
    /// Takes a port, and with it its partner, out of the bridge; also ends an echo.
    Unbridge {
        /// Either side.
        port: PortId,
    },
    /// Lets a port hear itself.
    Echo {
        /// The port.
        port: PortId,
    },
    /// Starts recording.
    Record {
        /// The port.
        port: PortId,
        /// Name of this recording.
        recording: RecordingId,
        /// Which side is kept.
        direction: RecordDirection,
        /// Longest length; the recording ends by itself then.
        max: Duration,
        /// Ends the recording after this much silence from the remote side; `None` never does.
        silence: Option<Duration>,
    },
    /// Ends a recording.
    StopRecord {
        /// The port.
        port: PortId,
        /// The recording.
        recording: RecordingId,
    },
    /// Listens for DTMF tones inside the audio; for peers without telephone-event.
    DetectDtmf {
        /// The port.
        port: PortId,
        /// Whether to listen.
        on: bool,
    },
    /// Asks for an [`crate::Event::Statistics`].
    Statistics {
        /// The port.
        port: PortId,
    },
}

/// What a playback plays.
#[derive(Debug, Clone)]
pub enum Source {
    /// Recorded or synthesised sound of any sample rate.
    Pcm(Arc<Sound>),
    /// A call progress tone; one round is one cadence.
    Tone(Tone),
    /// DTMF digits `0-9 A-D * #`, with `w` a pause of 0.5 s and `W` one of 1 s. Other characters
    /// are skipped. Sent as RFC 4733 events when negotiated, else as tones.
    Digits(String),
    /// Silence of this length. Packets are sent.
    Silence(Duration),
}

/// Which side of a port a recording keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordDirection {
    /// What the remote side says.
    Heard,
    /// What is sent to the remote side.
    Spoken,
    /// Both, mixed into one channel.
    Both,
    /// Both, on two channels: the remote side left, what is sent to it right.
    Dual,
}

/// A format with the payload type it was given in the session description.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PayloadFormat {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The codec.
    pub format: Format,
}

/// Direction of the stream as seen from here (RFC 3264 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// We only send.
    SendOnly,
    /// We only receive.
    ReceiveOnly,
    /// Neither: on hold.
    Inactive,
}

impl Direction {
    /// Whether packets may be sent.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::SendOnly)
    }

    /// Whether packets are listened to.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::ReceiveOnly)
    }
}

/// From whom packets are taken, and where answers to a peer behind a NAT go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latching {
    /// Only the address of the session description, ever.
    DescriptionOnly,
    /// The description's address first; else one other address that is learnt once, only within
    /// `window` after `Configure`, and then kept. A source at the `expected` address (where the
    /// signalling came from) is believed before any other.
    Learn {
        /// How long learning is possible.
        window: Duration,
        /// Address of the signalling peer, if known.
        expected: Option<IpAddr>,
    },
}

impl Default for Latching {
    fn default() -> Self {
        Latching::Learn {
            window: Duration::from_secs(3),
            expected: None,
        }
    }
}

/// SDES keys (RFC 4568): 16 bytes of master key followed by 14 bytes of master salt.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Cipher suite of both directions.
    pub suite: Suite,
    /// Key and salt we encrypt with: those of our own `a=crypto` line.
    pub send: [u8; 30],
    /// Key and salt we decrypt with: those of the peer's `a=crypto` line.
    pub receive: [u8; 30],
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys never reach a log.
        write!(f, "SrtpKeys({:?})", self.suite)
    }
}

/// What offer and answer settled on for one port.
#[derive(Debug, Clone, PartialEq)]
pub struct PortSettings {
    /// Where the peer wants RTP. `None` until known; then nothing is sent before latching.
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP. `None` with rtcp-mux (RFC 5761) means the RTP address,
    /// otherwise no RTCP is sent.
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether RTP and RTCP share an address (RFC 5761).
    pub rtcp_mux: bool,
    /// What we send.
    pub send: PayloadFormat,
    /// What we understand.
    pub receive: Vec<PayloadFormat>,
    /// Payload type of telephone-event (RFC 4733) we may send.
    pub telephone_event_send: Option<u8>,
    /// Payload type of telephone-event we announced to receive.
    pub telephone_event_receive: Option<u8>,
    /// Payload type of comfort noise (RFC 3389) we may pass on; what reaches us as noise is
    /// otherwise made into sound first.
    pub comfort_noise_send: Option<u8>,
    /// Payload type of comfort noise in what we receive; 13 by static assignment, which some peers
    /// send without having said so.
    pub comfort_noise_receive: Option<u8>,
    /// Sound in one packet we send. Rounded down to a multiple of 20 ms, between 20 and 60 ms.
    pub ptime: Duration,
    /// Most bits per second that the peer wants on average, where the codec has a choice
    /// (`maxaveragebitrate`, RFC 7587 section 6.1).
    pub max_bitrate: Option<u32>,
    /// Whether the peer can repair a lost packet from the one after it (`useinbandfec`).
    pub fec: bool,
    /// Direction of the stream.
    pub direction: Direction,
    /// Keys, when the stream is SRTP. Once set, plain packets are never accepted again.
    pub srtp: Option<SrtpKeys>,
    /// Where packets are taken from.
    pub latching: Latching,
}

impl PortSettings {
    /// Plain settings for one codec both ways with its static payload type, everything else at
    /// its default.
    pub fn new(remote_rtp: SocketAddr, payload: PayloadFormat) -> Self {
        PortSettings {
            remote_rtp: Some(remote_rtp),
            remote_rtcp: None,
            rtcp_mux: true,
            send: payload,
            receive: vec![payload],
            telephone_event_send: None,
            telephone_event_receive: None,
            comfort_noise_send: None,
            comfort_noise_receive: Some(13),
            ptime: Duration::from_millis(20),
            max_bitrate: None,
            fec: true,
            direction: Direction::SendReceive,
            srtp: None,
            latching: Latching::default(),
        }
    }
}
