//! Speech and audio files as sound, each made or fetched once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use media::Sound;
use webhook::client::{Client, Request};
use webhook::cookie::Jar;
use webhook::exchange::Exchange;

use crate::speech::Speech;

/// Largest audio file, in bytes: an hour of uncompressed telephone sound.
const LARGEST_FILE: usize = 64 << 20;
/// Longest file, in decoded samples: an hour of 8 kHz, ten minutes of 48 kHz.
const LONGEST_FILE: usize = 48_000 * 600;
/// Speech that is kept: half an hour of 8 kHz, 32 MB.
const KEPT_SAMPLES: usize = 16 << 20;

/// Why a sound is not to be had: code and message for the debugger.
pub type NoSound = (u32, String);

/// Where sounds come from. Cheap to clone.
#[derive(Clone)]
pub struct Sounds {
    speech: Arc<dyn Speech>,
    kept: Arc<Mutex<Kept>>,
}

/// What was spoken before. Audio files are kept by the HTTP client, by their own rules.
#[derive(Default)]
struct Kept {
    sounds: HashMap<String, Arc<Sound>>,
    order: VecDeque<String>,
    samples: usize,
}

impl Sounds {
    /// Speech by this engine.
    pub fn new(speech: Arc<dyn Speech>) -> Self {
        Self {
            speech,
            kept: Arc::default(),
        }
    }

    /// A sentence, spoken now or earlier.
    pub async fn speech(
        &self,
        text: &str,
        voice: Option<&str>,
        language: Option<&str>,
    ) -> Result<Arc<Sound>, NoSound> {
        let key = format!(
            "{}\u{0}{}\u{0}{text}",
            voice.unwrap_or_default(),
            language.unwrap_or_default()
        );
        if let Some(sound) = self.kept().sounds.get(&key) {
            return Ok(sound.clone());
        }
        let speech = self.speech.clone();
        let (text, voice, language) = (
            text.to_owned(),
            voice.map(str::to_owned),
            language.map(str::to_owned),
        );
        let made = tokio::task::spawn_blocking(move || {
            // Every codec of a telephone line has 8 or 16 kHz; 8 is what nearly all calls need.
            Arc::new(
                speech
                    .speak(&text, voice.as_deref(), language.as_deref())
                    .resampled(8000),
            )
        });
        let sound = made
            .await
            .map_err(|_| (13520, "the speech engine failed on this text".to_owned()))?;
        self.kept().keep(key, sound.clone());
        Ok(sound)
    }

    /// An audio file, and the exchange that brought it.
    pub async fn audio(
        &self,
        client: &Client,
        url: &str,
        account: &str,
        token: &str,
    ) -> (Result<Arc<Sound>, NoSound>, Option<Exchange>) {
        let request = Request::download(url, LARGEST_FILE).signed(account, token);
        let response = match client.fetch(&request, &mut Jar::default()).await {
            Ok(response) => response,
            Err(failure) => {
                return (
                    Err((failure.code, failure.message)),
                    Some(*failure.exchange),
                );
            }
        };
        let kind = response.kind();
        let content_type = response.content_type.clone().unwrap_or_default();
        let body = response.body.clone();
        let decoded = tokio::task::spawn_blocking(move || decode(&body)).await;
        let sound = match decoded {
            Ok(Some(sound)) => Ok(Arc::new(sound)),
            // 13420: the content type says what the server thinks it is.
            _ => Err((
                13420,
                format!(
                    "what came as '{content_type}' ({kind:?}) is neither WAV nor MP3; serve one of the two"
                ),
            )),
        };
        (sound, Some(response.exchange))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: String, sound: Arc<Sound>) {
        self.samples += sound.samples.len();
        if self.sounds.insert(key.clone(), sound).is_none() {
            self.order.push_back(key);
        }
        while self.samples > KEPT_SAMPLES {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(sound) = self.sounds.remove(&oldest) {
                self.samples -= sound.samples.len();
            }
        }
    }
}

/// WAV or MP3, told by its first bytes rather than by what the server calls it.
fn decode(bytes: &[u8]) -> Option<Sound> {
    if bytes.starts_with(b"RIFF") {
        media::wav::read(bytes, LONGEST_FILE).ok()
    } else {
        media::mp3::read(bytes.to_vec(), LONGEST_FILE).ok()
    }
}
