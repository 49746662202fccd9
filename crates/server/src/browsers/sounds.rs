//! The sounds that the browser SDKs load when a device is set up: of our own making, at the SDKs'
//! paths (`voice-client.md` 7). Without them every incoming call is shown two seconds late.
//!
//! They are WAV files under the names the SDKs ask for: browsers look at the bytes, not the name.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
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

async fn file(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let name = file
        .strip_suffix(".mp3")
        .or_else(|| file.strip_suffix(".ogg"))
        .unwrap_or(&file);
    let Some((_, bytes)) = SOUNDS.iter().find(|(known, _)| known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let usual = [
        (CONTENT_TYPE, "audio/wav"),
        // Loaded by pages of any origin.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CACHE_CONTROL, "public, max-age=86400"),
        (ACCEPT_RANGES, "bytes"),
    ];
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    match range.and_then(|range| part_of(range, bytes.len())) {
        Some((first, last)) => {
            let place = format!("bytes {first}-{last}/{}", bytes.len());
            let part = bytes.slice(first..=last);
            (
                StatusCode::PARTIAL_CONTENT,
                usual,
                [(CONTENT_RANGE, place)],
                part,
            )
                .into_response()
        }
        // A range may be passed over (RFC 9110 section 14.2).
        None => (usual, bytes.clone()).into_response(),
    }
}

/// The first and last byte of a single range (RFC 9110 section 14.1.2). Safari plays nothing of a
/// server that does not know ranges.
fn part_of(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", last) => (length.saturating_sub(last.parse().ok()?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(end)),
    };
    (first <= last).then_some((first, last))
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
    async fn a_part_is_served_to_who_asks_for_a_part() {
        let whole = SOUNDS[0].1.clone();
        let end = whole.len() - 1;
        for (range, part) in [
            ("bytes=0-1", Some((0, 1))),
            ("bytes=0-", Some((0, end))),
            ("bytes=-4", Some((end - 3, end))),
            ("bytes=10-99999999", Some((10, end))),
            ("bytes=99999999-", None),
            ("bytes=5-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=1-2", None),
        ] {
            let headers = HeaderMap::from_iter([(RANGE, range.parse().expect("text"))]);
            let answer = file(Path("incoming.mp3".to_owned()), headers).await;
            let (status, place) = match part {
                Some((first, last)) => (206, Some(format!("bytes {first}-{last}/{}", end + 1))),
                None => (200, None),
            };
            assert_eq!(answer.status(), status, "{range}");
            let told = answer.headers().get(CONTENT_RANGE);
            let told = told.map(|told| told.to_str().expect("text").to_owned());
            assert_eq!(told, place, "{range}");
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
            let (first, last) = part.unwrap_or((0, end));
            assert_eq!(body.expect("in memory"), whole[first..=last], "{range}");
        }
    }

    #[tokio::test]
    async fn all_sixteen_are_served_to_pages_of_any_origin_and_can_be_played() {
        assert_eq!(SOUNDS.len(), 16);
        for (name, _) in SOUNDS.iter() {
            let answer = file(Path(format!("{name}.mp3")), HeaderMap::new()).await;
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
        let answer = file(Path("cat.mp3".to_owned()), HeaderMap::new()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
