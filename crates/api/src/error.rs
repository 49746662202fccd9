//! A request refused: the code of the one table, and what the person at the other end should know.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::error_code::ErrorCode;
use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the table.
    pub code: ErrorCode,
    /// What exactly, for people.
    pub message: String,
}

impl Refusal {
    /// A refusal with a text that says what to change.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal {
            code,
            message: message.into(),
        }
    }

    /// The body, the same in both dialects (contract 2.2).
    pub fn body(&self) -> Value {
        json!({
            "code": self.code.code,
            "message": self.message,
            "more_info": self.code.more_info(),
            "status": self.code.status,
        })
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Refusal::new(code, code.text)
    }
}

impl From<store::Error> for Refusal {
    /// What the customer can change is said; for the rest the operator must act: the log has the
    /// cause, the answer has not.
    fn from(error: store::Error) -> Self {
        let code = match &error {
            store::Error::Taken | store::Error::InUse(_) => Some(ErrorCode::CONFLICT),
            store::Error::Running => Some(ErrorCode::NOT_COMPLETE),
            store::Error::Full { .. } => Some(ErrorCode::TOO_MANY_REQUESTS),
            _ => None,
        };
        if let Some(code) = code {
            return Refusal::new(code, error.to_string());
        }
        tracing::error!(%error, "the database failed a request");
        Refusal::from(ErrorCode::INTERNAL_ERROR)
    }
}

impl IntoResponse for Refusal {
    /// Status and the refusal itself; the gate writes the body in the format of the request.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives a fault of the database the code that a resource has for it.
pub fn coded<T>(
    result: Result<T, store::Error>,
    taken: ErrorCode,
    in_use: ErrorCode,
    full: ErrorCode,
) -> Result<T, Refusal> {
    result.map_err(|error| match &error {
        store::Error::Taken => taken.into(),
        store::Error::InUse(_) => in_use.into(),
        store::Error::Full { .. } => full.into(),
        _ => error.into(),
    })
}
