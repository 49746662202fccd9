//! The page at `/` of the development mode: softphones that call each other, the numbers and the
//! virtual telephones. Here are its files, and what it asks the server for; the page itself is in
//! `assets/softphone`.
//!
//! Whoever opens the page may use the development account, so only pages of this address may: every
//! request must name a loopback host (no foreign name that was made to lead here), and what gives
//! something away must come from a page of ours. There are no cookies that could be sent along.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get, post};
use model::now::Wall;
use model::sid::ApplicationSid;
use model::token;
use serde::Deserialize;
use serde_json::{Value, json};
use twiml::ssml::Spoken;

use crate::rim::Rim;
use crate::{banner, clock, seed};

mod program;

pub use program::{PREFLIGHT, PROGRAM};

/// How long a token of the page lives, in seconds; the page asks for the next one in time.
const LIFETIME: u64 = 600;
/// Longest sentence that the robot speaks, in characters.
const LONGEST_SENTENCE: usize = 300;

/// A row of [`FILES`].
macro_rules! file {
    ($name:literal, $kind:ident) => {
        (
            $name,
            $kind,
            include_str!(concat!("../assets/softphone/", $name)),
        )
    };
}

/// The files: name, type, content.
const FILES: [(&str, &str, &str); 10] = [
    file!("index.html", HTML),
    file!("style.css", CSS),
    file!("softphone.js", JAVASCRIPT),
    file!("signalling.js", JAVASCRIPT),
    file!("phone.js", JAVASCRIPT),
    file!("sound.js", JAVASCRIPT),
    file!("quality.js", JAVASCRIPT),
    file!("card.js", JAVASCRIPT),
    file!("conversation.js", JAVASCRIPT),
    file!("words.js", JAVASCRIPT),
];
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The page, what it asks for, and the programs of its calls. For the development mode only.
pub fn router(rim: Rim) -> Router {
    let ours = Router::new()
        .route("/_switchboard/v1/softphone/token", post(issue))
        .route("/_switchboard/v1/softphone/directory", get(directory))
        .route("/_switchboard/v1/softphone/speech.wav", get(speech))
        .layer(middleware::from_fn(of_our_page));
    let programs = Router::new()
        .route(PROGRAM, any(program::call))
        .route(program::AFTER, any(program::after))
        .route(PREFLIGHT, any(program::preflight))
        .layer(middleware::from_fn(of_no_page));
    Router::new()
        .route("/", get(index))
        .route("/softphone/{file}", get(asset))
        .merge(ours)
        .merge(programs)
        .layer(middleware::from_fn(at_home))
        .with_state(rim)
}

async fn index(headers: HeaderMap, uri: Uri) -> Response {
    let host = host(&headers, &uri).unwrap_or_default();
    // Older browsers do not count sockets among `'self'`. The host was looked at: it is a name of
    // this computer, and cannot bring anything into the header.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         media-src 'self' blob:; connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (
            HeaderName::from_static("permissions-policy"),
            "microphone=(self)",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    (headers, send(FILES[0])).into_response()
}

async fn asset(Path(name): Path<String>) -> Response {
    match FILES.into_iter().find(|(known, ..)| *known == name) {
        Some(file) => send(file),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn send((_, kind, content): (&str, &'static str, &'static str)) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        // A newer binary has newer files under the same names.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, content).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Who the page wants to be.
    identity: String,
}

/// An access token for one of the page's telephones.
async fn issue(State(rim): State<Rim>, Json(wanted): Json<Wanted>) -> Response {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if wanted.identity.is_empty()
        || wanted.identity.len() > 40
        || !wanted.identity.chars().all(legal)
    {
        let text = "an identity has 1 to 40 letters, digits and underscores";
        return refusal(StatusCode::BAD_REQUEST, text);
    }
    let key = match rim.store.keys().find_anywhere(seed::key_sid()).await {
        Ok(Some(key)) => key,
        Ok(None) => {
            let text = "the development key was deleted, and the page's tokens are signed with it; \
                        start with an empty data folder to have it again";
            return refusal(StatusCode::CONFLICT, text);
        }
        Err(error) => {
            tracing::error!(%error, "the page gets no token while the database cannot be read");
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database cannot be read",
            );
        }
    };
    let claims = claims(&wanted.identity, clock::now().wall);
    let answer = json!({
        "identity": wanted.identity,
        "token": token::sign(&claims, key.secret.as_str()),
        "lifetime": LIFETIME,
    });
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// May be called, and calls through the application of the page (contract 7.1).
fn claims(identity: &str, now: Wall) -> Value {
    let seconds = now.0 / 1_000_000;
    json!({
        "jti": format!("{}-{seconds}", seed::key_sid()),
        "iss": seed::key_sid().to_string(),
        "sub": seed::account_sid().to_string(),
        "iat": seconds,
        "exp": seconds + LIFETIME as i64,
        "grants": {
            "identity": identity,
            "voice": {
                "incoming": { "allow": true },
                "outgoing": { "application_sid": application_sid().to_string() },
            },
        },
    })
}

/// The application of the page's calls.
pub fn application_sid() -> ApplicationSid {
    seed::numbered_application(2)
}

/// Who can be dialled, and how this program is called on the command line.
async fn directory() -> Json<Value> {
    let numbers: Vec<_> = seed::NUMBERS
        .into_iter()
        .map(|(purpose, number, _)| (purpose, number))
        .chain([("yours", seed::YOURS)])
        .map(|(purpose, number)| json!({ "purpose": purpose, "number": number }))
        .collect();
    let phones: Vec<_> = seed::phones().iter().map(ToString::to_string).collect();
    Json(json!({ "numbers": numbers, "phones": phones, "program": banner::program() }))
}

#[derive(Deserialize)]
struct Sentence {
    text: String,
}

/// A sentence of the robot, as a WAV file.
async fn speech(State(rim): State<Rim>, Query(sentence): Query<Sentence>) -> Response {
    if sentence.text.chars().count() > LONGEST_SENTENCE {
        return refusal(
            StatusCode::BAD_REQUEST,
            "a sentence has 300 characters at most",
        );
    }
    match rim
        .sounds
        .speech(&[Spoken::Words(sentence.text)], None, None)
        .await
    {
        Ok(sound) => {
            let file = Bytes::from(media::wav::write(&sound.on(true), None));
            let headers = [
                (CONTENT_TYPE, "audio/wav"),
                (CACHE_CONTROL, "private, max-age=3600"),
            ];
            (headers, file).into_response()
        }
        Err((_, text)) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &text),
    }
}

/// Only under a name of this computer: a foreign name that leads here would make a foreign page one
/// of ours (DNS rebinding).
async fn at_home(request: Request, next: Next) -> Response {
    if host(request.headers(), request.uri()).is_none() {
        let text =
            "this page is only at http://127.0.0.1 and http://localhost, with the port of the API";
        return refusal(StatusCode::NOT_FOUND, text);
    }
    next.run(request).await
}

/// Only for a page that we served: browsers say where a request comes from, in `Origin` with every
/// POST and in `Sec-Fetch-Site` with everything to a trusted origin (Fetch, 3.2; Fetch Metadata, 2.3).
async fn of_our_page(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = host(headers, request.uri()).unwrap_or_default();
    let same_origin = text_of(headers, &ORIGIN).is_none_or(|origin| {
        let name = ["http://", "https://"]
            .into_iter()
            .find_map(|scheme| origin.strip_prefix(scheme));
        name == Some(&host)
    });
    let same_site = text_of(headers, &SEC_FETCH_SITE).is_none_or(|site| site == "same-origin");
    if !same_origin || !same_site {
        return refusal(
            StatusCode::FORBIDDEN,
            "only Switchboard's own page may ask this",
        );
    }
    next.run(request).await
}

/// Not for pages at all: these are asked by Switchboard itself.
async fn of_no_page(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) || headers.contains_key(&SEC_FETCH_SITE) {
        return refusal(
            StatusCode::FORBIDDEN,
            "only Switchboard itself may ask this",
        );
    }
    next.run(request).await
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The host that was asked, with its port, if it is a name of this computer.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let host = text_of(headers, &HOST).or_else(|| Some(uri.authority()?.as_str()))?;
    let (name, port) = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let number = port.is_none_or(|port| port.parse::<u16>().is_ok());
    (["localhost", "127.0.0.1", "[::1]"].contains(&name) && number).then(|| host.to_owned())
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "message": text }))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use model::token::{Token, Unverified};

    use super::*;

    fn asked_at(name: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(name));
        host(&headers, &Uri::from_static("/"))
    }

    #[test]
    fn only_names_of_this_computer_are_home() {
        for name in [
            "localhost",
            "localhost:8460",
            "127.0.0.1:1",
            "[::1]:8460",
            "[::1]",
        ] {
            assert_eq!(asked_at(name).as_deref(), Some(name));
        }
        for name in [
            "evil.example",
            "localhost.evil.example:8460",
            "127.0.0.1.evil.example",
            "localhost:8460; script-src *",
            "192.168.1.2:8460",
            "",
        ] {
            assert_eq!(asked_at(name), None, "{name}");
        }
    }

    #[test]
    fn the_token_lets_its_page_be_called_and_call_through_the_pages_application() {
        let now = Wall(1_700_000_000_000_000);
        let signed = token::sign(&claims("ada", now), seed::TOKEN);
        let unverified = Unverified::parse(&signed).unwrap();
        assert_eq!(unverified.account_sid(), seed::account_sid());
        let Token::Access(token) = unverified.verify(seed::TOKEN, now).unwrap() else {
            panic!("an access token");
        };
        let voice = token.voice.unwrap();
        assert_eq!(token.identity.as_deref(), Some("ada"));
        assert_eq!(
            (voice.incoming, voice.outgoing),
            (true, Some(application_sid()))
        );
        let late = now.after(std::time::Duration::from_secs(LIFETIME + 1));
        assert!(
            Unverified::parse(&signed)
                .unwrap()
                .verify(seed::TOKEN, late)
                .is_err()
        );
    }

    #[test]
    fn every_file_that_the_page_names_is_there() {
        for (name, _, content) in FILES {
            for quote in ["\"/softphone/", "'./"] {
                for rest in content.split(quote).skip(1) {
                    let wanted = rest.split(['"', '\'']).next().unwrap();
                    let found = FILES.iter().any(|(known, ..)| *known == wanted);
                    assert!(found, "{name} names {wanted}");
                }
            }
        }
    }
}
