//! How long it has been quiet.

/// RMS below which a frame counts as silence: about -40 dBov, above the noise of a quiet line.
const THRESHOLD: i64 = 300;

/// Measures the silence at the end of a stream.
#[derive(Debug, Clone, Default)]
pub struct Silence {
    quiet_ms: u32,
}

impl Silence {
    /// Takes a frame of `ms`; `None` is nothing heard at all. Returns how long it has been quiet.
    pub fn hear(&mut self, frame: Option<&[i16]>, ms: u32) -> u32 {
        if frame.is_none_or(is_silent) {
            self.quiet_ms = self.quiet_ms.saturating_add(ms);
        } else {
            self.quiet_ms = 0;
        }
        self.quiet_ms
    }

    /// How long it has been quiet, in milliseconds.
    pub fn quiet_ms(&self) -> u32 {
        self.quiet_ms
    }
}

/// Whether a frame is silence.
pub fn is_silent(frame: &[i16]) -> bool {
    let sum: i64 = frame
        .iter()
        .map(|&sample| i64::from(sample) * i64::from(sample))
        .sum();
    sum < THRESHOLD * THRESHOLD * frame.len().max(1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_quiet_and_starts_over_at_sound() {
        let mut silence = Silence::default();
        assert_eq!(silence.hear(Some(&[50; 160]), 20), 20);
        assert_eq!(silence.hear(None, 20), 40);
        assert_eq!(silence.hear(Some(&[-3000; 160]), 20), 0);
        assert_eq!(silence.hear(Some(&[]), 20), 20);
    }
}
