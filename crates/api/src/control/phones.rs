//! `/_switchboard/v1/phones`: the virtual telephones of the development mode.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::error_code::ErrorCode;
use model::phone_number::PhoneNumber;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ask::{Ask, Reply};
use crate::error::Refusal;
use crate::form::party;
use crate::live::Answering;
use crate::render::Answer;
use crate::router::not_found;

/// The virtual telephones.
pub trait Phones: Send + Sync {
    /// All of them.
    fn list(&self) -> Answering<'_, Vec<Phone>>;

    /// Sets how one behaves from its next call on; makes it if there is none of this number.
    fn set(&self, number: PhoneNumber, knobs: Knobs) -> Answering<'_, Result<Phone, PhoneFault>>;

    /// Lets one dial; answers with something that names the attempt.
    fn dial(&self, number: PhoneNumber, to: String) -> Answering<'_, Result<String, PhoneFault>>;

    /// What one heard in its last call, as a WAV file.
    fn heard(&self, number: PhoneNumber) -> Answering<'_, Result<Vec<u8>, PhoneFault>>;
}

/// Why a telephone did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhoneFault {
    /// There is no telephone of this number, or it heard nothing yet.
    #[error("not found")]
    Unknown,
    /// It cannot do this; the text says why.
    #[error("{0}")]
    Refused(String),
}

/// A telephone and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phone {
    /// Its number.
    pub number: PhoneNumber,
    /// How it behaves.
    pub knobs: Knobs,
    /// What it does at the moment: `idle`, `ringing`, `talking`.
    pub state: String,
}

/// How a telephone behaves when it is called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Milliseconds until it answers.
    pub answer_after_ms: Option<u64>,
    /// It is busy (486).
    pub busy: bool,
    /// It declines (603).
    pub reject: bool,
    /// It rings and nobody answers.
    pub no_answer: bool,
    /// What it says once it answered.
    pub speak: Option<String>,
    /// Sound that it plays once it answered: path of a WAV file.
    pub play: Option<String>,
    /// Keys that it presses.
    pub digits: Vec<Press>,
    /// Milliseconds from its answer until it hangs up.
    pub hang_up_after_ms: Option<u64>,
    /// What the network says of its number when it calls, such as `TN-Validation-Passed-A`.
    pub verstat: Option<String>,
}

/// Keys, and when they are pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Press {
    /// Milliseconds after the answer.
    pub at_ms: u64,
    /// `0-9`, `*`, `#`, `A-D`.
    pub digits: String,
}

/// Most entries of `digits`.
const MAX_PRESSES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dial {
    to: String,
}

/// `GET /_switchboard/v1/phones`.
pub async fn list(ask: Ask) -> Reply {
    let phones = ask.app.phones.list().await;
    Ok(Answer::Json(StatusCode::OK, json!({ "phones": phones })))
}

/// `GET /_switchboard/v1/phones/{number}`.
pub async fn fetch(ask: Ask, Path(number): Path<String>) -> Reply {
    let number = parsed(&ask, &number)?;
    let phones = ask.app.phones.list().await;
    let phone = phones.into_iter().find(|phone| phone.number == number);
    let phone = phone.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::Json(StatusCode::OK, json!(phone)))
}

/// `POST /_switchboard/v1/phones/{number}`.
pub async fn set(ask: Ask, Path(number): Path<String>) -> Reply {
    let number = parsed(&ask, &number)?;
    let knobs: Knobs = ask.json()?;
    let keys = |text: &str| {
        text.len() <= 100
            && text
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#'))
    };
    if knobs.digits.len() > MAX_PRESSES || !knobs.digits.iter().all(|press| keys(&press.digits)) {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            "digits must be keys of a telephone: 0-9 * # A-D",
        ));
    }
    let word = |text: &String| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        text.len() <= 64 && text.bytes().all(legal)
    };
    if !knobs.verstat.iter().all(word) {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARAMETER,
            "verstat must be a word such as TN-Validation-Passed-A",
        ));
    }
    let phone = ask
        .app
        .phones
        .set(number, knobs)
        .await
        .map_err(|f| fault(&ask, f))?;
    Ok(Answer::Json(StatusCode::OK, json!(phone)))
}

/// `POST /_switchboard/v1/phones/{number}/calls`.
pub async fn dial(ask: Ask, Path(number): Path<String>) -> Reply {
    let number = parsed(&ask, &number)?;
    let Dial { to } = ask.json()?;
    let attempt = ask
        .app
        .phones
        .dial(number, to)
        .await
        .map_err(|f| fault(&ask, f))?;
    Ok(Answer::Json(
        StatusCode::CREATED,
        json!({ "call": attempt }),
    ))
}

/// `GET /_switchboard/v1/phones/{number}/heard.wav`.
pub async fn heard(ask: Ask, Path(number): Path<String>) -> Result<Response, Refusal> {
    let number = parsed(&ask, &number)?;
    let wav = ask
        .app
        .phones
        .heard(number)
        .await
        .map_err(|f| fault(&ask, f))?;
    Ok(([(CONTENT_TYPE, "audio/wav")], wav).into_response())
}

fn parsed(ask: &Ask, number: &str) -> Result<PhoneNumber, Refusal> {
    PhoneNumber::lenient(&party(number)).map_err(|_| not_found(&ask.path))
}

fn fault(ask: &Ask, fault: PhoneFault) -> Refusal {
    match fault {
        PhoneFault::Unknown => not_found(&ask.path),
        PhoneFault::Refused(reason) => Refusal::new(ErrorCode::INVALID_PARAMETER, reason),
    }
}
