//! Listening for something in sound.

pub mod dtmf;
pub mod silence;
