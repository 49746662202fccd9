//! Tokens nobody can guess who does not know the seed, the same for the same seed.

use crate::digest::hex;
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::time::Duration;

/// SHA-256 over the seed and a counter.
pub(crate) struct Chance {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Chance {
    pub fn new(seed: [u8; 32]) -> Chance {
        Chance {
            seed,
            counter: 0,
            block: [0; 32],
            used: 32,
        }
    }

    fn byte(&mut self) -> u8 {
        if self.used == self.block.len() {
            self.counter += 1;
            let mut digest = Sha256::new();
            digest.update(b"stream");
            digest.update(self.seed);
            digest.update(self.counter.to_be_bytes());
            self.block = digest.finalize().into();
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// `length` letters of 5 bits each.
    pub fn token(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz2345679";
        (0..length)
            .map(|_| LETTERS[usize::from(self.byte() & 31)] as char)
            .collect()
    }

    /// A span between the two, in steps of a millisecond.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_millis() as u64 + 1;
        let number =
            u64::from(self.byte()) << 16 | u64::from(self.byte()) << 8 | u64::from(self.byte());
        low + Duration::from_millis(number % span)
    }

    pub fn number(&mut self) -> u64 {
        (0..8).fold(0, |n, _| n << 8 | u64::from(self.byte()))
    }

    /// The same text for the same parts, as long as the seed is the same; 16 hexadecimal digits.
    pub fn derive(&self, parts: &[&[u8]]) -> String {
        let mut digest = Sha256::new();
        digest.update(b"derive");
        digest.update(self.seed);
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex(&digest.finalize()[..8])
    }
}

/// Hashes with a secret in front, so that strangers cannot aim for one bucket, and still the same
/// for the same seed.
#[derive(Clone, Copy)]
pub(crate) struct Seeded(pub u64);

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}
