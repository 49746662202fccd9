//! MP3 files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::mp3;

/// Two minutes at 8 kHz.
const MOST: usize = 960_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sound) = mp3::read(bytes.to_vec(), MOST) {
        assert!(sound.samples.len() <= MOST, "the bound holds");
        assert!(sound.rate > 0, "a sound has a rate");
        sound.resampled(8_000);
    }
});
