//! Call progress tones: frequencies and cadences (ITU-T E.180 supplement 2), and DTMF (Q.23).

use std::f32::consts::TAU;

/// A tone that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    /// What it is called, for example `ringback-us`.
    pub name: &'static str,
    /// On for / off for, in milliseconds, with up to two frequencies in Hz (0 is none).
    pub cadence: &'static [Part],
}

/// One stretch of a cadence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First frequency in Hz, 0 for silence.
    pub first: u16,
    /// Second frequency in Hz, 0 for none.
    pub second: u16,
    /// Length in milliseconds.
    pub ms: u32,
}

const fn part(first: u16, second: u16, ms: u32) -> Part {
    Part { first, second, ms }
}

/// Peak of one sine of a tone: about -16 dBm0 each, as loud as a network's own tones.
const TONE_LEVEL: f32 = 4000.0;
/// Peak of one sine of a DTMF pair.
const DTMF_LEVEL: f32 = 7000.0;

/// Every tone we know. `<Dial ringTone>` names countries by ISO 3166 code.
pub const TONES: &[Tone] = &[
    Tone {
        name: "ringback-us",
        cadence: &[part(440, 480, 2000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-at",
        cadence: &[part(420, 0, 1000), part(0, 0, 5000)],
    },
    Tone {
        name: "ringback-au",
        cadence: &[
            part(425, 400, 400),
            part(0, 0, 200),
            part(425, 400, 400),
            part(0, 0, 2000),
        ],
    },
    Tone {
        name: "ringback-br",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-ch",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-cn",
        cadence: &[part(450, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-de",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-dk",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-es",
        cadence: &[part(425, 0, 1500), part(0, 0, 3000)],
    },
    Tone {
        name: "ringback-fi",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-fr",
        cadence: &[part(440, 0, 1500), part(0, 0, 3500)],
    },
    Tone {
        name: "ringback-in",
        cadence: &[
            part(400, 425, 400),
            part(0, 0, 200),
            part(400, 425, 400),
            part(0, 0, 2000),
        ],
    },
    Tone {
        name: "ringback-it",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-jp",
        cadence: &[part(400, 415, 1000), part(0, 0, 2000)],
    },
    Tone {
        name: "ringback-mx",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-nl",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-no",
        cadence: &[part(425, 0, 1000), part(0, 0, 4000)],
    },
    Tone {
        name: "ringback-nz",
        cadence: &[
            part(400, 450, 400),
            part(0, 0, 200),
            part(400, 450, 400),
            part(0, 0, 2000),
        ],
    },
    Tone {
        name: "ringback-se",
        cadence: &[part(425, 0, 1000), part(0, 0, 5000)],
    },
    Tone {
        name: "ringback-uk",
        cadence: &[
            part(400, 450, 400),
            part(0, 0, 200),
            part(400, 450, 400),
            part(0, 0, 2000),
        ],
    },
    Tone {
        name: "busy",
        cadence: &[part(480, 620, 500), part(0, 0, 500)],
    },
    Tone {
        name: "congestion",
        cadence: &[part(480, 620, 250), part(0, 0, 250)],
    },
    Tone {
        name: "beep",
        cadence: &[part(1000, 0, 400)],
    },
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
        self.fill(
            f32::from(part.first),
            f32::from(part.second),
            TONE_LEVEL,
            rate,
            out,
        );
    }

    /// Fills `out` with the DTMF pair of `digit`; silence if it is none.
    pub fn dtmf(&mut self, digit: char, rate: u32, out: &mut [i16]) {
        let (low, high) = dtmf_pair(digit).unwrap_or((0, 0));
        self.fill(f32::from(low), f32::from(high), DTMF_LEVEL, rate, out);
    }

    fn fill(&mut self, first: f32, second: f32, level: f32, rate: u32, out: &mut [i16]) {
        if first == 0.0 {
            out.fill(0);
            *self = Oscillator::default();
            return;
        }
        let (step1, step2) = (first / rate as f32, second / rate as f32);
        for sample in out {
            let mut value = (self.first * TAU).sin();
            if second != 0.0 {
                value += (self.second * TAU).sin();
            }
            *sample = (value * level) as i16;
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

    #[test]
    fn a_tone_has_its_frequency() {
        let mut out = vec![0; 8000];
        Oscillator::default().tone(part(440, 0, 1000), 8000, &mut out);
        let crossings = out.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count();
        assert!((878..=882).contains(&crossings), "{crossings}");
    }
}
