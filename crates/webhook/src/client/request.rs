//! One request, before it is sent.

use model::method::Method;
use url::Url;

use crate::{
    document::{DocumentKind, document_kind},
    failure::Cause,
    form::Parameters,
    overrides::Overrides,
    signature,
};

/// Longest TwiML document, in bytes.
pub const MOST_DOCUMENT: usize = 64 * 1024;

/// What of the answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it; more than this many bytes is error 11750.
    Whole(usize),
    /// All of a document; or of sound, which may come in its place and be longer: so many bytes.
    WholeOrSound(usize, usize),
    /// Its start, up to this many bytes: callbacks, whose answers mean nothing.
    Start(usize),
}

impl Wanted {
    /// Most bytes of an answer with these headers, and whether more is an error.
    pub(super) fn limit(self, headers: &[(String, String)]) -> (usize, bool) {
        match self {
            Self::Start(most) => (most, false),
            Self::Whole(most) => (most, true),
            Self::WholeOrSound(document, sound) => {
                let content_type = headers.iter().find(|(name, _)| name == "content-type");
                let kind = document_kind(content_type.map(|(_, value)| value.as_str()));
                match kind {
                    DocumentKind::Audio => (sound, true),
                    _ => (document, true),
                }
            }
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Parameters: in the query of a GET, in the form of a POST.
    Form(Parameters),
    /// A JSON body, signed by `bodySHA256`; always POST.
    Json(String),
}

/// One request to a customer's server.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where to, as configured: with user information and connection overrides.
    pub url: String,
    /// With what.
    pub payload: Payload,
    /// Whose resource it is; cached answers are not shared between accounts.
    pub account_sid: String,
    /// The primary token of that account: signs.
    pub auth_token: String,
    /// Equal on every attempt to report the same event.
    pub idempotency_token: String,
    /// What of the body is wanted.
    pub wanted: Wanted,
    /// Replaces what the fragment asks for, where the original does not honour it (chat), or
    /// where a download may take longer.
    pub overrides: Option<Overrides>,
}

impl Request {
    /// A request for a TwiML document of up to 64 kB.
    pub fn document(method: Method, url: impl Into<String>, parameters: Parameters) -> Self {
        Self {
            method,
            url: url.into(),
            payload: Payload::Form(parameters),
            account_sid: String::new(),
            auth_token: String::new(),
            idempotency_token: String::new(),
            wanted: Wanted::Whole(MOST_DOCUMENT),
            overrides: None,
        }
    }

    /// A callback: of the answer, only the status counts.
    pub fn callback(method: Method, url: impl Into<String>, parameters: Parameters) -> Self {
        Self {
            wanted: Wanted::Start(MOST_DOCUMENT),
            ..Self::document(method, url, parameters)
        }
    }

    /// A download of up to `most` bytes, such as audio for `<Play>`.
    pub fn download(url: impl Into<String>, most: usize) -> Self {
        Self {
            wanted: Wanted::Whole(most),
            ..Self::document(Method::Get, url, Parameters::default())
        }
    }

    /// The same; what comes may be sound of up to `most` bytes instead.
    pub fn or_sound(mut self, most: usize) -> Self {
        self.wanted = Wanted::WholeOrSound(MOST_DOCUMENT, most);
        self
    }

    /// The same, for this account, signed with its token.
    pub fn signed(mut self, account_sid: impl Into<String>, token: impl Into<String>) -> Self {
        self.account_sid = account_sid.into();
        self.auth_token = token.into();
        self
    }

    /// The same, with this idempotency token.
    pub fn idempotent(mut self, token: impl Into<String>) -> Self {
        self.idempotency_token = token.into();
        self
    }

    /// The URL of the first request: without fragment, with our parameters if it is a GET.
    pub(super) fn first_url(&self) -> Result<Url, Cause> {
        let base = self.url.split('#').next().unwrap_or_default().trim();
        let url = match (&self.payload, self.method) {
            (Payload::Form(parameters), Method::Get) => parameters.append_to(base),
            (Payload::Form(_), Method::Post) => base.to_owned(),
            (Payload::Json(json), _) => signature::with_body_hash(base, json.as_bytes()),
        };
        let url = Url::parse(&url).map_err(|_| Cause::InvalidUrl)?;
        check(&url)?;
        Ok(url)
    }
}

/// Whether it is a URL that we call at all.
pub(super) fn check(url: &Url) -> Result<(), Cause> {
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || host.is_empty() || host.contains('_') {
        return Err(Cause::InvalidUrl);
    }
    Ok(())
}
