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
            store::Error::Closed => return ErrorCode::UNAVAILABLE.into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fault, and the code that a request gets for it when its resource has none of its own.
    fn faults() -> [(store::Error, u16, u32); 10] {
        use store::Error::*;
        let path = std::path::PathBuf::from("/secret/place");
        [
            (Taken, 409, 20409),
            (InUse("a SIP domain consults this list"), 409, 20409),
            (Running, 409, 20009),
            (
                Full {
                    what: "applications",
                    limit: 10_000,
                },
                429,
                20429,
            ),
            (Closed, 503, 20503),
            (
                Locked {
                    path,
                    owner: " (process 1)".into(),
                },
                500,
                20500,
            ),
            (TooNew { found: 9, known: 1 }, 500, 20500),
            (Database("disk I/O error: /secret/place".into()), 500, 20500),
            (
                Unreadable {
                    table: "calls",
                    fault: "hush".into(),
                },
                500,
                20500,
            ),
            (Database(String::new()), 500, 20500),
        ]
    }

    // rest-5
    #[test]
    fn faults_of_the_database_have_their_codes_and_give_nothing_away() {
        for (fault, status, code) in faults() {
            let said = fault.to_string();
            let refusal = Refusal::from(fault);
            assert_eq!(
                (refusal.status().as_u16(), refusal.code.code),
                (status, code)
            );
            // What the asker can change is said, what the operator must look at is not.
            let ours = status < 500;
            assert_eq!(refusal.message == said, ours, "{}", refusal.message);
            assert!(!refusal.body().to_string().contains("secret"));
        }
    }

    // rest-5
    #[test]
    fn faults_of_the_database_have_the_codes_of_the_resource() {
        let (taken, in_use, full) = (
            ErrorCode::PHONE_NUMBER_UNAVAILABLE,
            ErrorCode::ACL_IN_USE,
            ErrorCode::NUMBER_NOT_AVAILABLE,
        );
        for (fault, _, code) in faults() {
            let wanted = match fault {
                store::Error::Taken => 21422,
                store::Error::InUse(_) => 21236,
                store::Error::Full { .. } => 21501,
                _ => code,
            };
            let refusal = coded(Err::<(), _>(fault), taken, in_use, full).map_err(|r| r.code.code);
            assert_eq!(refusal, Err(wanted));
        }
    }
}
