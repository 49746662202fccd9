//! The demo programs, served by Switchboard itself: what a newcomer hears first.

use axum::Router;
use axum::extract::{Path, RawForm};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use media::Sound;

/// What the demo document says. The number of seconds it lasts is what tests compare with.
pub const GREETING: &str =
    "Hello. This is Switchboard, speaking from your own computer. Here is some music.";

/// Where the original serves its demo document (on a host of its own), and so do we.
pub const WELCOME: &str = "/welcome/voice/";

/// The demo document, and `/_switchboard/demo/…`: documents for the demo numbers, and the file that they play.
pub fn router() -> Router {
    Router::new()
        .route(WELCOME, any(welcome))
        .route(WELCOME.trim_end_matches('/'), any(welcome))
        .route("/_switchboard/demo/chime.wav", get(chime))
        .route("/_switchboard/demo/{program}", any(program))
        .route("/_switchboard/demo/menu/choice", any(choice))
        .route("/_switchboard/demo/failures/choice", any(failure))
}

/// A sentence and a file, as in the original.
async fn welcome() -> Response {
    twiml(&format!(
        "<Say>{GREETING}</Say><Play>/_switchboard/demo/chime.wav</Play>"
    ))
}

async fn program(Path(program): Path<String>) -> Response {
    match program.as_str() {
        "voice" => welcome().await,
        "echo" => twiml("<Say>Speak after the tone. You will hear yourself.</Say><Echo/>"),
        "menu" => twiml(
            r#"<Gather action="menu/choice" numDigits="1" timeout="10"><Say>Press one for the time of your life. Press two for music. Press any other key to hear it named.</Say></Gather><Say>You pressed nothing. Goodbye.</Say>"#,
        ),
        "failures" => twiml(
            r#"<Gather action="failures/choice" numDigits="1" timeout="10"><Say>Choose your trouble. One, server error. Two, broken document. Three, missing audio.</Say></Gather>"#,
        ),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn choice(RawForm(form): RawForm) -> Response {
    let digits = url::form_urlencoded::parse(&form)
        .find(|(name, _)| name == "Digits")
        .map(|(_, value)| value.into_owned());
    match digits.as_deref() {
        Some("1") => twiml("<Say>It is now. It always is.</Say>"),
        Some("2") => twiml("<Play>/_switchboard/demo/chime.wav</Play>"),
        Some(other) => {
            let key = if other == "*" {
                "star".to_owned()
            } else {
                other.chars().filter(char::is_ascii_alphanumeric).collect()
            };
            twiml(&format!(
                "<Say>You pressed {key}.</Say><Redirect>../menu</Redirect>"
            ))
        }
        None => twiml("<Redirect>../menu</Redirect>"),
    }
}

async fn failure(RawForm(form): RawForm) -> Response {
    let digits = url::form_urlencoded::parse(&form)
        .find(|(name, _)| name == "Digits")
        .map(|(_, value)| value.into_owned());
    match digits.as_deref() {
        Some("1") => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some("2") => ([(CONTENT_TYPE, "text/xml")], "<Response><Say>Unclosed").into_response(),
        Some("3") => twiml("<Play>/_switchboard/demo/missing.wav</Play>"),
        _ => twiml("<Redirect>../failures</Redirect>"),
    }
}

fn twiml(verbs: &str) -> Response {
    let document =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>{verbs}</Response>\n");
    ([(CONTENT_TYPE, "text/xml; charset=utf-8")], document).into_response()
}

/// Five notes of half a second each, 8 kHz: made here, so that nobody's music is in the binary.
async fn chime() -> Response {
    const RATE: u32 = 8000;
    const NOTES: [f32; 5] = [523.25, 659.25, 783.99, 1046.5, 783.99];
    let per_note = RATE / 2;
    let samples = NOTES
        .into_iter()
        .flat_map(|hertz| {
            (0..per_note).map(move |at| {
                let time = at as f32 / RATE as f32;
                // Struck, then fading away.
                let level = 9000.0 * (-4.0 * time).exp();
                (level * (std::f32::consts::TAU * hertz * time).sin()) as i16
            })
        })
        .collect();
    (
        [(CONTENT_TYPE, "audio/wav")],
        media::wav::write(&Sound::new(RATE, samples), None),
    )
        .into_response()
}
