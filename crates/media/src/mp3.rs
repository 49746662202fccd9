//! MP3 files, decoded to mono.

use std::io::Cursor;

use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::DecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::codecs::MpaDecoder;
use symphonia::default::formats::MpaReader;

use crate::sound::Sound;
use crate::wav::Unplayable;

/// Frames in a row that may be broken before the file is given up.
const MAX_BROKEN: u32 = 50;

/// Reads a file of at most `max_samples` samples a channel.
pub fn read(bytes: Vec<u8>, max_samples: usize) -> Result<Sound, Unplayable> {
    use symphonia::core::codecs::Decoder;
    let stream = MediaSourceStream::new(
        Box::new(Cursor::new(bytes)),
        MediaSourceStreamOptions::default(),
    );
    let mut reader =
        MpaReader::try_new(stream, &FormatOptions::default()).map_err(|_| Unplayable::Malformed)?;
    let track = reader.default_track().ok_or(Unplayable::Malformed)?;
    let mut decoder = MpaDecoder::try_new(&track.codec_params, &DecoderOptions::default())
        .map_err(|_| Unplayable::Unsupported)?;
    let mut sound = Sound::default();
    let mut buffer: Option<SampleBuffer<i16>> = None;
    let mut broken = 0;
    // The end of the file shows as an I/O error; what is decoded until then is kept.
    while let Ok(packet) = reader.next_packet() {
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_)) => {
                broken += 1;
                if broken > MAX_BROKEN {
                    break;
                }
                continue;
            }
            Err(_) => break,
        };
        broken = 0;
        let spec = *decoded.spec();
        let channels = spec.channels.count().max(1);
        if sound.rate == 0 {
            sound.rate = spec.rate;
        }
        if spec.rate != sound.rate {
            // A change of rate in mid-file is damage, not music.
            continue;
        }
        let needed = decoded.capacity() * channels;
        let samples = match &mut buffer {
            Some(known) if known.capacity() >= needed => known,
            other => other.insert(SampleBuffer::new(decoded.capacity() as u64, spec)),
        };
        samples.copy_interleaved_ref(decoded);
        let frames = samples.samples().chunks_exact(channels);
        if sound.samples.len() + frames.len() > max_samples {
            return Err(Unplayable::TooLong);
        }
        sound.samples.extend(frames.map(|frame| {
            (frame.iter().map(|&s| i32::from(s)).sum::<i32>() / channels as i32) as i16
        }));
    }
    if sound.samples.is_empty() {
        Err(Unplayable::Malformed)
    } else {
        Ok(sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono: a header and an empty body are silence.
    fn silent_frame() -> Vec<u8> {
        let mut frame = vec![0xff, 0xfb, 0x90, 0xc4];
        frame.resize(417, 0);
        frame
    }

    #[test]
    fn silence_is_read() {
        let bytes = silent_frame().repeat(20);
        let sound = read(bytes, 1 << 20).unwrap();
        assert_eq!(sound.rate, 44_100);
        assert!(sound.samples.len() >= 15 * 1152, "{}", sound.samples.len());
        assert!(sound.samples.iter().all(|&s| s == 0));
        assert_eq!(
            read(silent_frame().repeat(20), 1152),
            Err(Unplayable::TooLong)
        );
    }

    #[test]
    fn noise_is_survived() {
        let mut state = 5u32;
        for _ in 0..100 {
            let mut bytes = silent_frame().repeat(4);
            for (i, byte) in bytes.iter_mut().enumerate() {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if i % 417 >= 4 {
                    *byte = (state >> 24) as u8;
                }
            }
            let _ = read(bytes, 1 << 20);
        }
        assert_eq!(
            read(b"<html>not found</html>".to_vec(), 100),
            Err(Unplayable::Malformed)
        );
        assert!(read(Vec::new(), 100).is_err());
    }
}
