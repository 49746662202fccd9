//! Identifiers, drawn from the seed that the shell passed in: xoshiro256** of Blackman and Vigna.
//!
//! The identifiers are unique, not secret: whoever knows one still needs the account's key.

use model::sid::CallSid;

use crate::input::{FetchId, LegId, PlaybackId};

/// The source of every identifier that the engine hands out.
pub(crate) struct Chance {
    state: [u64; 4],
    count: u64,
}

impl Chance {
    pub fn new(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        if state == [0; 4] {
            // The one state from which the generator never moves.
            state[0] = 0x9e37_79b9_7f4a_7c15;
        }
        let mut chance = Chance { state, count: 0 };
        // A seed with few bits set needs a few steps before they have spread.
        for _ in 0..16 {
            chance.word();
        }
        chance
    }

    fn word(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let drawn = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }

    /// A number below this bound; 0 when that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.word().checked_rem(bound).unwrap_or(0)
    }

    pub fn call(&mut self) -> CallSid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.word().to_be_bytes());
        bytes[8..].copy_from_slice(&self.word().to_be_bytes());
        CallSid::from_bytes(bytes)
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn leg(&mut self) -> LegId {
        LegId(LegId::DIALLED | self.next())
    }

    pub fn playback(&mut self) -> PlaybackId {
        PlaybackId(self.next())
    }

    pub fn fetch(&mut self) -> FetchId {
        FetchId(self.next())
    }
}
