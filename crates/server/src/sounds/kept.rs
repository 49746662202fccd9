//! Sounds that were made, and those that are being made.

use std::collections::HashMap;
use std::sync::Arc;

use media::au::Law;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use twiml::ssml::Spoken;

use super::Playable;
use super::file::law;

/// Sound that is kept, in samples: 64 MB, most of an hour of telephone sound.
const MOST: usize = 32 << 20;
/// What an entry costs besides its sound, in samples.
const ENTRY: usize = 512;

/// What a sound was made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Text, voice, language.
    Speech(Vec<Spoken>, Option<String>, Option<String>),
    /// A file by its SHA-256, and how it is read if the bytes do not say.
    File([u8; 32], Option<Law>),
}

impl Key {
    /// Of a file's bytes; takes a millisecond for each megabyte or two.
    pub fn file(content_type: &str, bytes: &[u8]) -> Self {
        Self::File(Sha256::digest(bytes).into(), law(content_type))
    }
}

/// A sound that is being made, for all who want it.
pub type Flight = Arc<OnceCell<Option<Playable>>>;

/// What there is under a key.
pub enum Found {
    /// It was made before.
    Sound(Playable),
    /// It is being made, or is to be made by whoever found this first.
    Flight(Flight),
}

/// Sounds, bounded by their samples; the least recently used go first.
#[derive(Default)]
pub struct Kept {
    sounds: HashMap<Key, (Playable, u64)>,
    flights: HashMap<Key, Flight>,
    samples: usize,
    uses: u64,
}

impl Kept {
    /// What is kept, or who makes it.
    pub fn find(&mut self, key: &Key) -> Found {
        self.uses += 1;
        match self.sounds.get_mut(key) {
            Some((sound, used)) => {
                *used = self.uses;
                Found::Sound(sound.clone())
            }
            None => Found::Flight(self.flights.entry(key.clone()).or_default().clone()),
        }
    }

    /// What was made is kept from now on, if it is anything. Told by all who waited; the first counts.
    pub fn landed(&mut self, key: &Key, flight: &Flight, made: Option<&Playable>) {
        let ours = self
            .flights
            .get(key)
            .is_some_and(|known| Arc::ptr_eq(known, flight));
        if !ours {
            return;
        }
        self.flights.remove(key);
        if let Some(sound) = made {
            self.keep(key.clone(), sound.clone());
        }
    }

    fn keep(&mut self, key: Key, sound: Playable) {
        self.remove(&key);
        let size = size(&sound);
        if size > MOST {
            return;
        }
        while self.samples + size > MOST {
            let oldest = self.sounds.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.samples += size;
        self.sounds.insert(key, (sound, self.uses));
    }

    fn remove(&mut self, key: &Key) {
        if let Some((sound, _)) = self.sounds.remove(key) {
            self.samples -= size(&sound);
        }
    }
}

fn size(sound: &Playable) -> usize {
    sound.samples() + ENTRY
}

#[cfg(test)]
mod tests {
    use media::Sound;

    use super::*;

    fn sound(samples: usize) -> Playable {
        Playable::of(&Sound::new(8000, vec![0; samples]))
    }

    fn key(n: u32) -> Key {
        Key::file("", &n.to_be_bytes())
    }

    #[test]
    fn a_sound_that_takes_the_place_of_another_counts_once() {
        let mut kept = Kept::default();
        for _ in 0..3 {
            kept.keep(key(1), sound(1000));
        }
        assert_eq!((kept.sounds.len(), kept.samples), (1, 1000 + ENTRY));
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_empty_sounds_count_too() {
        let mut kept = Kept::default();
        let quarter = MOST / 4;
        for n in 0..3 {
            kept.keep(key(n), sound(quarter));
        }
        assert!(matches!(kept.find(&key(0)), Found::Sound(_)));
        kept.keep(key(3), sound(quarter));
        assert!(matches!(kept.find(&key(1)), Found::Flight(_)));
        assert!(matches!(kept.find(&key(0)), Found::Sound(_)));
        kept.keep(key(4), sound(MOST + 1));
        assert!(!kept.sounds.contains_key(&key(4)));
        let before = kept.samples;
        kept.keep(key(5), sound(0));
        assert!(kept.samples > before && kept.samples <= MOST);
    }
}
