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

    /// How loud 700 Hz is, as the peak of its sine.
    fn peak(sound: &Sound) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, &sample) in sound.samples.iter().enumerate() {
            let angle = std::f64::consts::TAU * 700.0 * i as f64 / f64::from(sound.rate);
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
        }
        2.0 * re.hypot(im) / sound.samples.len() as f64
    }

    fn energy(sound: &Sound) -> f64 {
        let squares = sound.samples.iter().map(|&s| f64::from(s).powi(2));
        squares.sum::<f64>() / sound.samples.len() as f64
    }

    /// Made with ffmpeg and LAME: 700 Hz at half of full scale, three seconds of it in one channel of
    /// 22.05 kHz (with an ID3 tag, which has to be passed over), one second on the left of two
    /// channels of 44.1 kHz.
    #[test]
    fn a_real_file_has_its_frequency_level_and_length() {
        let tone = include_bytes!("../tests/sounds/tone.mp3");
        assert!(tone.starts_with(b"ID3"));
        let left = include_bytes!("../tests/sounds/left.mp3");
        for (bytes, rate, seconds, level) in [
            (&tone[..], 22_050, 3.0, 16_384.0),
            // The other channel is silent, so the mix is half as loud.
            (&left[..], 44_100, 1.0, 8_192.0),
        ] {
            let sound = read(bytes.to_vec(), 1 << 20).unwrap();
            assert_eq!(sound.rate, rate);
            // An encoder adds up to three frames of silence around the sound.
            let length = sound.duration().as_secs_f64() - seconds;
            assert!((-0.02..0.1).contains(&length), "{length} s too long");
            let (peak, energy) = (peak(&sound), energy(&sound));
            let wrong = 20.0 * (peak * (seconds + length) / seconds / level).log10();
            assert!(wrong.abs() < 0.7, "{rate} Hz: {wrong} dB");
            let pure = peak * peak / 2.0 / energy;
            assert!(pure > 0.9, "{rate} Hz: {pure} of the energy");
        }
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
