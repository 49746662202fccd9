//! What went wrong, for the developer: a Notification of a call, and a Monitor Alert.

use crate::error_code::ErrorCode;
use crate::method::Method;
use crate::now::Wall;
use crate::sid::{AccountSid, CallSid, NotificationSid};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Something did not happen. `log` is `0`.
    Error,
    /// Something happened otherwise than asked. `log` is `1`.
    Warning,
}

crate::words!(Level {
    Error = "error",
    Warning = "warning",
});

impl Level {
    /// The number in the `log` field of a notification.
    pub const fn log(self) -> &'static str {
        match self {
            Level::Error => "0",
            Level::Warning => "1",
        }
    }
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Alert {
    /// Its identifier.
    pub sid: NotificationSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The call it is about, if it is about one.
    pub call: Option<CallSid>,
    /// Which of the table.
    pub code: ErrorCode,
    /// How bad.
    pub level: Level,
    /// What exactly.
    pub text: String,
    /// The address that was asked or told, if there was one.
    pub request_url: Option<String>,
    /// How it was asked.
    pub request_method: Option<Method>,
    /// What was sent, as a form.
    pub request_variables: Option<String>,
    /// The head of the answer, one header a line.
    pub response_headers: Option<String>,
    /// The answer, cut to 64 kB.
    pub response_body: Option<String>,
    /// When it happened.
    pub created: Wall,
}

impl Alert {
    /// One that shows no request yet, and is about no call.
    pub fn new(
        sid: NotificationSid,
        account: AccountSid,
        code: ErrorCode,
        level: Level,
        text: String,
        created: Wall,
    ) -> Self {
        Alert {
            sid,
            account,
            call: None,
            code,
            level,
            text,
            request_url: None,
            request_method: None,
            request_variables: None,
            response_headers: None,
            response_body: None,
            created,
        }
    }
}
