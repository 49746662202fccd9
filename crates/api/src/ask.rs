//! One request that passed the gate: who asks, about which account, with which parameters.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use bytes::Bytes;
use model::account::{Account, KeyClass};
use model::error_code::ErrorCode;
use model::now::Wall;
use model::sid::AccountSid;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::auth::Caller;
use crate::error::Refusal;
use crate::form::Form;
use crate::render::Format;

/// What every handler is given.
#[derive(Clone)]
pub struct Ask {
    /// Everything there is.
    pub app: App,
    /// Who asks.
    pub caller: Caller,
    /// The account of the path; the caller's own where the path names none.
    pub account: Account,
    /// The method.
    pub method: Method,
    /// The path, without format and trailing slash.
    pub path: String,
    /// How the answer is written.
    pub format: Format,
    /// Scheme and host that the client used, for absolute URLs.
    pub origin: String,
    /// The query.
    pub query: Form,
    /// The form of a POST.
    pub form: Form,
    /// The body as it came; control plane only.
    pub body: Bytes,
    /// The name that the client gave to this request, so that asking again makes nothing new.
    pub idempotency_key: Option<String>,
    /// When it came.
    pub now: Wall,
}

impl Ask {
    /// The account of the path.
    pub fn account_sid(&self) -> AccountSid {
        self.account.sid
    }

    /// Address of a resource of this account: `/2010-04-01/Accounts/AC…<rest>.json`.
    pub fn uri(&self, rest: std::fmt::Arguments<'_>) -> String {
        format!("/2010-04-01/Accounts/{}{rest}.json", self.account.sid)
    }

    /// The JSON body of a control plane request.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::new(ErrorCode::INVALID_PARAMETER, error.to_string()))
    }

    /// Refuses keys that may not touch accounts and keys.
    pub fn main_only(&self) -> Result<(), Refusal> {
        match self.caller.class {
            KeyClass::Main => Ok(()),
            KeyClass::Standard => Err(Refusal::new(
                ErrorCode::PERMISSION_DENIED,
                "A standard key may not touch accounts and keys; use a main key or the auth token",
            )),
        }
    }
}

impl FromRequestParts<()> for Ask {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &()) -> Result<Self, Refusal> {
        // The gate puts it there for every request that it lets through.
        let ask = parts.extensions.get::<Arc<Ask>>().cloned();
        ask.map(|ask| Ask::clone(&ask))
            .ok_or_else(|| ErrorCode::INTERNAL_ERROR.into())
    }
}

/// What a handler returns.
pub type Reply = Result<crate::render::Answer, Refusal>;
