//! Which kind of sound a file holds.

use media::au::{self, Law};
use media::{Sound, aiff, mp3, wav};

/// Longest file, in decoded samples: an hour of 8 kHz, ten minutes of 48 kHz.
const LONGEST_FILE: usize = 48_000 * 600;

/// A file as sound. Its first bytes tell its kind, rather than what the server calls it; except for
/// telephone sound without a file around it, which has no first bytes of its own.
pub fn decode(content_type: &str, bytes: &[u8]) -> Option<Sound> {
    if bytes.starts_with(b"RIFF") {
        return wav::read(bytes, LONGEST_FILE).ok();
    }
    if aiff::begins(bytes) {
        return aiff::read(bytes, LONGEST_FILE).ok();
    }
    if au::begins(bytes) {
        return au::read(bytes, LONGEST_FILE).ok();
    }
    if let Some(law) = law(content_type) {
        return law.read(bytes, LONGEST_FILE).ok();
    }
    mp3::read(bytes.to_vec(), LONGEST_FILE).ok()
}

/// The law that a content type means, whatever its parameters.
pub(super) fn law(content_type: &str) -> Option<Law> {
    let essence = content_type.split(';').next().unwrap_or_default();
    Law::of(&essence.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    // play-5
    #[test]
    fn every_kind_of_file_is_told_by_its_first_bytes() {
        let sound = Sound::new(8000, vec![256, -512, 1024]);
        let wav = wav::write(&sound, None);
        assert_eq!(decode("audio/mpeg", &wav), Some(sound));
        let mp3 = include_bytes!("../../../media/tests/sounds/tone.mp3");
        assert_eq!(decode("audio/wav", mp3).unwrap().rate, 22_050);
        let mut aiff = b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12\0\x01\0\0\0\x01\0\x10".to_vec();
        aiff.extend(b"\x40\x0b\xfa\0\0\0\0\0\0\0SSND\0\0\0\x0a\0\0\0\0\0\0\0\0\x01\x02");
        assert_eq!(decode("", &aiff), Some(Sound::new(8000, vec![258])));
        let au = b".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\x01\0\0\x1f\x40\0\0\0\x01\x80";
        assert_eq!(
            decode("audio/basic", au),
            Some(Sound::new(8000, vec![32124]))
        );
        // Silence in mu-law looks like the beginning of a frame of MP3.
        let silence = Some(Sound::new(8000, vec![0; 3]));
        assert_eq!(decode("Audio/Basic; rate=8000", &[0xff; 3]), silence);
        assert_eq!(
            decode("audio/alaw", &[0xd5]),
            Some(Sound::new(8000, vec![8]))
        );
        assert_eq!(decode("audio/mpeg", b"<html>not found</html>"), None);
    }
}
