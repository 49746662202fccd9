//! What a port plays: one source at a time, 20 ms at a time.

use std::sync::Arc;

use crate::command::{PlaybackId, Source};
use crate::resample::Resampler;
use crate::sound::Sound;
use crate::tone::{Oscillator, Tone};

/// Frames a digit is held: 100 ms.
const DIGIT_FRAMES: u32 = 5;
/// Frames between digits: 100 ms, above the 40 ms of Q.24.
const GAP_FRAMES: u32 = 5;
/// Frames of `w`, half a second; `W` is twice that.
const PAUSE_FRAMES: u32 = 25;
/// Copies of an event's last packet after the first (RFC 4733 section 2.5.1.4).
const END_REPEATS: u32 = 2;

/// What one frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Sound was written.
    Sound,
    /// An event packet is due instead of sound.
    Event {
        /// The digit.
        digit: char,
        /// Frames it has lasted, this one included.
        frames: u32,
        /// First packet of the event.
        first: bool,
        /// The key is released.
        end: bool,
    },
}

#[derive(Debug)]
enum Voice {
    Pcm {
        sound: Arc<Sound>,
        at: usize,
        resampler: Resampler,
        rate: u32,
        pending: Vec<i16>,
    },
    Tone {
        tone: Tone,
        oscillator: Oscillator,
        part: usize,
        ms: u32,
    },
    Digits {
        digits: Vec<char>,
        at: usize,
        frame: u32,
        oscillator: Oscillator,
    },
    Silence {
        frames: u32,
        done: u32,
    },
}

/// A queued or running playback.
#[derive(Debug)]
pub struct Player {
    /// Its name; `None` for what the engine plays on its own account.
    pub playback: Option<PlaybackId>,
    voice: Voice,
    /// Rounds left after the running one; `None` is for ever.
    rounds: Option<u32>,
    finished: bool,
}

impl Player {
    /// A playback; `loops` 0 repeats for ever, unless there is nothing to repeat.
    pub fn new(playback: Option<PlaybackId>, source: Source, loops: u32) -> Player {
        let voice = match source {
            Source::Pcm(sound) => {
                let rate = sound.rate;
                Voice::Pcm {
                    sound,
                    at: 0,
                    resampler: Resampler::new(1, 1),
                    rate,
                    pending: Vec::new(),
                }
            }
            Source::Tone(tone) => Voice::Tone {
                tone,
                oscillator: Oscillator::default(),
                part: 0,
                ms: 0,
            },
            Source::Digits(text) => {
                let digits = text
                    .chars()
                    .filter(|c| matches!(c, 'w' | 'W') || crate::tone::dtmf_pair(*c).is_some())
                    .collect();
                Voice::Digits {
                    digits,
                    at: 0,
                    frame: 0,
                    oscillator: Oscillator::default(),
                }
            }
            Source::Silence(length) => {
                let frames = length.as_millis().div_ceil(20).min(u128::from(u32::MAX)) as u32;
                Voice::Silence { frames, done: 0 }
            }
        };
        let finished = match &voice {
            Voice::Pcm { sound, .. } => {
                sound.samples.is_empty() || !(1_000..=384_000).contains(&sound.rate)
            }
            Voice::Tone { tone, .. } => tone.round_ms() == 0,
            Voice::Digits { digits, .. } => digits.is_empty(),
            Voice::Silence { frames, .. } => *frames == 0,
        };
        Player {
            playback,
            voice,
            rounds: loops.checked_sub(1),
            finished,
        }
    }

    /// Whether everything has been played.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether another round begins; otherwise the playback is finished.
    fn again(rounds: &mut Option<u32>, finished: &mut bool) -> bool {
        match rounds {
            None => true,
            Some(0) => {
                *finished = true;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// The next 20 ms at `rate` Hz into `out`. With `events` digits become events.
    pub fn frame(&mut self, rate: u32, events: bool, out: &mut [i16]) -> Frame {
        let (rounds, finished) = (&mut self.rounds, &mut self.finished);
        match &mut self.voice {
            Voice::Pcm {
                sound,
                at,
                resampler,
                rate: made_for,
                pending,
            } => {
                if *made_for != rate || (sound.rate != rate && *at == 0 && pending.is_empty()) {
                    // Also where a playback goes on in another codec after a re-INVITE.
                    *resampler = Resampler::new(sound.rate, rate);
                    *made_for = rate;
                    pending.clear();
                }
                while pending.len() < out.len() && !*finished {
                    let end = (*at + (sound.rate as usize / 50).max(1)).min(sound.samples.len());
                    resampler.process(&sound.samples[*at..end], pending);
                    *at = end;
                    if *at == sound.samples.len() {
                        if Self::again(rounds, finished) {
                            *at = 0;
                        } else if sound.rate != rate {
                            // Half the filter's length brings out its last sounds.
                            const ZEROS: [i16; 64] = [0; 64];
                            resampler
                                .process(&ZEROS[..(resampler.flush_len() / 2).min(64)], pending);
                        }
                    }
                }
                let n = pending.len().min(out.len());
                out[..n].copy_from_slice(&pending[..n]);
                out[n..].fill(0);
                pending.drain(..n);
                // The last samples may need one more frame.
                if *finished && !pending.is_empty() {
                    *finished = false;
                    *at = sound.samples.len();
                    *rounds = Some(0);
                }
            }
            Voice::Tone {
                tone,
                oscillator,
                part,
                ms,
            } => {
                let half = out.len() / 2;
                for chunk in out.chunks_mut(half.max(1)) {
                    if *finished {
                        chunk.fill(0);
                        continue;
                    }
                    oscillator.tone(tone.cadence[*part], rate, chunk);
                    *ms += 10;
                    if *ms >= tone.cadence[*part].ms {
                        *ms = 0;
                        *part += 1;
                        if *part == tone.cadence.len() {
                            *part = 0;
                            Self::again(rounds, finished);
                        }
                    }
                }
            }
            Voice::Digits {
                digits,
                at,
                frame,
                oscillator,
            } => {
                let digit = digits[*at];
                let length = match digit {
                    'w' => PAUSE_FRAMES,
                    'W' => PAUSE_FRAMES * 2,
                    _ => DIGIT_FRAMES + GAP_FRAMES,
                };
                let now = *frame;
                *frame += 1;
                if *frame >= length {
                    *frame = 0;
                    *at += 1;
                    if *at == digits.len() {
                        *at = 0;
                        Self::again(rounds, finished);
                    }
                }
                out.fill(0);
                if matches!(digit, 'w' | 'W') {
                    return Frame::Sound;
                }
                if events && now < DIGIT_FRAMES + END_REPEATS {
                    return Frame::Event {
                        digit,
                        frames: (now + 1).min(DIGIT_FRAMES),
                        first: now == 0,
                        end: now + 1 >= DIGIT_FRAMES,
                    };
                }
                if !events && now < DIGIT_FRAMES {
                    if now == 0 {
                        *oscillator = Oscillator::default();
                    }
                    oscillator.dtmf(digit, rate, out);
                }
            }
            Voice::Silence { frames, done } => {
                out.fill(0);
                *done += 1;
                if *done >= *frames {
                    *done = 0;
                    Self::again(rounds, finished);
                }
            }
        }
        Frame::Sound
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frames(source: Source, loops: u32) -> Vec<i16> {
        let mut player = Player::new(None, source, loops);
        let mut sound = Vec::new();
        while !player.is_finished() && sound.len() < 100_000 {
            let mut frame = [0; 160];
            player.frame(8000, false, &mut frame);
            sound.extend(frame);
        }
        sound
    }

    #[test]
    fn loops_join_without_a_gap_and_the_end_is_padded() {
        let sound = Arc::new(Sound::new(8000, (1..=100).collect()));
        let played = frames(Source::Pcm(sound), 3);
        assert_eq!(played.len(), 320);
        let expected: Vec<i16> = (0..300).map(|i| i % 100 + 1).chain([0; 20]).collect();
        assert_eq!(played, expected);
    }

    #[test]
    fn other_rates_are_converted_to_the_right_length() {
        let sound = Arc::new(Sound::new(16000, vec![1000; 16000]));
        let played = frames(Source::Pcm(sound), 1);
        assert!((8000..=8160).contains(&played.len()), "{}", played.len());
        assert!(played[200..7900].iter().all(|s| (990..=1010).contains(s)));
    }

    #[test]
    fn nothing_repeated_for_ever_is_finished() {
        assert!(frames(Source::Pcm(Arc::new(Sound::default())), 0).is_empty());
        assert!(frames(Source::Digits("xyz".into()), 0).is_empty());
        assert!(frames(Source::Silence(Duration::ZERO), 0).is_empty());
    }

    #[test]
    fn one_round_of_a_tone_is_its_cadence() {
        assert_eq!(
            frames(Source::Tone(Tone::ringback("de")), 1).len(),
            5 * 8000
        );
        assert_eq!(
            frames(Source::Tone(Tone::named("congestion").unwrap()), 2).len(),
            8000
        );
        assert_eq!(
            frames(Source::Silence(Duration::from_millis(90)), 1).len(),
            800
        );
    }

    #[test]
    fn a_digit_is_an_event_with_three_ends() {
        let mut player = Player::new(None, Source::Digits("w#".into()), 1);
        let mut frame = [0; 160];
        let mut events = Vec::new();
        while !player.is_finished() {
            events.push(player.frame(8000, true, &mut frame));
        }
        assert!(events[..25].iter().all(|e| *e == Frame::Sound));
        let event = |frames, first, end| Frame::Event {
            digit: '#',
            frames,
            first,
            end,
        };
        assert_eq!(events[25], event(1, true, false));
        assert_eq!(events[29..32], [event(5, false, true); 3]);
        assert_eq!(events[32..], [Frame::Sound; 3]);
    }
}
