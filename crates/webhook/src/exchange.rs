//! One request and its answer as a value: what Events, notifications and the console show.

use std::fmt;

use model::method::Method;

use crate::document::{DocumentKind, document_kind, document_text};

/// Longest body kept, in bytes of text; the rest is cut.
pub const MOST_BODY: usize = 64 * 1024;

/// One request and what came back.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// Method of the last request made.
    pub method: Method,
    /// Where it went, redirects followed, user information and fragment removed.
    pub url: String,
    /// The parameters sent with it.
    pub parameters: Vec<(String, String)>,
    /// The headers sent with it; credentials and cookies are replaced by `***`.
    pub request_headers: Vec<(String, String)>,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Headers of the answer; cookies are replaced by `***`.
    pub headers: Vec<(String, String)>,
    /// `Content-Type` of the answer.
    pub content_type: Option<String>,
    /// The answer's body as text, cut to [`MOST_BODY`]; empty for audio.
    pub body: String,
    /// From the first byte sent to the last received, retries and redirects included, in ms.
    pub duration_ms: u64,
    /// How many requests were made, retries and redirects included.
    pub requests: u32,
    /// What went wrong: code and message.
    pub error: Option<(u32, String)>,
}

impl Exchange {
    /// A request goes out: what the one before it brought is forgotten.
    pub(crate) fn begin(&mut self, method: Method, url: String) {
        self.method = method;
        self.url = url;
        self.status = None;
        self.headers.clear();
        self.content_type = None;
        self.body.clear();
    }

    /// The head of the answer has come.
    pub(crate) fn record(&mut self, status: u16, headers: &[(String, String)]) {
        self.status = Some(status);
        self.headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), kept_header(name, value)))
            .collect();
        self.content_type = headers
            .iter()
            .find(|(name, _)| name == "content-type")
            .map(|(_, value)| value.clone());
    }

    /// The body, or its start, has come.
    pub(crate) fn record_body(&mut self, body: &[u8]) {
        let content_type = self.content_type.as_deref();
        if document_kind(content_type) != DocumentKind::Audio {
            let text = document_text(content_type, &body[..body.len().min(MOST_BODY)]);
            self.body = cut(&text, MOST_BODY).to_owned();
        }
    }
}

impl fmt::Debug for Exchange {
    /// For logs: neither parameters nor bodies, which are the customer's, nor the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", &self.method)
            .field("url", &self.url.split('?').next().unwrap_or_default())
            .field("parameters", &self.parameters.len())
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .field("duration_ms", &self.duration_ms)
            .field("requests", &self.requests)
            .field("error", &self.error)
            .finish()
    }
}

/// A header's value as it is kept: secrets are not.
pub(crate) fn kept_header(name: &str, value: &str) -> String {
    let secret = [
        "authorization",
        "cookie",
        "set-cookie",
        "proxy-authorization",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known));
    if secret {
        "***".to_owned()
    } else {
        value.chars().take(1024).collect()
    }
}

/// The start of a text, at most `most` bytes, cut between characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_contents() {
        let exchange = Exchange {
            url: "https://h/p?Digits=1234".into(),
            parameters: vec![("Digits".into(), "1234".into())],
            body: "secret".into(),
            ..Exchange::default()
        };
        let shown = format!("{exchange:?}");
        assert!(
            !shown.contains("1234") && !shown.contains("secret"),
            "{shown}"
        );
        assert!(shown.contains("https://h/p"));
        assert_eq!(kept_header("authorization", "Basic x"), "***");
        assert_eq!(cut("aé", 2), "a");
    }
}
