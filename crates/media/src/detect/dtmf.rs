//! DTMF inside the audio (ITU-T Q.23, Q.24) by Goertzel filters over 20 ms, every 10 ms.

use std::f32::consts::TAU;

use crate::tone::{DTMF_COLUMNS, DTMF_KEYS, DTMF_ROWS};

/// Share of a frame's energy the two tones must hold; speech spreads over more.
const PURITY: f32 = 0.88;
/// The same before the exact frequency is looked for.
const FIRST_PURITY: f32 = 0.5;
/// Q.24 asks to hear digits up to 1.5 % off.
const TOLERANCE: f32 = 0.015;
/// The strongest of a group must exceed the others by 8 dB.
const DOMINANCE: f32 = 6.3;
/// Columns may be louder than rows by 4 dB, rows than columns by 8 dB (Q.24 table A-1).
const TWIST_COLUMN: f32 = 2.5;
const TWIST_ROW: f32 = 6.3;
/// Mean square below which nothing is looked for, about -45 dBov.
const LEAST_POWER: f32 = 34_000.0;
/// Windows that must agree before a digit counts: sound of at least 40 ms.
const BEGIN: u32 = 3;
/// Windows without the digit that end it.
const END: u32 = 2;

/// A detector for one stream.
#[derive(Debug, Clone)]
pub struct Dtmf {
    /// Samples of 10 ms.
    hop: usize,
    /// Radians a sample, and filter coefficient, of each frequency.
    angles: [f32; 8],
    coefficients: [f32; 8],
    /// The last 20 ms.
    window: Vec<i16>,
    candidate: Option<char>,
    run: u32,
    held: Option<char>,
    held_windows: u32,
    missing: u32,
}

impl Dtmf {
    /// A detector for sound of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let mut angles = [0.0; 8];
        for (angle, hz) in angles.iter_mut().zip(DTMF_ROWS.iter().chain(&DTMF_COLUMNS)) {
            *angle = TAU * f32::from(*hz) / rate as f32;
        }
        let coefficients = angles.map(|angle| 2.0 * angle.cos());
        let hop = rate as usize / 100;
        Dtmf {
            hop,
            angles,
            coefficients,
            window: Vec::with_capacity(hop * 4),
            candidate: None,
            run: 0,
            held: None,
            held_windows: 0,
            missing: 0,
        }
    }

    /// Takes sound of any length. The answer is a digit that has ended, with its length in ms.
    pub fn hear(&mut self, samples: &[i16]) -> Option<(char, u32)> {
        let mut ended = None;
        for chunk in samples.chunks(self.hop) {
            self.window.extend_from_slice(chunk);
            if self.window.len() >= self.hop * 2 {
                let found = self.look();
                self.window.drain(..self.hop);
                ended = self.judge(found).or(ended);
            }
        }
        ended
    }

    fn judge(&mut self, found: Option<char>) -> Option<(char, u32)> {
        if found.is_some() && found == self.candidate {
            self.run += 1;
        } else {
            self.candidate = found;
            self.run = u32::from(found.is_some());
        }
        if let Some(digit) = self.held {
            if found == Some(digit) {
                self.held_windows += 1 + self.missing;
                self.missing = 0;
                return None;
            }
            self.missing += 1;
            if self.missing < END {
                return None;
            }
            self.held = None;
            return Some((digit, (self.held_windows + 1) * 10));
        }
        if self.run >= BEGIN {
            self.held = self.candidate;
            self.held_windows = self.run;
            self.missing = 0;
        }
        None
    }

    fn look(&self) -> Option<char> {
        let window = &self.window[..self.hop * 2];
        // A product of two samples fits, and so do the 640 of the highest rate.
        let energy: i64 = window.iter().map(|&s| i64::from(i32::from(s).pow(2))).sum();
        let (energy, n) = (energy as f32, window.len() as f32);
        if energy < LEAST_POWER * n {
            return None;
        }
        let power = goertzel(window, self.coefficients);
        let row = strongest(&power[..4])?;
        let column = strongest(&power[4..])?;
        let (low, high) = (power[row], power[4 + column]);
        if high > low * TWIST_COLUMN || low > high * TWIST_ROW {
            return None;
        }
        // A pure sine of n samples has power energy * n / 2.
        if (low + high) * 2.0 / n < FIRST_PURITY * energy {
            return None;
        }
        let exact = |at: usize| {
            let off = |part: f32| 2.0 * (self.angles[at] * part).cos();
            let [below, above] = goertzel(window, [off(1.0 - TOLERANCE), off(1.0 + TOLERANCE)]);
            below.max(above)
        };
        let (low, high) = (low.max(exact(row)), high.max(exact(4 + column)));
        if (low + high) * 2.0 / n < PURITY * energy {
            return None;
        }
        Some(DTMF_KEYS[row][column])
    }
}

/// Power at each of some frequencies. All filters take a sample together: each has to wait for its own
/// last step, which costs as much for one as for as many as the processor computes at once.
fn goertzel<const N: usize>(window: &[i16], coefficients: [f32; N]) -> [f32; N] {
    let (mut s1, mut s2) = ([0.0f32; N], [0.0f32; N]);
    for &sample in window {
        let sample = f32::from(sample);
        for at in 0..N {
            let s0 = sample - s2[at] + coefficients[at] * s1[at];
            (s2[at], s1[at]) = (s1[at], s0);
        }
    }
    std::array::from_fn(|at| s1[at] * s1[at] + s2[at] * s2[at] - coefficients[at] * s1[at] * s2[at])
}

/// The one that exceeds all others by far.
fn strongest(group: &[f32]) -> Option<usize> {
    let best = (0..group.len()).max_by(|&a, &b| group[a].total_cmp(&group[b]))?;
    let clear = group
        .iter()
        .enumerate()
        .all(|(i, &power)| i == best || power * DOMINANCE < group[best]);
    clear.then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Oscillator;

    fn digits(detector: &mut Dtmf, sound: &[i16]) -> Vec<(char, u32)> {
        sound
            .chunks(160)
            .filter_map(|frame| detector.hear(frame))
            .collect()
    }

    fn keyed(rate: u32, keys: &str, on_ms: u32, off_ms: u32) -> Vec<i16> {
        let mut sound = vec![0; rate as usize / 30];
        for key in keys.chars() {
            let mut tone = vec![0; (rate * on_ms / 1000) as usize];
            Oscillator::default().dtmf(key, rate, &mut tone);
            sound.extend(tone);
            sound.extend(vec![0; (rate * off_ms / 1000) as usize]);
        }
        sound
    }

    #[test]
    fn all_keys_at_both_rates() {
        for rate in [8000, 16000] {
            let heard = digits(
                &mut Dtmf::new(rate),
                &keyed(rate, "0123456789*#ABCD1155", 80, 80),
            );
            let text: String = heard.iter().map(|(digit, _)| *digit).collect();
            assert_eq!(text, "0123456789*#ABCD1155");
            assert!(
                heard.iter().all(|(_, ms)| (60..=100).contains(ms)),
                "{heard:?}"
            );
        }
    }

    #[test]
    fn short_bursts_are_no_digits_fifty_milliseconds_are() {
        assert_eq!(
            digits(&mut Dtmf::new(8000), &keyed(8000, "159", 20, 100)),
            []
        );
        assert_eq!(
            digits(&mut Dtmf::new(8000), &keyed(8000, "159", 50, 50)).len(),
            3
        );
    }

    fn pair(low: f32, high: f32, low_hz: f32, high_hz: f32) -> Vec<i16> {
        let mut sound: Vec<i16> = (0..800)
            .map(|i| {
                let t = i as f32 / 8000.0;
                ((TAU * low_hz * t).sin() * low + (TAU * high_hz * t).sin() * high) as i16
            })
            .collect();
        sound.extend([0; 800]);
        sound
    }

    #[test]
    fn twist_and_frequency_limits() {
        let heard = |low, high, low_hz, high_hz| {
            digits(&mut Dtmf::new(8000), &pair(low, high, low_hz, high_hz)).len()
        };
        assert_eq!(heard(8000.0, 8000.0, 697.0, 1209.0), 1);
        // 3 dB either way passes, 15 dB does not.
        assert_eq!(heard(8000.0, 5660.0, 697.0, 1209.0), 1);
        assert_eq!(heard(5660.0, 8000.0, 697.0, 1209.0), 1);
        assert_eq!(heard(8000.0, 1420.0, 697.0, 1209.0), 0);
        assert_eq!(heard(1420.0, 8000.0, 697.0, 1209.0), 0);
        // 1.5 % off must be heard (Q.24); one tone alone is no digit.
        assert_eq!(heard(8000.0, 8000.0, 697.0 * 1.015, 1209.0 * 0.985), 1);
        assert_eq!(heard(8000.0, 0.0, 697.0, 1209.0), 0);
    }

    /// Ten minutes of something like speech: harmonics of a wandering pitch through wandering
    /// formants, in syllables, with breath noise.
    #[test]
    fn speech_is_not_taken_for_digits() {
        let mut detector = Dtmf::new(8000);
        let mut state = 12345u32;
        let mut chance = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        let mut false_digits = 0;
        for _syllable in 0..3000 {
            let pitch = 90.0 + 160.0 * chance();
            let formants = [
                300.0 + 600.0 * chance(),
                900.0 + 1400.0 * chance(),
                2400.0 + 800.0 * chance(),
            ];
            let breath = 200.0 + 600.0 * chance();
            let glide = 1.0 + 0.2 * (chance() - 0.5);
            let mut sound = vec![0i16; 1600];
            let mut phase = 0.0f32;
            for (i, sample) in sound.iter_mut().enumerate() {
                let at = i as f32 / 1600.0;
                phase += pitch * (1.0 + (glide - 1.0) * at) / 8000.0;
                let envelope = (at * 6.0).min(1.0) * ((1.0 - at) * 4.0).min(1.0);
                let mut value = 0.0;
                for harmonic in 1..16 {
                    let hz = pitch * harmonic as f32;
                    let gain: f32 = formants
                        .iter()
                        .map(|f| 1.0 / (1.0 + ((hz - f) / 90.0).powi(2)))
                        .sum();
                    value += gain * (TAU * (phase * harmonic as f32).fract()).sin();
                }
                *sample = (envelope * (value * 4000.0 + (chance() - 0.5) * breath))
                    .clamp(-32768.0, 32767.0) as i16;
            }
            false_digits += digits(&mut detector, &sound).len();
        }
        assert_eq!(false_digits, 0);
    }
}
