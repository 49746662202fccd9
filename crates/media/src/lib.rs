//! Sound in real time: RTP, codecs, playback, tones. No sockets, no clocks, no tasks.
//!
//! # The route of one packet
//!
//! The owner of the sockets passes a datagram to [`Engine::handle_packet`]. There
//!
//! 1. `rtp::packet` tells RTP from RTCP; `rtp::srtp` checks and decrypts it in place;
//! 2. `latch` decides whether it comes from the peer;
//! 3. `rtp::sequence` counts it; `rtp::telephone_event` takes keys out of it;
//! 4. if the port is bridged to one that sends the same codec, and nothing is played or kept
//!    there, it is renumbered and copied into the outgoing buffer: its way ends here;
//! 5. otherwise, if someone listens, it waits in `rtp::jitter` for [`Engine::tick`], which every
//!    20 ms has each busy port decode and conceal (`port`), detect (`detect`), play (`player`) or
//!    relay its partner's sound (`resample`), encode and send, and keep both sides (`recorder`).
//!
//! [`Engine::drain_transmits`] hands out what is to be sent, [`Engine::poll_event`] what happened.
//! Ports without anything to do in a tick are not looked at.
#![forbid(unsafe_code)]

pub mod aiff;
pub mod au;
pub mod codec;
mod command;
pub mod detect;
mod engine;
mod event;
mod latch;
pub mod mp3;
mod pcm;
mod player;
mod port;
mod port_map;
mod recorder;
pub mod resample;
pub mod rtp;
mod sound;
pub mod tone;
mod transmit;
pub mod wav;

pub use codec::Format;
pub use command::{
    Command, Direction, Latching, PayloadFormat, PlaybackId, PortId, PortSettings, RecordDirection,
    RecordingId, Source, SrtpKeys,
};
pub use engine::{Config, Engine, Moved};
pub use event::{DigitSource, Event, PlaybackEnd, RecordingEnd, Statistics};
pub use port_map::PortMap;
pub use rtp::srtp::Suite;
pub use sound::Sound;
pub use tone::Tone;
pub use wav::Unplayable;
