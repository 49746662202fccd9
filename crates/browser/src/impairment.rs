//! A bad network on purpose, for one leg and one direction: what becomes of a datagram. With it the
//! warnings of the SDKs can be provoked (`voice-client.md` 6.5). Chance is passed in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairment {
    /// Percent of the sound packets that get lost.
    pub loss: f64,
    /// How late everything comes, ICE and RTCP included: two directions make a round trip.
    pub delay: Duration,
    /// The mean difference between the delays of two sound packets.
    pub jitter: Duration,
    /// No sound packet comes through.
    pub silence: bool,
    /// Sound packets come through, with silence in them: a level that never changes.
    pub constant: bool,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives this late.
    Late(Duration),
}

impl Impairment {
    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        *self == Impairment::default()
    }

    /// Draws the lot of a datagram; `chance` is two numbers from 0 to 1.
    pub fn fate(&self, datagram: &[u8], chance: [f64; 2]) -> Fate {
        if !is_sound(datagram) {
            return Fate::Late(self.delay);
        }
        if self.silence || chance[0] * 100.0 < self.loss {
            return Fate::Lost;
        }
        // Two numbers drawn evenly from a span differ by a third of it in the mean.
        Fate::Late(self.delay + (self.jitter * 3).mul_f64(chance[1].clamp(0.0, 1.0)))
    }

    /// Takes the sound out of a plain RTP packet without extensions, if that is wanted. `opus` is
    /// the payload type of Opus; 0 is PCMU (RFC 3551 section 6).
    pub fn muffle(&self, packet: &mut Vec<u8>, opus: Option<u8>) {
        let (true, Some(kind)) = (self.constant, packet.get(1)) else {
            return;
        };
        let kind = kind & 0x7f;
        if kind == 0 {
            if let Some(payload) = packet.get_mut(12..) {
                payload.fill(0xff);
            }
        } else if Some(kind) == opus {
            packet.truncate(12);
            // RFC 6716 section 3.1: CELT, 20 ms, mono; a frame of silence.
            packet.extend([0xf8, 0xff, 0xfe]);
        }
    }
}

/// Whether a datagram is RTP (RFC 7983 section 7), and not RTCP (RFC 5761 section 4).
fn is_sound(datagram: &[u8]) -> bool {
    match datagram {
        [first, second, ..] => (128..=191).contains(first) && !(192..=223).contains(second),
        _ => false,
    }
}

/// Datagrams on their way. Bounded; what does not fit is lost, as in a full router.
#[derive(Debug)]
pub struct Line<T> {
    held: BTreeMap<(Instant, u64), T>,
    count: u64,
}

/// Most datagrams on one line: those of forty legs, five seconds late both ways.
const MOST: usize = 20_000;

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            count: 0,
        }
    }
}

impl<T> Line<T> {
    /// Sends something on its way.
    pub fn hold(&mut self, until: Instant, datagram: T) {
        if self.held.len() < MOST {
            self.count += 1;
            self.held.insert((until, self.count), datagram);
        }
    }

    /// When the next arrives.
    pub fn next_at(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has arrived.
    pub fn due(&mut self, now: Instant) -> Option<T> {
        let first = self.held.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: [u8; 14] = [0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 5, 6];
    const REPORT: [u8; 4] = [0x80, 200, 0, 0];
    const STUN: [u8; 4] = [0, 1, 0, 0];
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn only_sound_is_lost_and_everything_is_late() {
        let bad = Impairment {
            loss: 20.0,
            delay: 100 * MS,
            jitter: 10 * MS,
            ..Impairment::default()
        };
        assert_eq!(bad.fate(&SOUND, [0.19, 0.0]), Fate::Lost);
        assert_eq!(bad.fate(&SOUND, [0.21, 0.0]), Fate::Late(100 * MS));
        assert_eq!(bad.fate(&SOUND, [0.21, 1.0]), Fate::Late(130 * MS));
        for other in [&REPORT[..], &STUN, &[0x80], &[]] {
            assert_eq!(bad.fate(other, [0.0, 1.0]), Fate::Late(100 * MS));
        }
        let silent = Impairment {
            silence: true,
            ..Impairment::default()
        };
        assert_eq!(silent.fate(&SOUND, [0.9, 0.0]), Fate::Lost);
        assert_eq!(silent.fate(&REPORT, [0.9, 0.0]), Fate::Late(Duration::ZERO));
        assert!(!silent.is_none() && Impairment::default().is_none());
    }

    #[test]
    fn the_mean_difference_of_two_delays_is_the_jitter() {
        let bad = Impairment {
            jitter: 40 * MS,
            ..Impairment::default()
        };
        let mut delays = Vec::new();
        // A sequence that fills the span evenly and in no order.
        for step in 0..1000 {
            let chance = f64::from(step) * 0.754_877_666 % 1.0;
            let other = f64::from(step) * 0.569_840_291 % 1.0;
            let (Fate::Late(a), Fate::Late(b)) = (
                bad.fate(&SOUND, [1.0, chance]),
                bad.fate(&SOUND, [1.0, other]),
            ) else {
                panic!("nothing is lost");
            };
            delays.push(a.abs_diff(b).as_secs_f64() * 1000.0);
        }
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        assert!((mean - 40.0).abs() < 2.0, "{mean}");
    }

    #[test]
    fn a_constant_level_is_silence_in_each_codec() {
        let constant = Impairment {
            constant: true,
            ..Impairment::default()
        };
        let muffled = |kind: u8, opus| {
            let mut packet = SOUND.to_vec();
            packet[1] = kind;
            constant.muffle(&mut packet, opus);
            packet.split_off(12)
        };
        assert_eq!(muffled(0, None), [0xff, 0xff]);
        assert_eq!(muffled(0x80 | 111, Some(111)), [0xf8, 0xff, 0xfe]);
        assert_eq!(muffled(101, Some(111)), [5, 6], "keys are left alone");
    }

    #[test]
    fn a_line_gives_back_in_the_order_of_time_and_is_bounded() {
        let mut line = Line::default();
        let began = Instant::now();
        line.hold(began + 2 * MS, 'b');
        line.hold(began + MS, 'a');
        line.hold(began + 2 * MS, 'c');
        assert_eq!(line.next_at(), Some(began + MS));
        assert_eq!(line.due(began), None);
        let all: String = std::iter::from_fn(|| line.due(began + 2 * MS)).collect();
        assert_eq!(all, "abc");
        for _ in 0..MOST + 5 {
            line.hold(began, 'x');
        }
        assert_eq!(line.held.len(), MOST);
    }
}
