//! Tables by port number, looked up for each packet.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::command::PortId;

/// Something for each port. Port numbers are ours, so that no stranger can choose colliding ones
/// and one multiplication spreads them well enough.
pub type PortMap<V> = HashMap<PortId, V, BuildHasherDefault<Spread>>;

/// Fibonacci hashing (Knuth, volume 3, section 6.4).
#[derive(Debug, Default, Clone, Copy)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes its place from the low bits and a tag from the high ones.
        self.0 = (self.0 ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
