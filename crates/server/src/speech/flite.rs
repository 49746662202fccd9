//! English by Flite, with the voice `slt`: part of the binary, nothing to install (D11).
#![allow(unsafe_code, reason = "Flite is a C library")]

use std::ffi::{CString, c_char, c_int, c_short, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use media::Sound;

use super::{LONGEST, Speech};

// `fliters` compiles and links the C sources; its own wrapper leaks the samples of each wave, so
// we call the library ourselves.
use fliters as _;

/// `struct cst_wave_struct` of Flite's `cst_wave.h`: samples are 16-bit, interleaved.
#[repr(C)]
struct Wave {
    kind: *const c_char,
    sample_rate: c_int,
    num_samples: c_int,
    num_channels: c_int,
    samples: *mut c_short,
}

unsafe extern "C" {
    fn flite_init() -> c_int;
    fn register_cmu_us_slt(directory: *const c_char) -> *mut c_void;
    fn flite_text_to_wave(text: *const c_char, voice: *mut c_void) -> *mut Wave;
    fn delete_wave(wave: *mut Wave);
}

/// The voice, once loaded. Never freed.
struct Voice(*mut c_void);

// SAFETY: the pointer is only used by the thread that holds the lock around it.
unsafe impl Send for Voice {}

/// The English engine.
#[derive(Debug, Default, Clone, Copy)]
pub struct Flite;

impl Speech for Flite {
    fn speak(&self, text: &str, _: Option<&str>, _: Option<&str>) -> Sound {
        static VOICE: OnceLock<Mutex<Voice>> = OnceLock::new();
        let voice = VOICE.get_or_init(|| {
            // SAFETY: called once, before anything else of the library; both accept null.
            unsafe {
                flite_init();
                Mutex::new(Voice(register_cmu_us_slt(ptr::null())))
            }
        });
        let Ok(text) = CString::new(plain(text)) else {
            return Sound::default();
        };
        // One at a time: the library does not promise more.
        let voice = voice.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: `text` ends with a zero and lives until the call returns; `voice` was registered.
        // The wave is ours, is read within its own bounds, and is freed exactly once.
        unsafe {
            let wave = flite_text_to_wave(text.as_ptr(), voice.0);
            let Some(found) = wave.as_ref() else {
                return Sound::default();
            };
            let count = usize::try_from(found.num_samples).unwrap_or(0);
            let samples = match found.samples.is_null() {
                true => Vec::new(),
                false => std::slice::from_raw_parts(found.samples, count).to_vec(),
            };
            let rate = u32::try_from(found.sample_rate).unwrap_or(16_000);
            delete_wave(wave);
            Sound::new(rate, samples)
        }
    }
}

/// What the old C code can be given: printable ASCII of a bounded length. Letters lose their
/// accents; what has no letter is left out rather than read as noise.
fn plain(text: &str) -> String {
    text.chars().take(LONGEST).filter_map(ascii).collect()
}

fn ascii(letter: char) -> Option<char> {
    Some(match letter {
        ' '..='~' => letter,
        '\t' | '\n' | '\r' | '\u{a0}' => ' ',
        'à'..='å' | 'æ' => 'a',
        'À'..='Å' | 'Æ' => 'A',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'È'..='Ë' => 'E',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'Ò'..='Ö' | 'Ø' => 'O',
        'ù'..='ü' => 'u',
        'Ù'..='Ü' => 'U',
        'ß' => 's',
        '‘' | '’' => '\'',
        '–' | '—' | '…' => ',',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_as_long_as_speech_is() {
        let sound = Flite.speak("Hello from Switchboard.", None, None);
        assert_eq!(sound.rate, 16_000);
        let length = sound.duration().as_millis();
        assert!((800..4000).contains(&length), "{length} ms");
        let loudest = sound
            .samples
            .iter()
            .map(|sample| sample.unsigned_abs())
            .max();
        assert!(loudest > Some(3000));
    }

    #[test]
    fn any_text_is_harmless() {
        for text in ["", "\0\0", "日本語", "%s%n%d", "<speak>", "é’—"] {
            Flite.speak(text, None, None);
        }
        assert_eq!(plain("é’s—\0日"), "e's,");
    }
}
