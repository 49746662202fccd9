//! A finished piece of sound.

use std::time::Duration;

use crate::resample::Resampler;

/// Mono 16-bit linear sound.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sound {
    /// Samples in one second, in Hz.
    pub rate: u32,
    /// The samples.
    pub samples: Vec<i16>,
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sound({} Hz, {:?})", self.rate, self.duration())
    }
}

impl Sound {
    /// Sound from samples.
    pub fn new(rate: u32, samples: Vec<i16>) -> Self {
        Sound { rate, samples }
    }

    /// How long it takes to play.
    pub fn duration(&self) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(self.rate))
    }

    /// The same sound at another rate. Rates below 1 kHz or above 384 kHz yield empty sound.
    pub fn resampled(&self, rate: u32) -> Sound {
        if rate == self.rate {
            return self.clone();
        }
        let valid = 1_000..=384_000;
        if !valid.contains(&rate) || !valid.contains(&self.rate) {
            return Sound::new(rate, Vec::new());
        }
        let mut resampler = Resampler::new(self.rate, rate);
        let expected =
            (self.samples.len() as u64 * u64::from(rate)).div_ceil(u64::from(self.rate)) as usize;
        let mut samples = Vec::with_capacity(expected + 64);
        for chunk in self.samples.chunks(4096) {
            resampler.process(chunk, &mut samples);
        }
        // The filter's delay is cut off the front and made up for at the end.
        let delay = resampler.delay();
        let flush = vec![0; resampler.flush_len()];
        resampler.process(&flush, &mut samples);
        samples.drain(..delay.min(samples.len()));
        samples.resize(expected, 0);
        Sound::new(rate, samples)
    }

    /// The first `length` of the sound.
    pub fn truncated(mut self, length: Duration) -> Sound {
        let keep = length.as_micros() * u128::from(self.rate) / 1_000_000;
        self.samples
            .truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self
    }
}
