//! What is to be sent: one buffer for all packets, reused after each drain.

use std::net::SocketAddr;

use crate::command::PortId;

/// Bytes kept undrained at most; about 20,000 packets of 20 ms.
const MAX_BYTES: usize = 4 << 20;

/// Packets waiting to be sent.
#[derive(Debug, Default)]
pub struct Transmits {
    bytes: Vec<u8>,
    packets: Vec<(PortId, SocketAddr, usize, usize)>,
}

impl Transmits {
    /// Adds what `write` appends to the buffer. Returns false, adding nothing, if the buffer is
    /// full because nobody drains it, or if `write` says no.
    pub fn add(
        &mut self,
        port: PortId,
        to: SocketAddr,
        write: impl FnOnce(&mut Vec<u8>, usize) -> bool,
    ) -> bool {
        let start = self.bytes.len();
        if start > MAX_BYTES {
            return false;
        }
        if !write(&mut self.bytes, start) {
            self.bytes.truncate(start);
            return false;
        }
        self.packets.push((port, to, start, self.bytes.len()));
        true
    }

    /// Hands everything out, oldest first.
    pub fn drain(&mut self, mut send: impl FnMut(PortId, SocketAddr, &[u8])) {
        for &(port, to, start, end) in &self.packets {
            send(port, to, &self.bytes[start..end]);
        }
        self.packets.clear();
        self.bytes.clear();
    }
}
