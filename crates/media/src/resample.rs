//! From one sample rate to another by a polyphase Kaiser-windowed low-pass filter.

/// Zero crossings of the filter on each side, counted at the slower of the two rates. 16 keep
/// 3.4 kHz and stop what would fold back from 4.6 kHz.
const ZERO_CROSSINGS: usize = 16;
/// Kaiser shape: about 70 dB of stop-band attenuation.
const BETA: f64 = 7.0;
/// Most steps in one period of the two rates: it bounds the filter, which the files of strangers
/// choose. All rates in use stay below it (44.1 kHz to 8 kHz has 441); odder ones are rounded,
/// by less than 1 % even at 384 kHz.
const MOST_STEPS: usize = 4_000;

/// A stream being converted; keeps the tail of what it has seen.
#[derive(Debug, Clone)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// Taps of one phase.
    taps: usize,
    /// `up` phases of `taps` coefficients, each in the order of the history.
    phases: Vec<f32>,
    history: Vec<f32>,
    /// Where the next output lies, counted in 1/`up` input samples from the history's start.
    position: usize,
}

impl Resampler {
    /// A converter between two rates in Hz. Both must be at least 1.
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1) as usize, to.max(1) as usize);
        let divisor = gcd(from, to);
        let (mut up, mut down) = (to / divisor, from / divisor);
        let steps = up.max(down);
        if steps > MOST_STEPS {
            let rounded = |part: usize| ((part * MOST_STEPS + steps / 2) / steps).max(1);
            (up, down) = (rounded(up), rounded(down));
        }
        if up == down {
            return Resampler {
                up,
                down,
                taps: 0,
                phases: Vec::new(),
                history: Vec::new(),
                position: 0,
            };
        }
        let slower = up.max(down);
        let half = ZERO_CROSSINGS * slower;
        let taps = (2 * half).div_ceil(up);
        let cutoff = 0.93 / slower as f64;
        let mut phases = vec![0.0f32; up * taps];
        for phase in 0..up {
            let mut sum = 0.0;
            for tap in 0..taps {
                // Distance of this input sample from the output, in steps of the common rate.
                let x = (phase as f64 + (taps - 1 - tap) as f64 * up as f64) - half as f64;
                let inside = 1.0 - (x / half as f64).powi(2);
                let value = if inside <= 0.0 {
                    0.0
                } else {
                    let sinc = if x == 0.0 {
                        1.0
                    } else {
                        let angle = std::f64::consts::PI * x * cutoff;
                        angle.sin() / angle
                    };
                    sinc * bessel_i0(BETA * inside.sqrt()) / bessel_i0(BETA)
                };
                phases[phase * taps + tap] = value as f32;
                sum += value;
            }
            // Each phase passes a constant unchanged, so no phase can be heard as a whistle.
            for tap in &mut phases[phase * taps..(phase + 1) * taps] {
                *tap = (f64::from(*tap) / sum) as f32;
            }
        }
        Resampler {
            up,
            down,
            taps,
            phases,
            history: vec![0.0; taps - 1],
            position: (taps - 1) * up,
        }
    }

    /// Converts `input` and appends the result. Keeps exact time: over a whole number of
    /// periods the number of samples is exactly in proportion.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.up == self.down {
            out.extend_from_slice(input);
            return;
        }
        self.history
            .extend(input.iter().map(|&sample| f32::from(sample)));
        loop {
            let newest = self.position / self.up;
            if newest >= self.history.len() {
                break;
            }
            let phase = self.position % self.up;
            let window = &self.history[newest + 1 - self.taps..=newest];
            let coefficients = &self.phases[phase * self.taps..(phase + 1) * self.taps];
            let sum: f32 = window.iter().zip(coefficients).map(|(a, b)| a * b).sum();
            out.push(sum.round().clamp(-32768.0, 32767.0) as i16);
            self.position += self.down;
        }
        let drop = (self.position / self.up + 1)
            .saturating_sub(self.taps)
            .min(self.history.len());
        self.history.drain(..drop);
        self.position -= drop * self.up;
    }

    /// Delay of the filter in output samples.
    pub fn delay(&self) -> usize {
        if self.up == self.down {
            0
        } else {
            ZERO_CROSSINGS * self.up.max(self.down) / self.down
        }
    }

    /// Input samples needed after the end to bring out everything that went in.
    pub fn flush_len(&self) -> usize {
        self.taps + 1
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Modified Bessel function of the first kind, order 0.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::Sound;

    fn sine(rate: u32, hz: f64, n: usize) -> Vec<i16> {
        (0..n)
            .map(|i| {
                ((std::f64::consts::TAU * hz * i as f64 / f64::from(rate)).sin() * 10000.0) as i16
            })
            .collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    #[test]
    fn odd_rates_do_not_make_huge_filters() {
        // Found by fuzzing: 12 million coefficients, most of a second of the media thread.
        for (from, to) in [(383_999, 8_000), (1_001, 48_000), (44_101, 16_000)] {
            let mut resampler = Resampler::new(from, to);
            assert!(resampler.phases.len() <= (2 * ZERO_CROSSINGS + 1) * MOST_STEPS);
            let mut out = Vec::new();
            resampler.process(&vec![0; from as usize], &mut out);
            let wrong = (out.len() as f64 / f64::from(to) - 1.0).abs();
            assert!(wrong < 0.01, "{from} to {to}: {} samples", out.len());
        }
    }

    #[test]
    fn frames_keep_exact_length() {
        for (from, to) in [(8000, 16000), (16000, 8000), (48000, 8000)] {
            let mut resampler = Resampler::new(from, to);
            for _ in 0..10 {
                let mut out = Vec::new();
                resampler.process(&vec![0; from as usize / 50], &mut out);
                assert_eq!(out.len(), to as usize / 50);
            }
        }
    }

    #[test]
    fn speech_band_passes_and_aliases_do_not() {
        for (hz, pass) in [
            (300.0, true),
            (1000.0, true),
            (3000.0, true),
            (3400.0, true),
            (4700.0, false),
            (7000.0, false),
            (12000.0, false),
        ] {
            let sound = Sound::new(48000, sine(48000, hz, 48000)).resampled(8000);
            let level = 20.0 * (rms(&sound.samples[800..7200]).max(0.001) / 7071.0).log10();
            if pass {
                assert!(level > -1.0, "{hz} Hz came out at {level} dB");
            } else {
                assert!(level < -45.0, "{hz} Hz folded back at {level} dB");
            }
        }
    }

    #[test]
    fn waveform_is_not_shifted() {
        let original = sine(8000, 440.0, 8000);
        for rate in [16000, 44100, 11025] {
            let round = Sound::new(8000, original.clone())
                .resampled(rate)
                .resampled(8000);
            let error: Vec<i16> = original[500..7000]
                .iter()
                .zip(&round.samples[500..7000])
                .map(|(a, b)| a - b)
                .collect();
            assert!(rms(&error) < 300.0, "{rate}: error {}", rms(&error));
        }
    }
}
