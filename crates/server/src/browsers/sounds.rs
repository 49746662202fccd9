//! The sounds that the browser SDKs load when a device is set up: of our own making, at the SDKs'
//! paths (`voice-client.md` 7). Without them every incoming call is shown two seconds late.
//!
//! They are WAV files under the names the SDKs ask for: browsers look at the bytes, not the name.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use media::Sound;
use media::tone::{Oscillator, Part};

/// Samples a second of all of them.
const RATE: u32 = 16_000;
/// How long a key sounds, in milliseconds; as long as the SDKs' own.
const KEY: u32 = 160;

/// The paths of both eras: up to 1.9.7 on the media host, later on the SDK host.
pub fn router() -> Router {
    Router::new()
        .route("/sdk/js/client/sounds/releases/1.0.0/{file}", get(file))
        .route("/js/client/sounds/releases/1.0.0/{file}", get(file))
}

async fn file(Path(file): Path<String>) -> Response {
    let name = file
        .strip_suffix(".mp3")
        .or_else(|| file.strip_suffix(".ogg"))
        .unwrap_or(&file);
    let Some((_, bytes)) = SOUNDS.iter().find(|(known, _)| known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (CONTENT_TYPE, "audio/wav"),
        // Loaded by pages of any origin.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, bytes.clone()).into_response()
}

/// Every file that the SDKs know, made at the first request.
static SOUNDS: LazyLock<Vec<(String, Bytes)>> = LazyLock::new(|| {
    let ring = [
        part(880, 1108, 400),
        part(0, 0, 200),
        part(880, 1108, 400),
        part(0, 0, 2000),
    ];
    let mut sounds = vec![
        ("incoming".to_owned(), tones(&ring)),
        (
            "outgoing".to_owned(),
            tones(&[part(660, 0, 120), part(880, 0, 120)]),
        ),
        (
            "disconnect".to_owned(),
            tones(&[part(660, 0, 120), part(440, 0, 180)]),
        ),
        // Spoken into a preflight test that has no microphone.
        (
            "cowbell".to_owned(),
            tones(&[part(562, 845, 300), part(0, 0, 200)]),
        ),
    ];
    for key in "0123456789*#".chars() {
        let name = match key {
            '*' => "dtmf-star".to_owned(),
            '#' => "dtmf-hash".to_owned(),
            digit => format!("dtmf-{digit}"),
        };
        let mut samples = vec![0; samples(KEY)];
        Oscillator::default().dtmf(key, RATE, &mut samples);
        sounds.push((name, wav(samples)));
    }
    sounds
});

const fn part(first: u16, second: u16, ms: u32) -> Part {
    Part {
        first,
        second,
        modulated: false,
        ms,
    }
}

const fn samples(ms: u32) -> usize {
    (RATE / 1000 * ms) as usize
}

fn tones(parts: &[Part]) -> Bytes {
    let mut all = Vec::new();
    for part in parts {
        let begin = all.len();
        all.resize(begin + samples(part.ms), 0);
        Oscillator::default().tone(*part, RATE, &mut all[begin..]);
    }
    wav(all)
}

fn wav(samples: Vec<i16>) -> Bytes {
    media::wav::write(&Sound::new(RATE, samples), None).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_sixteen_are_served_to_pages_of_any_origin_and_can_be_played() {
        assert_eq!(SOUNDS.len(), 16);
        for (name, _) in SOUNDS.iter() {
            let answer = file(Path(format!("{name}.mp3"))).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert_eq!(answer.headers()[CONTENT_TYPE], "audio/wav");
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
                .await
                .expect("a body in memory can be read");
            // What the SDKs and browsers look at.
            assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
            let sound = media::wav::read(&bytes, 1 << 20).expect("our own WAV can be read");
            assert!(
                sound.samples.iter().any(|sample| sample.abs() > 2000),
                "{name}"
            );
        }
        let answer = file(Path("cat.mp3".to_owned())).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
