//! Secure RTP (RFC 3711) with the two suites of RFC 4568.

use aes::Aes128;
use aes::cipher::{
    Block, BlockEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use ctr::{CtrCore, flavors::Ctr128BE};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::packet::header_len;

/// An SDES cipher suite (RFC 4568 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES-128 counter mode, 80-bit tags.
    AesCm128HmacSha1_80,
    /// AES-128 counter mode, 32-bit tags on RTP; RTCP still has 80 bits.
    AesCm128HmacSha1_32,
}

impl Suite {
    /// The name in an `a=crypto` line.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of this name.
    pub fn named(name: &str) -> Option<Suite> {
        [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32]
            .into_iter()
            .find(|suite| suite.name() == name)
    }

    fn rtp_tag(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 => 4,
        }
    }
}

/// RTCP always carries 80 bits with these suites (RFC 4568 section 6.2).
const RTCP_TAG: usize = 10;
/// Sources one direction keeps state for. A peer that changes its source more often loses the oldest.
const MAX_SOURCES: usize = 4;

/// Why a packet was not accepted. All mean: drop it and count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too short or no RTP at all.
    #[error("the peer sent a malformed secure packet")]
    Malformed,
    /// The tag does not match: wrong key or tampered with.
    #[error("the packet's authentication tag does not match")]
    Tag,
    /// Seen before, or older than the window.
    #[error("the packet was seen before or is too old")]
    Replayed,
}

type Cipher = StreamCipherCoreWrapper<CtrCore<Aes128, Ctr128BE>>;

/// Keys derived from a master key for RTP or RTCP.
#[derive(Clone)]
struct Keys {
    cipher: Aes128,
    salt: [u8; 14],
    mac: Hmac<Sha1>,
}

impl Keys {
    /// RFC 3711 section 4.3 with a key derivation rate of 0. `label` is 0 for RTP, 3 for RTCP.
    fn derive(master: &Aes128, salt: &[u8; 14], label: u8) -> Keys {
        let mut key = [0; 16];
        let mut auth = [0; 20];
        let mut session_salt = [0; 14];
        pseudo_random(master, salt, label, &mut key);
        pseudo_random(master, salt, label + 1, &mut auth);
        pseudo_random(master, salt, label + 2, &mut session_salt);
        Keys {
            cipher: Aes128::new(&key.into()),
            salt: session_salt,
            mac: <Hmac<Sha1> as Mac>::new_from_slice(&auth)
                .expect("HMAC takes a key of any length"),
        }
    }

    /// Encrypts or decrypts `data`, packet `index` of `ssrc` (RFC 3711 section 4.1.1).
    fn crypt(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let mut iv = [0u8; 16];
        iv[..14].copy_from_slice(&self.salt);
        for (byte, ssrc) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= ssrc;
        }
        for (byte, index) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= index;
        }
        let core = CtrCore::inner_iv_init(self.cipher.clone(), &iv.into());
        Cipher::from_core(core).apply_keystream(data);
    }
}

fn pseudo_random(master: &Aes128, salt: &[u8; 14], label: u8, out: &mut [u8]) {
    let mut block = [0u8; 16];
    block[..14].copy_from_slice(salt);
    block[7] ^= label;
    for (counter, chunk) in out.chunks_mut(16).enumerate() {
        block[15] = counter as u8;
        let mut stream = Block::<Aes128>::from(block);
        master.encrypt_block(&mut stream);
        chunk.copy_from_slice(&stream[..chunk.len()]);
    }
}

/// Which of the last 128 packets were seen (RFC 3711 section 3.3.2).
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    highest: Option<u64>,
    /// Bit n: `highest - n` was seen.
    seen: u128,
}

impl Window {
    fn allows(&self, index: u64) -> bool {
        match self.highest {
            None => true,
            Some(highest) if index > highest => true,
            Some(highest) => highest - index < 128 && self.seen >> (highest - index) & 1 == 0,
        }
    }

    fn note(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => self.seen |= 1 << (highest - index),
            before => {
                let step = before.map_or(128, |highest| index - highest);
                self.seen = if step >= 128 {
                    1
                } else {
                    self.seen << step | 1
                };
                self.highest = Some(index);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

/// One direction of a secure stream.
#[derive(Clone)]
pub struct Context {
    suite: Suite,
    rtp: Keys,
    rtcp: Keys,
    sources: Vec<Source>,
    /// Index of the next RTCP packet we protect.
    rtcp_index: u32,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context({:?})", self.suite)
    }
}

impl Context {
    /// From the 30 bytes of an `a=crypto` line: master key, then master salt.
    pub fn new(suite: Suite, key_and_salt: &[u8; 30]) -> Context {
        let mut key = [0; 16];
        key.copy_from_slice(&key_and_salt[..16]);
        let mut salt = [0; 14];
        salt.copy_from_slice(&key_and_salt[16..]);
        let master = Aes128::new(&key.into());
        Context {
            suite,
            rtp: Keys::derive(&master, &salt, 0),
            rtcp: Keys::derive(&master, &salt, 3),
            sources: Vec::with_capacity(MAX_SOURCES),
            rtcp_index: 0,
        }
    }

    fn source(&self, ssrc: u32) -> Source {
        let known = self.sources.iter().find(|source| source.ssrc == ssrc);
        known.copied().unwrap_or(Source {
            ssrc,
            rtp: Window::default(),
            rtcp: Window::default(),
        })
    }

    /// Only called once a packet is authentic, so strangers cannot push anyone out.
    fn store(&mut self, source: Source) {
        if let Some(known) = self
            .sources
            .iter_mut()
            .find(|known| known.ssrc == source.ssrc)
        {
            *known = source;
        } else {
            if self.sources.len() >= MAX_SOURCES {
                self.sources.remove(0);
            }
            self.sources.push(source);
        }
    }

    /// Encrypts the RTP packet that `packet[start..]` holds and appends its tag.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<(), Refused> {
        let bytes = &mut packet[start..];
        let header = header_len(bytes).ok_or(Refused::Malformed)?;
        let (ssrc, sequence) = identity(bytes);
        let mut source = self.source(ssrc);
        let index = estimate(source.rtp.highest, sequence);
        source.rtp.note(index);
        self.rtp.crypt(ssrc, index, &mut bytes[header..]);
        let mut mac = self.rtp.mac.clone();
        mac.update(bytes);
        mac.update(&((index >> 16) as u32).to_be_bytes());
        let tag = mac.finalize().into_bytes();
        packet.extend_from_slice(&tag[..self.suite.rtp_tag()]);
        self.store(source);
        Ok(())
    }

    /// Checks and decrypts an RTP packet in place; the answer is its length without the tag.
    pub fn unprotect_rtp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        let length = bytes
            .len()
            .checked_sub(self.suite.rtp_tag())
            .ok_or(Refused::Malformed)?;
        let (body, tag) = bytes.split_at_mut(length);
        let header = header_len(body).ok_or(Refused::Malformed)?;
        let (ssrc, sequence) = identity(body);
        let mut source = self.source(ssrc);
        let index = estimate(source.rtp.highest, sequence);
        if !source.rtp.allows(index) {
            return Err(Refused::Replayed);
        }
        let mut mac = self.rtp.mac.clone();
        mac.update(body);
        mac.update(&((index >> 16) as u32).to_be_bytes());
        // Compares in constant time.
        mac.verify_truncated_left(tag).map_err(|_| Refused::Tag)?;
        self.rtp.crypt(ssrc, index, &mut body[header..]);
        source.rtp.note(index);
        self.store(source);
        Ok(length)
    }

    /// Encrypts the RTCP compound that `packet[start..]` holds; appends index and tag.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<(), Refused> {
        if packet.len() < start + 8 {
            return Err(Refused::Malformed);
        }
        let index = self.rtcp_index;
        self.rtcp_index = (index + 1) & 0x7fff_ffff;
        let bytes = &mut packet[start..];
        let ssrc = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        self.rtcp.crypt(ssrc, u64::from(index), &mut bytes[8..]);
        // The top bit says: encrypted (RFC 3711 section 3.4).
        packet.extend_from_slice(&(index | 0x8000_0000).to_be_bytes());
        let mut mac = self.rtcp.mac.clone();
        mac.update(&packet[start..]);
        let tag = mac.finalize().into_bytes();
        packet.extend_from_slice(&tag[..RTCP_TAG]);
        Ok(())
    }

    /// Checks and decrypts an RTCP compound in place; the answer is its length without index and tag.
    pub fn unprotect_rtcp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        let signed = bytes
            .len()
            .checked_sub(RTCP_TAG)
            .ok_or(Refused::Malformed)?;
        let length = signed
            .checked_sub(4)
            .filter(|&length| length >= 8)
            .ok_or(Refused::Malformed)?;
        let word = u32::from_be_bytes([
            bytes[length],
            bytes[length + 1],
            bytes[length + 2],
            bytes[length + 3],
        ]);
        let index = u64::from(word & 0x7fff_ffff);
        let ssrc = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let mut source = self.source(ssrc);
        if !source.rtcp.allows(index) {
            return Err(Refused::Replayed);
        }
        let mut mac = self.rtcp.mac.clone();
        mac.update(&bytes[..signed]);
        mac.verify_truncated_left(&bytes[signed..])
            .map_err(|_| Refused::Tag)?;
        if word & 0x8000_0000 != 0 {
            self.rtcp.crypt(ssrc, index, &mut bytes[8..length]);
        }
        source.rtcp.note(index);
        self.store(source);
        Ok(length)
    }
}

/// Source and sequence number of bytes known to hold an RTP header.
fn identity(bytes: &[u8]) -> (u32, u16) {
    (
        u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        u16::from_be_bytes([bytes[2], bytes[3]]),
    )
}

/// The packet index nearest to the highest one seen (RFC 3711 section 3.3.1).
fn estimate(highest: Option<u64>, sequence: u16) -> u64 {
    let Some(highest) = highest else {
        return u64::from(sequence);
    };
    let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
    let index = highest as i64 + step;
    // Before the first roll-over there is nothing older to belong to.
    if index < 0 {
        u64::from(sequence)
    } else {
        index as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packet::Packet;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    const MASTER: &str = "E1F97A0D3E018BE0D64FA32C06DE4139";
    const SALT: &str = "0EC675AD498AFEEBB6960B3AABE6";

    fn key() -> [u8; 30] {
        let mut bytes = hex(MASTER);
        bytes.extend(hex(SALT));
        bytes.try_into().unwrap()
    }

    #[test]
    fn key_derivation_of_rfc_3711_b3() {
        let master = Aes128::new_from_slice(&hex(MASTER)).unwrap();
        let salt: [u8; 14] = hex(SALT).try_into().unwrap();
        let mut key = [0; 16];
        pseudo_random(&master, &salt, 0, &mut key);
        assert_eq!(key.to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let mut session_salt = [0; 14];
        pseudo_random(&master, &salt, 2, &mut session_salt);
        assert_eq!(session_salt.to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mut auth = [0; 20];
        pseudo_random(&master, &salt, 1, &mut auth);
        assert_eq!(
            auth.to_vec(),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
        );
    }

    #[test]
    fn key_stream_of_rfc_3711_b2() {
        let keys = Keys {
            cipher: Aes128::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap(),
            salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
            mac: <Hmac<Sha1> as Mac>::new_from_slice(&[]).unwrap(),
        };
        let mut data = [0; 48];
        keys.crypt(0, 0, &mut data);
        assert_eq!(
            data.to_vec(),
            hex(
                "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
            )
        );
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        Packet {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp: 160,
            ssrc: 0xcafe_babe,
            payload: &[0xab; 16],
        }
        .print(&mut bytes);
        bytes
    }

    /// The packet of libsrtp's validation, made with the key of RFC 3711 B.3.
    #[test]
    fn a_packet_another_implementation_made() {
        let mut bytes = hex("800f1234decafbadcafebabe");
        bytes.extend([0xab; 16]);
        let plain = bytes.clone();
        let expected =
            hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
        Context::new(Suite::AesCm128HmacSha1_80, &key())
            .protect_rtp(&mut bytes, 0)
            .unwrap();
        assert_eq!(bytes, expected);
        let mut receiver = Context::new(Suite::AesCm128HmacSha1_80, &key());
        let length = receiver.unprotect_rtp(&mut bytes).unwrap();
        assert_eq!(bytes[..length], plain);
    }

    #[test]
    fn tampered_and_replayed_packets_are_refused() {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32] {
            let mut sender = Context::new(suite, &key());
            let mut receiver = Context::new(suite, &key());
            let mut sealed = packet(1);
            sender.protect_rtp(&mut sealed, 0).unwrap();
            for byte in 0..sealed.len() {
                let mut copy = sealed.clone();
                copy[byte] ^= 1;
                assert!(receiver.unprotect_rtp(&mut copy).is_err(), "byte {byte}");
            }
            for end in 0..sealed.len() {
                assert!(receiver.unprotect_rtp(&mut sealed.clone()[..end]).is_err());
            }
            let length = receiver.unprotect_rtp(&mut sealed.clone()).unwrap();
            assert_eq!(length, packet(1).len());
            assert_eq!(
                receiver.unprotect_rtp(&mut sealed.clone()),
                Err(Refused::Replayed)
            );
        }
    }

    #[test]
    fn survives_roll_over_and_reordering() {
        let mut sender = Context::new(Suite::AesCm128HmacSha1_80, &key());
        let mut receiver = Context::new(Suite::AesCm128HmacSha1_80, &key());
        let mut held = None;
        for step in 0..200u16 {
            let sequence = 65500u16.wrapping_add(step);
            let mut sealed = packet(sequence);
            sender.protect_rtp(&mut sealed, 0).unwrap();
            if step == 40 {
                held = Some(sealed);
                continue;
            }
            receiver.unprotect_rtp(&mut sealed).unwrap();
            if step == 50 {
                receiver.unprotect_rtp(&mut held.take().unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn rtcp_both_ways() {
        let mut sender = Context::new(Suite::AesCm128HmacSha1_32, &key());
        let mut receiver = Context::new(Suite::AesCm128HmacSha1_32, &key());
        let plain = hex("81c8000bcafebabe0123456789abcdef0123456789abcdef");
        let mut sealed = plain.clone();
        sender.protect_rtcp(&mut sealed, 0).unwrap();
        assert_ne!(sealed[8..plain.len()], plain[8..]);
        let mut bad = sealed.clone();
        bad[9] ^= 0x80;
        assert_eq!(receiver.unprotect_rtcp(&mut bad), Err(Refused::Tag));
        let mut copy = sealed.clone();
        let length = receiver.unprotect_rtcp(&mut copy).unwrap();
        assert_eq!(copy[..length], plain);
        assert_eq!(receiver.unprotect_rtcp(&mut sealed), Err(Refused::Replayed));
    }
}
