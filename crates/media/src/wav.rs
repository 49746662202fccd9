//! WAV files: PCM of 8 or 16 bits, mu-law and A-law, any rate; stereo is mixed down.

use crate::codec::{pcma, pcmu};
use crate::pcm::Layout;
use crate::sound::Sound;

/// Why a file cannot be played. Whoever supplied the file must change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unplayable {
    /// Not the announced kind of file, or cut short before any sound.
    #[error("the file supplied is not readable as sound")]
    Malformed,
    /// A kind of sound we do not read.
    #[error("the file supplied uses an encoding that is not supported")]
    Unsupported,
    /// More sound than allowed.
    #[error("the file supplied holds more sound than is allowed")]
    TooLong,
}

const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// WAVE_FORMAT_EXTENSIBLE: the real format follows in a GUID.
const EXTENSIBLE: u16 = 0xfffe;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at + 2)
        .map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// Reads a file of at most `max_samples` samples a channel. A data chunk cut short, or of unknown
/// length as in a stream, is read as far as it goes.
pub fn read(bytes: &[u8], max_samples: usize) -> Result<Sound, Unplayable> {
    use Unplayable::{Malformed, Unsupported};
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err(Malformed);
    }
    let mut at = 12;
    let mut format = None;
    while let (Some(id), Some(length)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) {
        let start = at + 8;
        let length = length as usize;
        let end = start.saturating_add(length).min(bytes.len());
        let body = &bytes[start..end];
        if id == b"fmt " {
            let mut kind = u16_at(body, 0).ok_or(Malformed)?;
            if kind == EXTENSIBLE {
                kind = u16_at(body, 24).ok_or(Malformed)?;
            }
            let channels = usize::from(u16_at(body, 2).ok_or(Malformed)?);
            let rate = u32_at(body, 4).ok_or(Malformed)?;
            let bits = u16_at(body, 14).ok_or(Malformed)?;
            format = Some((kind, channels, rate, bits));
        } else if id == b"data" {
            let (kind, channels, rate, bits) = format.ok_or(Malformed)?;
            let sample: fn(&[u8]) -> i32 = match (kind, bits) {
                (PCM, 16) => |b| i32::from(i16::from_le_bytes([b[0], b[1]])),
                // Eight bits are without sign.
                (PCM, 8) => |b| (i32::from(b[0]) - 128) * 256,
                (MU_LAW, 8) => |b| i32::from(pcmu::decode(b[0])),
                (A_LAW, 8) => |b| i32::from(pcma::decode(b[0])),
                _ => return Err(Unsupported),
            };
            let width = usize::from(bits) / 8;
            return Layout::new(rate, channels, width, sample)?.read(body, max_samples);
        }
        // Chunks are padded to even length.
        at = start.saturating_add(length).saturating_add(length & 1);
    }
    Err(Malformed)
}

/// A 16-bit PCM file; with a second channel it is stereo, the shorter side filled with silence.
pub fn write(sound: &Sound, second: Option<&Sound>) -> Vec<u8> {
    let channels: u16 = if second.is_some() { 2 } else { 1 };
    let frames = sound
        .samples
        .len()
        .max(second.map_or(0, |s| s.samples.len()));
    // The format cannot say more than 4 GiB; what is beyond is left out.
    let frames = frames.min((u32::MAX as usize - 64) / (2 * usize::from(channels)));
    let length = (frames * 2 * usize::from(channels)) as u32;
    let mut out = Vec::with_capacity(44 + length as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + length).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    out.extend_from_slice(&PCM.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&sound.rate.to_le_bytes());
    out.extend_from_slice(
        &sound
            .rate
            .saturating_mul(2 * u32::from(channels))
            .to_le_bytes(),
    );
    out.extend_from_slice(&(2 * channels).to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&length.to_le_bytes());
    let sample = |of: &Sound, i: usize| of.samples.get(i).copied().unwrap_or(0).to_le_bytes();
    for i in 0..frames {
        out.extend_from_slice(&sample(sound, i));
        if let Some(second) = second {
            out.extend_from_slice(&sample(second, i));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        out.extend(kind.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend([0; 6]);
        out.extend(bits.to_le_bytes());
        out.extend(b"data");
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out
    }

    #[test]
    fn written_is_read() {
        let sound = Sound::new(8000, vec![1, -2, 32767, -32768]);
        assert_eq!(read(&write(&sound, None), 100), Ok(sound.clone()));
        let second = Sound::new(8000, vec![3, 0]);
        let both = read(&write(&sound, Some(&second)), 100).unwrap();
        assert_eq!(both.samples, [2, -1, 16383, -16384]);
        // The other reader of this format agrees.
        let mut other =
            hound::WavReader::new(std::io::Cursor::new(write(&sound, Some(&second)))).unwrap();
        assert_eq!(other.spec().channels, 2);
        assert_eq!(
            other
                .samples::<i16>()
                .map(Result::unwrap)
                .collect::<Vec<_>>(),
            [1, 3, -2, 0, 32767, 0, -32768, 0]
        );
    }

    #[test]
    fn every_encoding() {
        assert_eq!(
            read(&file(1, 1, 11025, 8, &[0, 128, 255]), 9).unwrap(),
            Sound::new(11025, vec![-32768, 0, 32512])
        );
        assert_eq!(
            read(&file(7, 1, 8000, 8, &[0x80, 0xff]), 9)
                .unwrap()
                .samples,
            [32124, 0]
        );
        assert_eq!(read(&file(6, 1, 8000, 8, &[0xd5]), 9).unwrap().samples, [8]);
        assert_eq!(
            read(&file(3, 1, 8000, 32, &[0; 8]), 9),
            Err(Unplayable::Unsupported)
        );
        assert_eq!(
            read(&file(1, 0, 8000, 16, &[0; 8]), 9),
            Err(Unplayable::Unsupported)
        );
        assert_eq!(
            read(&file(1, 1, 8000, 16, &[0; 20]), 9),
            Err(Unplayable::TooLong)
        );
    }

    #[test]
    fn cuts_and_noise_are_survived() {
        let good = file(1, 2, 8000, 16, &[7; 40]);
        for end in 0..good.len() {
            let _ = read(&good[..end], 100);
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = 0xff;
            let _ = read(&bad, 100);
        }
        assert_eq!(read(b"ID3 surely not", 100), Err(Unplayable::Malformed));
    }
}
