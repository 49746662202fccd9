//! Sound as the uncompressed files hold it: the samples of all channels side by side, frame after
//! frame.

use crate::sound::Sound;
use crate::wav::Unplayable;

/// How the samples lie, and what their bytes mean.
pub(crate) struct Layout {
    rate: u32,
    channels: usize,
    width: usize,
    sample: fn(&[u8]) -> i32,
}

impl Layout {
    /// `rate` frames a second of so many `channels`, each sample `width` bytes, of which `sample`
    /// makes 16 bits. Up to eight channels and 1 to 384 kHz are read.
    pub fn new(
        rate: u32,
        channels: usize,
        width: usize,
        sample: fn(&[u8]) -> i32,
    ) -> Result<Layout, Unplayable> {
        if !(1..=8).contains(&channels) || !(1_000..=384_000).contains(&rate) {
            return Err(Unplayable::Unsupported);
        }
        Ok(Layout {
            rate,
            channels,
            width,
            sample,
        })
    }

    /// The channels mixed down to one, of at most `max_samples`.
    pub fn read(&self, data: &[u8], max_samples: usize) -> Result<Sound, Unplayable> {
        let frames = data.chunks_exact(self.width * self.channels);
        if frames.len() > max_samples {
            return Err(Unplayable::TooLong);
        }
        let mixed = |frame: &[u8]| {
            let sum: i32 = frame.chunks_exact(self.width).map(self.sample).sum();
            (sum / self.channels as i32) as i16
        };
        Ok(Sound::new(self.rate, frames.map(mixed).collect()))
    }
}
