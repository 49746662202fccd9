//! Keeps what is heard and spoken on a port.

use std::time::Duration;

use crate::command::{RecordDirection, RecordingId};
use crate::detect::silence::Silence;
use crate::event::RecordingEnd;
use crate::resample::Resampler;
use crate::sound::Sound;

/// A frame and its rate; `None` when there was nothing.
pub type Heard<'a> = Option<(&'a [i16], u32)>;

/// Longest recording: 24 hours, whatever was asked for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A running recording. Time goes on while nothing is heard, so both sides stay together.
#[derive(Debug)]
pub struct Recorder {
    /// Its name.
    pub recording: RecordingId,
    direction: RecordDirection,
    rate: u32,
    max_samples: usize,
    silence_ms: Option<u32>,
    silence: Silence,
    heard: Track,
    spoken: Track,
}

#[derive(Debug, Default)]
struct Track {
    samples: Vec<i16>,
    resampler: Option<(Resampler, u32)>,
}

impl Track {
    /// Appends exactly `n` samples at `rate`.
    fn push(&mut self, frame: Heard, rate: u32, n: usize) {
        let end = self.samples.len() + n;
        match frame {
            Some((samples, from)) if from == rate => self.samples.extend_from_slice(samples),
            Some((samples, from)) => {
                let (resampler, _) = match &mut self.resampler {
                    Some(known) if known.1 == from => known,
                    other => other.insert((Resampler::new(from, rate), from)),
                };
                resampler.process(samples, &mut self.samples);
            }
            None => {}
        }
        self.samples.resize(end, 0);
    }
}

impl Recorder {
    /// A recording at `rate` Hz.
    pub fn new(
        recording: RecordingId,
        direction: RecordDirection,
        max: Duration,
        silence: Option<Duration>,
        rate: u32,
    ) -> Recorder {
        Recorder {
            recording,
            direction,
            rate,
            max_samples: (max.min(LONGEST).as_millis() * u128::from(rate) / 1000) as usize,
            silence_ms: silence.map(|silence| silence.as_millis().min(u128::from(u32::MAX)) as u32),
            silence: Silence::default(),
            heard: Track::default(),
            spoken: Track::default(),
        }
    }

    /// Whether the remote side is kept or listened to.
    pub fn keeps_heard(&self) -> bool {
        self.direction != RecordDirection::Spoken || self.silence_ms.is_some()
    }

    /// Whether what is sent is kept.
    pub fn keeps_spoken(&self) -> bool {
        self.direction != RecordDirection::Heard
    }

    /// Takes 20 ms of both sides. The answer says why the recording is over, if it is.
    pub fn push(&mut self, heard: Heard, spoken: Heard) -> Option<RecordingEnd> {
        let frame = self.rate as usize / 50;
        let quiet = self.silence.hear(heard.map(|(samples, _)| samples), 20);
        let n = frame.min(self.max_samples.saturating_sub(self.heard.samples.len()));
        // The tracks are kept equally long whichever is wanted, so that ends and mixes agree.
        self.heard.push(
            if self.direction == RecordDirection::Spoken {
                None
            } else {
                heard
            },
            self.rate,
            n,
        );
        if self.keeps_spoken() {
            self.spoken.push(spoken, self.rate, n);
        }
        if self.heard.samples.len() >= self.max_samples {
            return Some(RecordingEnd::MaxLength);
        }
        self.silence_ms
            .filter(|&limit| quiet >= limit)
            .map(|_| RecordingEnd::Silence)
    }

    /// What was recorded: the sound, the second channel, and the silence at the end.
    pub fn finish(self) -> (Sound, Option<Sound>, Duration) {
        let (mut heard, spoken) = (self.heard.samples, self.spoken.samples);
        let rate = self.rate;
        let quiet = Duration::from_millis(u64::from(self.silence.quiet_ms()));
        match self.direction {
            RecordDirection::Heard => {
                let sound = Sound::new(rate, heard);
                let quiet = quiet.min(sound.duration());
                (sound, None, quiet)
            }
            RecordDirection::Spoken => (Sound::new(rate, spoken), None, Duration::ZERO),
            RecordDirection::Both => {
                for (a, b) in heard.iter_mut().zip(&spoken) {
                    *a = a.saturating_add(*b);
                }
                (Sound::new(rate, heard), None, Duration::ZERO)
            }
            RecordDirection::Dual => (
                Sound::new(rate, heard),
                Some(Sound::new(rate, spoken)),
                Duration::ZERO,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_stay_together_and_are_mixed() {
        let mut recorder = Recorder::new(
            RecordingId(1),
            RecordDirection::Both,
            Duration::from_secs(9),
            None,
            8000,
        );
        assert_eq!(recorder.push(None, Some((&[100; 160], 8000))), None);
        assert_eq!(recorder.push(Some((&[7; 160], 8000)), None), None);
        assert_eq!(
            recorder.push(Some((&[7; 160], 8000)), Some((&[100; 160], 8000))),
            None
        );
        let (sound, spoken, _) = recorder.finish();
        let expected: Vec<i16> = [100; 160]
            .into_iter()
            .chain([7; 160])
            .chain([107; 160])
            .collect();
        assert_eq!((sound.samples, spoken), (expected, None));
    }

    #[test]
    fn ends_at_its_length_and_at_silence() {
        let mut recorder = Recorder::new(
            RecordingId(1),
            RecordDirection::Heard,
            Duration::from_millis(50),
            None,
            8000,
        );
        assert_eq!(recorder.push(None, None), None);
        assert_eq!(recorder.push(None, None), None);
        assert_eq!(
            recorder.push(Some((&[9000; 160], 8000)), None),
            Some(RecordingEnd::MaxLength)
        );
        assert_eq!(recorder.finish().0.samples.len(), 400);

        let mut recorder = Recorder::new(
            RecordingId(1),
            RecordDirection::Heard,
            Duration::from_secs(9),
            Some(Duration::from_millis(60)),
            8000,
        );
        for _ in 0..5 {
            assert_eq!(recorder.push(Some((&[9000; 160], 8000)), None), None);
        }
        assert_eq!(recorder.push(None, None), None);
        assert_eq!(recorder.push(Some((&[10; 160], 8000)), None), None);
        assert_eq!(recorder.push(None, None), Some(RecordingEnd::Silence));
        assert_eq!(recorder.finish().2, Duration::from_millis(60));
    }
}
