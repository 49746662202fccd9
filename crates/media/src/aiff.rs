//! AIFF and AIFF-C files: PCM of 8 or 16 bits, mu-law and A-law, any rate; stereo is mixed down.

use crate::codec::{pcma, pcmu};
use crate::pcm::Layout;
use crate::sound::Sound;
use crate::wav::Unplayable;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The whole part of an 80-bit IEEE 754 number, which is how a sample rate is written here.
fn extended_at(bytes: &[u8], at: usize) -> Option<u32> {
    let exponent = u16_at(bytes, at)?;
    let mantissa = u64::from(u32_at(bytes, at + 2)?) << 32 | u64::from(u32_at(bytes, at + 6)?);
    // The mantissa has its point after the first bit; rates have at most 32 bits. A sign gives a
    // huge exponent.
    let bits = u32::from(exponent).checked_sub(16_383)?;
    (bits < 32).then(|| (mantissa >> (63 - bits)) as u32)
}

/// Whether these are the first bytes of such a file.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.get(..4) == Some(b"FORM") && matches!(bytes.get(8..12), Some(b"AIFF" | b"AIFC"))
}

/// Reads a file of at most `max_samples` samples a channel. One that is cut short is read as far as
/// it goes.
pub fn read(bytes: &[u8], max_samples: usize) -> Result<Sound, Unplayable> {
    use Unplayable::{Malformed, Unsupported};
    if !begins(bytes) {
        return Err(Malformed);
    }
    let mut at = 12;
    let mut format = None;
    while let (Some(id), Some(length)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) {
        let start = at + 8;
        let length = length as usize;
        let end = start.saturating_add(length).min(bytes.len());
        let body = &bytes[start..end];
        if id == b"COMM" {
            let channels = usize::from(u16_at(body, 0).ok_or(Malformed)?);
            let bits = u16_at(body, 6).ok_or(Malformed)?;
            let rate = extended_at(body, 8).ok_or(Malformed)?;
            // Plain AIFF ends here; AIFF-C names the encoding.
            let encoding = body.get(18..22).unwrap_or(b"NONE");
            format = Some((encoding, channels, rate, bits));
        } else if id == b"SSND" {
            let (encoding, channels, rate, bits) = format.ok_or(Malformed)?;
            let (width, sample): (usize, fn(&[u8]) -> i32) = match (encoding, bits) {
                (b"NONE" | b"twos", 16) => (2, |b| i32::from(i16::from_be_bytes([b[0], b[1]]))),
                (b"sowt", 16) => (2, |b| i32::from(i16::from_le_bytes([b[0], b[1]]))),
                // Eight bits have a sign, unlike those of WAV.
                (b"NONE" | b"twos", 8) => (1, |b| i32::from(b[0] as i8) * 256),
                // The bits are those of the sound before it was compressed.
                (b"ulaw" | b"ULAW", _) => (1, |b| i32::from(pcmu::decode(b[0]))),
                (b"alaw" | b"ALAW", _) => (1, |b| i32::from(pcma::decode(b[0]))),
                _ => return Err(Unsupported),
            };
            let layout = Layout::new(rate, channels, width, sample)?;
            // An offset, for those who align to blocks, and the size of the block.
            let offset = u32_at(body, 0).ok_or(Malformed)? as usize;
            let data = body.get(8usize.saturating_add(offset)..).ok_or(Malformed)?;
            return layout.read(data, max_samples);
        }
        // Chunks are padded to even length.
        at = start.saturating_add(length).saturating_add(length & 1);
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 kHz as an 80-bit number.
    const RATE: [u8; 10] = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];

    fn file(encoding: Option<&[u8; 4]>, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut common = Vec::new();
        common.extend(channels.to_be_bytes());
        common.extend(0u32.to_be_bytes());
        common.extend(bits.to_be_bytes());
        common.extend(RATE);
        if let Some(encoding) = encoding {
            common.extend(encoding);
            common.extend([0, 0]);
        }
        let mut sound = vec![0; 8];
        sound.extend(data);
        let kind = if encoding.is_some() { b"AIFC" } else { b"AIFF" };
        let mut out = b"FORM\0\0\0\0".to_vec();
        out.extend(kind);
        // A chunk of odd length is followed by a byte of padding.
        for (id, body) in [
            (b"NAME", &b"odd"[..]),
            (b"COMM", &common),
            (b"SSND", &sound),
        ] {
            out.extend(id);
            out.extend((body.len() as u32).to_be_bytes());
            out.extend(body);
            out.extend(&[0][..body.len() % 2]);
        }
        out
    }

    fn samples(encoding: Option<&[u8; 4]>, bits: u16, data: &[u8]) -> Vec<i16> {
        let sound = read(&file(encoding, 1, bits, data), 9).unwrap();
        assert_eq!(sound.rate, 8000);
        sound.samples
    }

    #[test]
    fn every_encoding() {
        assert_eq!(samples(None, 16, &[1, 2, 0xff, 0xfe]), [258, -2]);
        assert_eq!(samples(None, 8, &[1, 0x80]), [256, -32768]);
        assert_eq!(samples(Some(b"NONE"), 16, &[1, 2]), [258]);
        assert_eq!(samples(Some(b"sowt"), 16, &[2, 1]), [258]);
        assert_eq!(samples(Some(b"ulaw"), 16, &[0x80, 0xff]), [32124, 0]);
        assert_eq!(samples(Some(b"alaw"), 8, &[0xd5]), [8]);
        let stereo = read(&file(None, 2, 16, &[0, 10, 0, 20]), 9).unwrap();
        assert_eq!(stereo.samples, [15]);
        for (encoding, channels, bits) in [(Some(b"fl32"), 1, 32), (None, 0, 16), (None, 1, 24)] {
            let file = file(encoding, channels, bits, &[0; 12]);
            assert_eq!(read(&file, 9), Err(Unplayable::Unsupported));
        }
        assert_eq!(
            read(&file(None, 1, 16, &[0; 20]), 9),
            Err(Unplayable::TooLong)
        );
    }

    #[test]
    fn the_rate_is_an_80_bit_number() {
        for (bytes, rate) in [
            (RATE, Some(8000)),
            ([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0], Some(44_100)),
            ([0x3f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Some(1)),
            ([0; 10], None),
            ([0xff; 10], None),
        ] {
            assert_eq!(extended_at(&bytes, 0), rate);
        }
    }

    #[test]
    fn cuts_and_noise_are_survived() {
        let good = file(Some(b"ulaw"), 2, 16, &[7; 40]);
        for end in 0..good.len() {
            let _ = read(&good[..end], 100);
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = 0xff;
            let _ = read(&bad, 100);
        }
        assert_eq!(read(b"RIFF", 100), Err(Unplayable::Malformed));
    }
}
