//! `X-Twilio-Signature`: base64(HMAC-SHA1(auth token, URL and sorted form)).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::form::Parameters;

/// The header that carries the signature.
pub const HEADER: &str = "X-Twilio-Signature";

/// The text of a URL that is signed: without fragment; for `https` without the standard port, for
/// `http` with it if it is configured; user information is kept as configured (contract 5.1).
pub fn signed_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let Some((scheme, authority, tail)) = parts(url) else {
        return url.to_owned();
    };
    match authority.strip_suffix(":443") {
        Some(host) if scheme.eq_ignore_ascii_case("https") => format!("{scheme}://{host}{tail}"),
        _ => url.to_owned(),
    }
}

/// Whether a customer wrote out the standard port of `http`, which a parsed URL forgets.
pub fn has_port_80(url: &str) -> bool {
    parts(url.trim()).is_some_and(|(scheme, authority, _)| {
        scheme.eq_ignore_ascii_case("http") && authority.ends_with(":80")
    })
}

/// Scheme, authority and the rest.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    Some((scheme, authority, tail))
}

/// Signs a POST with a form: name and value of each parameter, sorted by name; of a repeated
/// name its distinct values, sorted.
pub fn sign_form(token: &str, url: &str, parameters: &Parameters) -> String {
    let mut sorted: Vec<&(String, String)> = parameters.0.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut text = signed_url(url);
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    sign_text(token, &text)
}

/// Signs a GET (its parameters are in the URL) or a request with a JSON body, whose URL was
/// extended by [`with_body_hash`].
pub fn sign_url(token: &str, url: &str) -> String {
    sign_text(token, &signed_url(url))
}

/// The URL of a request with a JSON body: `bodySHA256` is added to its query.
pub fn with_body_hash(url: &str, body: &[u8]) -> String {
    let hash = hex(&Sha256::digest(body));
    Parameters(vec![("bodySHA256".to_owned(), hash)]).append_to(url)
}

/// Compares two signatures in a time that does not depend on where they differ.
pub fn verify(expected: &str, received: &str) -> bool {
    expected.as_bytes().ct_eq(received.as_bytes()).into()
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign_text(token: &str, text: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Parameters {
        Parameters(
            [
                ("CallSid", "CA1234567890ABCDE"),
                ("Caller", "+14158675309"),
                ("Digits", "1234"),
                ("From", "+14158675309"),
                ("To", "+18005551212"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        )
    }

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

    #[test]
    fn the_published_form_example() {
        assert_eq!(sign_form("12345", URL, &published()), SIGNATURE);
        let mut reversed = published();
        reversed.0.reverse();
        reversed.0.push(reversed.0[0].clone());
        assert_eq!(sign_form("12345", URL, &reversed), SIGNATURE);
        assert_eq!(
            sign_form("12345", &format!("{URL}#rc=2"), &reversed),
            SIGNATURE
        );
    }

    #[test]
    fn the_published_json_example() {
        let body = br#"{"property": "value", "boolean": true}"#;
        let url = with_body_hash(URL, body);
        assert_eq!(
            url,
            format!(
                "{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
            )
        );
        assert_eq!(sign_url("12345", &url), "a9nBmqA0ju/hNViExpshrM61xv4=");
    }

    #[test]
    fn ports_and_user_information() {
        for (url, signed) in [
            ("https://h:443/a?b#c", "https://h/a?b"),
            ("https://h:443", "https://h"),
            ("https://h:8443/a", "https://h:8443/a"),
            ("http://h:80/a", "http://h:80/a"),
            ("http://h:443/a", "http://h:443/a"),
            ("https://u:p@h:443/a", "https://u:p@h/a"),
            ("https://h/a:443", "https://h/a:443"),
        ] {
            assert_eq!(signed_url(url), signed);
        }
        for (url, written) in [
            ("http://h:80/a", true),
            ("HTTP://u:p@h:80", true),
            ("http://h:80#x", true),
            ("http://h:8080/a", false),
            ("http://h/:80", false),
            ("https://h:80/a", false),
            ("h:80", false),
        ] {
            assert_eq!(has_port_80(url), written, "{url}");
        }
    }

    #[test]
    fn one_changed_character_fails() {
        assert!(verify(SIGNATURE, SIGNATURE));
        assert!(!verify(SIGNATURE, "RSOYDt4T1cUTdK1PDd93/VVr8B9="));
        assert!(!verify(SIGNATURE, ""));
    }
}
