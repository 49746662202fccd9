//! Speech and audio files as sound, each made once however many calls want it.

mod file;
mod kept;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use media::Sound;
use tokio::sync::Semaphore;
use twiml::ssml::Spoken;
use webhook::client::{Client, Request};
use webhook::cookie::Jar;
use webhook::exchange::Exchange;

pub use self::file::decode;
use self::kept::{Kept, Key};
use crate::speech::Speech;

/// Largest audio file, in bytes: an hour of uncompressed telephone sound.
pub const LARGEST_FILE: usize = 64 << 20;
/// Most silence within one sentence: the markup of a document of 64 kB could ask for hours.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);
/// What a telephone line of G.711 carries, in Hz.
const NARROW: u32 = 8000;
/// What G.722 and Opus carry here, in Hz.
const WIDE: u32 = 16_000;

/// Why a sound is not to be had: code and message for the debugger.
pub type NoSound = (u32, String);

/// A sound for every kind of line. What has nothing above 4 kHz is one and the same for both.
#[derive(Debug, Clone)]
pub struct Playable {
    narrow: Arc<Sound>,
    wide: Arc<Sound>,
}

impl Playable {
    /// Converts once, so that no call has to.
    fn of(sound: &Sound) -> Self {
        let narrow = Arc::new(sound.resampled(NARROW));
        let wide = if sound.rate > NARROW {
            Arc::new(sound.resampled(WIDE))
        } else {
            narrow.clone()
        };
        Self { narrow, wide }
    }

    /// For a line that carries wide band, or does not.
    pub fn on(&self, wide: bool) -> Arc<Sound> {
        if wide { &self.wide } else { &self.narrow }.clone()
    }

    /// Samples in memory.
    fn samples(&self) -> usize {
        match Arc::ptr_eq(&self.narrow, &self.wide) {
            true => self.narrow.samples.len(),
            false => self.narrow.samples.len() + self.wide.samples.len(),
        }
    }
}

/// Where sounds come from. Cheap to clone.
#[derive(Clone)]
pub struct Sounds {
    speech: Arc<dyn Speech>,
    kept: Arc<Mutex<Kept>>,
    /// How many files are decoded at a time.
    decoders: Arc<Semaphore>,
}

impl Sounds {
    /// Speech by this engine.
    pub fn new(speech: Arc<dyn Speech>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            speech,
            kept: Arc::default(),
            decoders: Arc::new(Semaphore::new(cores)),
        }
    }

    /// A sentence, spoken now or earlier.
    pub async fn speech(
        &self,
        text: &[Spoken],
        voice: Option<&str>,
        language: Option<&str>,
    ) -> Result<Playable, NoSound> {
        let (text, voice, language) = (
            text.to_vec(),
            voice.map(str::to_owned),
            language.map(str::to_owned),
        );
        let key = Key::Speech(text.clone(), voice.clone(), language.clone());
        let speech = self.speech.clone();
        let make = move || {
            let sound = speak(&*speech, &text, voice.as_deref(), language.as_deref());
            Some(Playable::of(&sound))
        };
        self.once(key, None, make)
            .await
            .ok_or_else(|| (13520, "the speech engine failed on this text".to_owned()))
    }

    /// An audio file, and the exchange that brought it.
    pub async fn audio(
        &self,
        client: &Client,
        url: &str,
        account: &str,
        token: &str,
    ) -> (Result<Playable, NoSound>, Option<Exchange>) {
        let request = Request::download(url, LARGEST_FILE).signed(account, token);
        match client.fetch(&request, &mut Jar::default()).await {
            Ok(response) => {
                let content_type = response.content_type.unwrap_or_default();
                let sound = self.file(&content_type, response.body).await;
                (sound, Some(response.exchange))
            }
            Err(failure) => (
                Err((failure.code, failure.message)),
                Some(*failure.exchange),
            ),
        }
    }

    /// The sound of a file, decoded now or earlier. What is in it counts and not where it came from:
    /// whether it has changed there is for the HTTP client to say.
    pub async fn file(&self, content_type: &str, bytes: Bytes) -> Result<Playable, NoSound> {
        let none = || {
            let message = format!(
                "what came as '{content_type}' is no sound that can be played; serve WAV, MP3, AIFF or mu-law"
            );
            (13420, message)
        };
        let (kind, content) = (content_type.to_owned(), bytes.clone());
        // Tens of megabytes take their time.
        let key = tokio::task::spawn_blocking(move || Key::file(&kind, &content))
            .await
            .map_err(|_| none())?;
        let kind = content_type.to_owned();
        let make = move || Some(Playable::of(&decode(&kind, &bytes)?));
        self.once(key, Some(&self.decoders), make)
            .await
            .ok_or_else(none)
    }

    /// What is kept under a key; else it is made, by one for all who ask meanwhile, once there is
    /// `room`.
    async fn once(
        &self,
        key: Key,
        room: Option<&Semaphore>,
        make: impl FnOnce() -> Option<Playable> + Send + 'static,
    ) -> Option<Playable> {
        let flight = match self.kept().find(&key) {
            kept::Found::Sound(sound) => return Some(sound),
            kept::Found::Flight(flight) => flight,
        };
        let made = flight
            .get_or_init(|| async {
                let _permit = match room {
                    // The semaphore is never closed.
                    Some(room) => room.acquire().await.ok(),
                    None => None,
                };
                tokio::task::spawn_blocking(make).await.ok().flatten()
            })
            .await
            .clone();
        self.kept().landed(&key, &flight, made.as_ref());
        made
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Words by the engine, with silence between them.
fn speak(
    engine: &dyn Speech,
    text: &[Spoken],
    voice: Option<&str>,
    language: Option<&str>,
) -> Sound {
    let mut sound: Option<Sound> = None;
    let mut left = LONGEST_SILENCE;
    for piece in text {
        match piece {
            Spoken::Words(words) => {
                let words = engine.speak(words, voice, language);
                match &mut sound {
                    Some(before) if before.rate == words.rate => {
                        before.samples.extend(words.samples);
                    }
                    // An engine has one rate; whatever comes otherwise is made to fit.
                    Some(before) => before.samples.extend(words.resampled(before.rate).samples),
                    None => sound = Some(words),
                }
            }
            Spoken::Silence(length) => {
                let length = left.min(*length);
                left -= length;
                let sound = sound.get_or_insert_with(|| Sound::new(WIDE, Vec::new()));
                let samples = length.as_millis() as usize * sound.rate as usize / 1000;
                sound.samples.resize(sound.samples.len() + samples, 0);
            }
        }
    }
    sound.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Says a second of sound for whatever it is given, and counts.
    #[derive(Default)]
    struct Counting {
        spoken: AtomicUsize,
    }

    impl Speech for Counting {
        fn speak(&self, _: &str, _: Option<&str>, _: Option<&str>) -> Sound {
            self.spoken.fetch_add(1, Ordering::Relaxed);
            // Long enough for others to come meanwhile.
            std::thread::sleep(Duration::from_millis(50));
            Sound::new(16_000, vec![1000; 16_000])
        }
    }

    fn words(text: &str) -> Spoken {
        Spoken::Words(text.to_owned())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_sentence_that_fifty_calls_want_is_spoken_once() {
        let speech = Arc::new(Counting::default());
        let sounds = Sounds::new(speech.clone());
        let wanted: Vec<_> = (0..50)
            .map(|_| {
                let sounds = sounds.clone();
                tokio::spawn(async move { sounds.speech(&[words("Hello")], None, None).await })
            })
            .collect();
        let mut first: Option<Playable> = None;
        for wanted in wanted {
            let sound = wanted.await.unwrap().unwrap();
            let first = first.get_or_insert_with(|| sound.clone());
            assert!(Arc::ptr_eq(&first.on(true), &sound.on(true)));
            assert!(Arc::ptr_eq(&first.on(false), &sound.on(false)));
        }
        assert_eq!(speech.spoken.load(Ordering::Relaxed), 1);
        sounds.speech(&[words("Hello")], None, None).await.unwrap();
        assert_eq!(speech.spoken.load(Ordering::Relaxed), 1);
        // Another voice is another sound.
        let alice = sounds.speech(&[words("Hello")], Some("alice"), None).await;
        alice.unwrap();
        assert_eq!(speech.spoken.load(Ordering::Relaxed), 2);
    }

    // sound-5
    #[tokio::test]
    async fn a_file_is_decoded_once_and_by_few_at_a_time() {
        let sounds = Sounds::new(Arc::new(Counting::default()));
        let tone = Sound::new(8000, vec![500; 800]);
        let file = Bytes::from(media::wav::write(&tone, None));
        let first = sounds.file("audio/wav", file.clone()).await.unwrap();
        // The same bytes from elsewhere are the same sound; other bytes are not.
        let copy = Bytes::from(file.to_vec());
        let again = sounds.file("audio/x-wav", copy).await.unwrap();
        assert!(Arc::ptr_eq(&first.on(false), &again.on(false)));
        assert!(Arc::ptr_eq(&first.on(false), &first.on(true)));
        let refused = sounds
            .file("text/html", Bytes::from_static(b"<html>"))
            .await;
        let (code, message) = refused.unwrap_err();
        assert_eq!(code, 13420);
        assert!(message.contains("'text/html'"), "{message}");

        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let limit = sounds.decoders.available_permits();
        let work: Vec<_> = (0..limit * 4)
            .map(|n| {
                let (sounds, running, most) = (sounds.clone(), running.clone(), most.clone());
                tokio::spawn(async move {
                    let make = move || {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(20));
                        running.fetch_sub(1, Ordering::SeqCst);
                        Some(Playable::of(&Sound::new(8000, vec![1])))
                    };
                    let key = Key::file("audio/wav", &n.to_be_bytes());
                    let decoders = sounds.decoders.clone();
                    sounds.once(key, Some(&decoders), make).await.unwrap();
                })
            })
            .collect();
        for work in work {
            work.await.unwrap();
        }
        assert!((1..=limit).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn wide_band_is_kept_for_those_who_hear_it() {
        let sine = |hz: f64, rate: u32| {
            let angle = move |i: u32| std::f64::consts::TAU * hz * f64::from(i) / f64::from(rate);
            let samples = (0..rate).map(move |i| (angle(i).sin() * 8000.0) as i16);
            Sound::new(rate, samples.collect())
        };
        let level = |sound: &Sound| {
            let squares = sound.samples.iter().map(|&s| f64::from(s).powi(2));
            (squares.sum::<f64>() / sound.samples.len() as f64).sqrt()
        };
        for rate in [16_000, 44_100] {
            let sound = Playable::of(&sine(6000.0, rate));
            assert_eq!((sound.on(true).rate, sound.on(false).rate), (16_000, 8000));
            assert!(level(&sound.on(true)) > 5000.0);
            assert!(level(&sound.on(false)) < 100.0);
            assert_eq!(sound.samples(), 24_000);
        }
        let narrow = Playable::of(&sine(1000.0, 8000));
        assert_eq!((narrow.on(true).rate, narrow.samples()), (8000, 8000));
    }

    // say-8
    #[test]
    fn a_break_is_silence_of_its_length_and_not_for_hours() {
        let silence = |seconds| Spoken::Silence(Duration::from_secs(seconds));
        let text = [silence(2), words("one"), silence(1), words("two")];
        let sound = speak(&Counting::default(), &text, None, None);
        assert_eq!(sound.duration(), Duration::from_secs(5));
        let loud: Vec<bool> = sound.samples.chunks(16_000).map(|s| s[99] != 0).collect();
        assert_eq!(loud, [false, false, true, false, true]);
        let long = vec![silence(10); 1000];
        let sound = speak(&Counting::default(), &long, None, None);
        assert_eq!(sound.duration(), LONGEST_SILENCE);
    }

    // dial-12
    #[test]
    fn every_ringing_tone_that_can_be_asked_for_is_known() {
        let words = twiml::words::RingTone::ALL;
        assert_eq!(words.len(), 40);
        for word in words {
            let name = format!("ringback-{}", word.as_str());
            let tone = media::Tone::named(&name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(media::Tone::ringback(word.as_str()), tone);
            assert!(tone.cadence[0].first > 0, "{name}");
        }
    }
}
