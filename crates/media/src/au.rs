//! Telephone sound without a file around it (`audio/basic`, RFC 2046 section 4.3), and AU files, which
//! go by the same name and begin with `.snd`.

use crate::codec::{pcma, pcmu};
use crate::pcm::Layout;
use crate::sound::Sound;
use crate::wav::Unplayable;

/// Which law the bytes of 8 kHz follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// G.711 mu-law.
    Mu,
    /// G.711 A-law.
    A,
}

impl Law {
    /// The law that a content type means, given in lower case without parameters.
    pub fn of(content_type: &str) -> Option<Law> {
        Some(match content_type {
            "audio/basic" | "audio/ulaw" | "audio/x-ulaw" | "audio/mulaw" | "audio/x-mulaw"
            | "audio/pcmu" => Law::Mu,
            "audio/alaw" | "audio/x-alaw" | "audio/pcma" => Law::A,
            _ => return None,
        })
    }

    fn decode(self, byte: u8) -> i16 {
        match self {
            Law::Mu => pcmu::decode(byte),
            Law::A => pcma::decode(byte),
        }
    }

    /// Bytes of 8 kHz, one channel, at most `max_samples` of them.
    pub fn read(self, bytes: &[u8], max_samples: usize) -> Result<Sound, Unplayable> {
        if bytes.len() > max_samples {
            return Err(Unplayable::TooLong);
        }
        let samples = bytes.iter().map(|&byte| self.decode(byte)).collect();
        Ok(Sound::new(8000, samples))
    }
}

/// Whether these are the first bytes of an AU file.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b".snd")
}

/// Reads an AU file of at most `max_samples` samples a channel: mu-law, A-law, PCM of 8 or 16 bits.
pub fn read(bytes: &[u8], max_samples: usize) -> Result<Sound, Unplayable> {
    use Unplayable::{Malformed, Unsupported};
    let word = |at: usize| {
        let word = bytes.get(at..at + 4).ok_or(Malformed)?;
        Ok(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    };
    if !begins(bytes) {
        return Err(Malformed);
    }
    // The length in the third word may be unknown, so the sound goes to the end of the file.
    let (start, encoding, rate) = (word(4)? as usize, word(12)?, word(16)?);
    let channels = word(20)? as usize;
    let (width, sample): (usize, fn(&[u8]) -> i32) = match encoding {
        1 => (1, |b| i32::from(pcmu::decode(b[0]))),
        2 => (1, |b| i32::from(b[0] as i8) * 256),
        3 => (2, |b| i32::from(i16::from_be_bytes([b[0], b[1]]))),
        27 => (1, |b| i32::from(pcma::decode(b[0]))),
        _ => return Err(Unsupported),
    };
    let layout = Layout::new(rate, channels, width, sample)?;
    layout.read(bytes.get(start..).ok_or(Malformed)?, max_samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(encoding: u32, channels: u32, data: &[u8]) -> Vec<u8> {
        let mut out = b".snd".to_vec();
        for word in [28, u32::MAX, encoding, 11_025, channels] {
            out.extend(word.to_be_bytes());
        }
        out.extend(b"note");
        out.extend(data);
        out
    }

    #[test]
    fn every_encoding() {
        for (encoding, data, sample) in [
            (1, &[0x80][..], 32124),
            (2, &[1], 256),
            (3, &[1, 2], 258),
            (27, &[0xd5], 8),
        ] {
            let sound = read(&file(encoding, 1, data), 9);
            assert_eq!(sound, Ok(Sound::new(11_025, vec![sample])));
        }
        let stereo = read(&file(3, 2, &[0, 10, 0, 20]), 9).unwrap();
        assert_eq!(stereo.samples, [15]);
        let float = read(&file(6, 1, &[0; 8]), 9);
        assert_eq!(float, Err(Unplayable::Unsupported));
        assert_eq!(read(&file(1, 1, &[0; 10]), 9), Err(Unplayable::TooLong));
        let good = file(1, 1, &[0; 8]);
        for end in 0..good.len() {
            let _ = read(&good[..end], 9);
        }
    }

    #[test]
    fn sound_without_a_file_follows_its_content_type() {
        let mu = Law::of("audio/basic").unwrap();
        assert_eq!(mu.read(&[0x80, 0xff], 9).unwrap().samples, [32124, 0]);
        let a = Law::of("audio/x-alaw").unwrap();
        assert_eq!(a.read(&[0xd5], 9).unwrap(), Sound::new(8000, vec![8]));
        assert_eq!(a.read(&[0; 10], 9), Err(Unplayable::TooLong));
        assert_eq!(Law::of("audio/mpeg"), None);
    }
}
