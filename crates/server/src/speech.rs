//! Speech out: engines that turn text into sound. One file an engine.

pub mod flite;

use media::Sound;

/// Longest text of one `Say`, in characters (contract 4.3; 13521 beyond).
pub const LONGEST: usize = 4096;

/// Turns text into sound. Blocks for as long as it takes (about 1 % of the sound's length), so it
/// is called on a thread for blocking work.
pub trait Speech: Send + Sync {
    /// Speaks `text` in the nearest voice to the one asked for. Never fails for lack of a voice.
    fn speak(&self, text: &str, voice: Option<&str>, language: Option<&str>) -> Sound;
}
