//! Sound in real time: RTP, codecs, playback, tones. No sockets, no tasks.
#![forbid(unsafe_code)]

pub mod codec;
mod command;
pub mod detect;
mod engine;
mod event;
mod latch;
mod player;
mod port;
mod recorder;
pub mod resample;
pub mod rtp;
mod sound;
pub mod tone;
mod transmit;

pub use codec::Format;
pub use command::{
    Command, Direction, Latching, PayloadFormat, PlaybackId, PortId, PortSettings, RecordDirection,
    RecordingId, Source, SrtpKeys,
};
pub use engine::{Config, Engine};
pub use event::{DigitSource, Event, PlaybackEnd, RecordingEnd, Statistics};
pub use rtp::srtp::Suite;
pub use sound::Sound;
pub use tone::Tone;
