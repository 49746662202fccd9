//! WAV files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::wav;

/// Two minutes at 8 kHz.
const MOST: usize = 960_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sound) = wav::read(bytes, MOST) else {
        return;
    };
    assert!(sound.samples.len() <= MOST, "the bound holds");
    sound.duration();
    let printed = wav::write(&sound, None);
    let again = wav::read(&printed, MOST).expect("we read what we write");
    assert_eq!(again, sound);
    // Every sound is brought to the rates of the codecs before it is played.
    for rate in [8_000, 16_000] {
        sound.resampled(rate);
    }
});
