//! Call progress tones: frequencies and cadences (ITU-T E.180 supplement 2), and DTMF (Q.23).

use std::f32::consts::TAU;

/// A tone that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    /// What it is called, for example `ringback-us`.
    pub name: &'static str,
    /// Stretches of sound and silence, over and over.
    pub cadence: &'static [Part],
}

/// One stretch of a cadence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First frequency in Hz, 0 for silence.
    pub first: u16,
    /// Second frequency in Hz, 0 for none.
    pub second: u16,
    /// Whether the second is no tone of its own but how fast the first swells and ebbs: the
    /// `400×25` of the recommendation.
    pub modulated: bool,
    /// Length in milliseconds.
    pub ms: u32,
}

/// One frequency, or two together.
const fn part(first: u16, second: u16, ms: u32) -> Part {
    Part {
        first,
        second,
        modulated: false,
        ms,
    }
}

/// One frequency that swells and ebbs at another.
const fn modulated(first: u16, by: u16, ms: u32) -> Part {
    Part {
        first,
        second: by,
        modulated: true,
        ms,
    }
}

const fn pause(ms: u32) -> Part {
    part(0, 0, ms)
}

const fn tone(name: &'static str, cadence: &'static [Part]) -> Tone {
    Tone { name, cadence }
}

/// Peak of one sine of a tone: about -16 dBm0 each, as loud as a network's own tones.
const TONE_LEVEL: f32 = 4000.0;
/// How far a modulated tone swells and ebbs, of its level.
const MODULATION: f32 = 0.9;
/// Peak of one sine of a DTMF pair.
const DTMF_LEVEL: f32 = 7000.0;

/// Every tone we know. `<Dial ringTone>` names countries by ISO 3166 code; their tones are those of
/// ITU-T E.180 supplement 2, `us-old` that of the exchanges before the precise tone plan.
#[rustfmt::skip]
pub const TONES: &[Tone] = &[
    tone("ringback-us", &[part(440, 480, 2000), pause(4000)]),
    tone("ringback-at", &[part(420, 0, 1000), pause(5000)]),
    tone("ringback-au", &[modulated(425, 25, 400), pause(200), modulated(425, 25, 400), pause(2000)]),
    tone("ringback-be", &[part(425, 0, 1000), pause(3000)]),
    tone("ringback-bg", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-br", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-ch", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-cl", &[part(400, 0, 1000), pause(3000)]),
    tone("ringback-cn", &[part(450, 0, 1000), pause(4000)]),
    tone("ringback-cz", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-de", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-dk", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-ee", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-es", &[part(425, 0, 1500), pause(3000)]),
    tone("ringback-fi", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-fr", &[part(440, 0, 1500), pause(3500)]),
    tone("ringback-gr", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-hu", &[part(425, 0, 1250), pause(3750)]),
    tone("ringback-il", &[part(400, 0, 1000), pause(3000)]),
    tone("ringback-in", &[modulated(400, 25, 400), pause(200), modulated(400, 25, 400), pause(2000)]),
    tone("ringback-it", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-jp", &[modulated(400, 16, 1000), pause(2000)]),
    tone("ringback-lt", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-mx", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-my", &[part(425, 0, 400), pause(200), part(425, 0, 400), pause(2000)]),
    tone("ringback-nl", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-no", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-nz", &[part(400, 450, 400), pause(200), part(400, 450, 400), pause(2000)]),
    tone("ringback-ph", &[part(425, 480, 1000), pause(4000)]),
    tone("ringback-pl", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-pt", &[part(425, 0, 1000), pause(5000)]),
    tone("ringback-ru", &[part(425, 0, 800), pause(3200)]),
    tone("ringback-se", &[part(425, 0, 1000), pause(5000)]),
    tone("ringback-sg", &[modulated(425, 24, 400), pause(200), modulated(425, 24, 400), pause(2000)]),
    tone("ringback-th", &[part(400, 0, 1000), pause(4000)]),
    tone("ringback-tw", &[part(440, 480, 1000), pause(2000)]),
    tone("ringback-uk", &[part(400, 450, 400), pause(200), part(400, 450, 400), pause(2000)]),
    tone("ringback-us-old", &[modulated(420, 40, 2000), pause(4000)]),
    tone("ringback-ve", &[part(425, 0, 1000), pause(4000)]),
    tone("ringback-za", &[modulated(400, 33, 400), pause(200), modulated(400, 33, 400), pause(2000)]),
    tone("busy", &[part(480, 620, 500), pause(500)]),
    tone("congestion", &[part(480, 620, 250), pause(250)]),
    tone("beep", &[part(1000, 0, 400)]),
];

impl Tone {
    /// The tone of this name.
    pub fn named(name: &str) -> Option<Tone> {
        TONES.iter().find(|tone| tone.name == name).copied()
    }

    /// The ringback of a country by ISO 3166 code in either case, `gb` like `uk`; the US one when
    /// the country is unknown.
    pub fn ringback(country: &str) -> Tone {
        let country = if country.eq_ignore_ascii_case("gb") {
            "uk"
        } else {
            country
        };
        TONES
            .iter()
            .find(|tone| {
                tone.name
                    .strip_prefix("ringback-")
                    .is_some_and(|code| code.eq_ignore_ascii_case(country))
            })
            .copied()
            .unwrap_or(TONES[0])
    }

    /// Length of one round of the cadence in milliseconds.
    pub fn round_ms(&self) -> u32 {
        self.cadence.iter().map(|part| part.ms).sum()
    }
}

/// Two sines whose phases run on from frame to frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Oscillator {
    first: f32,
    second: f32,
}

impl Oscillator {
    /// Fills `out` with a part of a cadence at `rate` Hz.
    pub fn tone(&mut self, part: Part, rate: u32, out: &mut [i16]) {
        if part.modulated {
            // As loud at its height as two tones together.
            self.fill(part.first, part.second, rate, out, |carrier, swell| {
                carrier * TONE_LEVEL * (1.0 + MODULATION * swell)
            });
        } else {
            self.fill(part.first, part.second, rate, out, |first, second| {
                (first + second) * TONE_LEVEL
            });
        }
    }

    /// Fills `out` with the DTMF pair of `digit`; silence if it is none.
    pub fn dtmf(&mut self, digit: char, rate: u32, out: &mut [i16]) {
        let (low, high) = dtmf_pair(digit).unwrap_or((0, 0));
        self.fill(low, high, rate, out, |low, high| (low + high) * DTMF_LEVEL);
    }

    /// Two sines joined; the second is 0 if there is none.
    fn fill(
        &mut self,
        first: u16,
        second: u16,
        rate: u32,
        out: &mut [i16],
        join: impl Fn(f32, f32) -> f32,
    ) {
        if first == 0 {
            out.fill(0);
            *self = Oscillator::default();
            return;
        }
        let step = |frequency| f32::from(frequency) / rate as f32;
        let (step1, step2) = (step(first), step(second));
        for sample in out {
            *sample = join((self.first * TAU).sin(), (self.second * TAU).sin()) as i16;
            self.first = (self.first + step1).fract();
            self.second = (self.second + step2).fract();
        }
    }
}

/// Row frequencies of DTMF in Hz (ITU-T Q.23).
pub const DTMF_ROWS: [u16; 4] = [697, 770, 852, 941];
/// Column frequencies of DTMF in Hz.
pub const DTMF_COLUMNS: [u16; 4] = [1209, 1336, 1477, 1633];
/// The keypad, row by row.
pub const DTMF_KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Row and column frequency of a digit.
pub fn dtmf_pair(digit: char) -> Option<(u16, u16)> {
    let digit = digit.to_ascii_uppercase();
    for (row, keys) in DTMF_KEYS.iter().enumerate() {
        if let Some(column) = keys.iter().position(|&key| key == digit) {
            return Some((DTMF_ROWS[row], DTMF_COLUMNS[column]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (i, tone) in TONES.iter().enumerate() {
            assert_eq!(Tone::named(tone.name), Some(*tone));
            assert!(TONES[..i].iter().all(|other| other.name != tone.name));
            assert_eq!(
                tone.round_ms() % 20,
                0,
                "{} does not end on a frame",
                tone.name
            );
            assert!(tone.cadence.iter().all(|part| part.ms % 10 == 0));
        }
        assert_eq!(Tone::ringback("GB").name, "ringback-uk");
        assert_eq!(Tone::ringback("de").name, "ringback-de");
        assert_eq!(Tone::ringback("??").name, "ringback-us");
    }

    /// How loud one frequency is in `samples` of 8 kHz, in the unit of a sine's peak.
    fn peak(samples: &[i16], hz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, &sample) in samples.iter().enumerate() {
            let angle = std::f64::consts::TAU * hz * i as f64 / 8000.0;
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
        }
        2.0 * re.hypot(im) / samples.len() as f64
    }

    #[test]
    fn a_tone_has_its_frequencies() {
        for (part, frequencies) in [
            (part(440, 0, 1000), &[440][..]),
            (part(425, 480, 1000), &[425, 480]),
            (modulated(400, 25, 1000), &[375, 400, 425]),
        ] {
            let mut out = vec![0; 8000];
            Oscillator::default().tone(part, 8000, &mut out);
            for hz in (300..600).step_by(5) {
                let peak = peak(&out, f64::from(hz));
                if frequencies.contains(&hz) {
                    assert!(peak > 1500.0, "{hz} Hz of {part:?}: {peak}");
                } else {
                    assert!(peak < 20.0, "{hz} Hz of {part:?}: {peak}");
                }
            }
        }
    }

    #[test]
    fn countries_ring_in_their_own_way() {
        let round = |country| Tone::ringback(country).round_ms();
        assert_eq!(
            ["pt", "hu", "ru", "be", "tw", "za"].map(round),
            [6000, 5000, 4000, 4000, 3000, 3000]
        );
        assert_eq!(
            Tone::ringback("us-old").cadence[0],
            modulated(420, 40, 2000)
        );
    }
}
