//! Identifiers and keys nobody can guess who does not know the seed, the same for the same seed.

use model::sid::CallSid;
use sha2::{Digest, Sha256};

/// SHA-256 over the seed and a counter.
pub(crate) struct Chance {
    seed: [u8; 32],
    counter: u64,
}

impl Chance {
    pub fn new(seed: [u8; 32]) -> Chance {
        Chance { seed, counter: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        self.derive(&format!("block {}", self.counter))
    }

    /// The same key for the same word.
    pub fn derive(&self, word: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.seed);
        digest.update(word.as_bytes());
        digest.finalize().into()
    }

    fn sixteen(&mut self) -> [u8; 16] {
        let block = self.block();
        std::array::from_fn(|at| block[at])
    }

    pub fn call_sid(&mut self) -> CallSid {
        CallSid::from_bytes(self.sixteen())
    }

    /// The name of a call message: `KX` and 32 hexadecimal digits.
    pub fn voice_event_sid(&mut self) -> String {
        // The digits of a CallSid, with the other two letters.
        let digits = self.call_sid().to_string();
        format!("KX{}", &digits[2..])
    }
}
