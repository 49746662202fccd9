//! `Authorization` after a 401: Basic (RFC 7617) and Digest (RFC 7616; MD5 and SHA-256).

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::signature::hex;

/// User and password of a URL, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

/// What of the request goes into a Digest answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path and query, as in the request line.
    pub target: &'a str,
    /// Fresh random text of ours.
    pub cnonce: &'a str,
}

/// The `Authorization` that answers one `WWW-Authenticate` header, or `None` if we cannot.
pub fn authorization(challenge: &str, credentials: &Credentials, asked: Asked) -> Option<String> {
    let (scheme, rest) = challenge
        .trim()
        .split_once(' ')
        .unwrap_or((challenge.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = format!("{}:{}", credentials.user, credentials.password);
        return Some(format!("Basic {}", STANDARD.encode(pair)));
    }
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let fields = fields(rest);
    let field = |name: &str| {
        fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    let algorithm = field("algorithm").unwrap_or("MD5");
    let base = algorithm.get(..algorithm.len().saturating_sub(5));
    let session = algorithm.to_ascii_lowercase().ends_with("-sess");
    let hash: fn(&str) -> String = match if session { base? } else { algorithm } {
        name if name.eq_ignore_ascii_case("MD5") => |text| hex(&Md5::digest(text)),
        name if name.eq_ignore_ascii_case("SHA-256") => |text| hex(&Sha256::digest(text)),
        _ => return None,
    };
    let auth = match field("qop") {
        None => false,
        Some(list)
            if list
                .split(',')
                .any(|q| q.trim().eq_ignore_ascii_case("auth")) =>
        {
            true
        }
        Some(_) => return None,
    };
    let Asked {
        method,
        target,
        cnonce,
    } = asked;
    let mut ha1 = hash(&format!(
        "{}:{realm}:{}",
        credentials.user, credentials.password
    ));
    if session {
        ha1 = hash(&format!("{ha1}:{nonce}:{cnonce}"));
    }
    let ha2 = hash(&format!("{method}:{target}"));
    let response = if auth {
        hash(&format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}"))
    } else {
        hash(&format!("{ha1}:{nonce}:{ha2}"))
    };
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut header = format!(
        "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{target}\", \
         response=\"{response}\", algorithm={algorithm}",
        quoted(&credentials.user),
        quoted(realm),
        quoted(nonce),
    );
    if auth {
        header.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""));
    } else if session {
        header.push_str(&format!(", cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = field("opaque") {
        header.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
    }
    Some(header)
}

/// `name=value` and `name="value"`, separated by commas; at most twenty.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',', '\t']);
    while let Some((name, after)) = rest.split_once('=') {
        if fields.len() >= 20 {
            break;
        }
        let after = after.trim_start();
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let (mut escaped, mut end) = (false, quoted.len());
            for (at, c) in quoted.char_indices() {
                match c {
                    _ if escaped => {
                        value.push(c);
                        escaped = false;
                    }
                    '\\' => escaped = true,
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    _ => value.push(c),
                }
            }
            rest = &quoted[end..];
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value.push_str(after[..end].trim());
            rest = &after[end..];
        }
        fields.push((name.trim().to_owned(), value));
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7616() {
        let credentials = Credentials {
            user: "Mufasa".into(),
            password: "Circle of Life".into(),
        };
        let asked = Asked {
            method: "GET",
            target: "/dir/index.html",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let header = authorization(&challenge, &credentials, asked).unwrap();
            assert!(
                header.contains(&format!("response=\"{response}\"")),
                "{header}"
            );
            assert!(header.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""));
        }
    }

    #[test]
    fn basic_and_what_we_cannot_answer() {
        let credentials = Credentials {
            user: "Aladdin".into(),
            password: "open sesame".into(),
        };
        let asked = Asked {
            method: "GET",
            target: "/",
            cnonce: "c",
        };
        let answer = |challenge| authorization(challenge, &credentials, asked);
        assert_eq!(
            answer("Basic realm=\"x\"").unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        for challenge in [
            "",
            "Bearer realm=x",
            "Digest",
            "Digest realm=\"a\"",
            "Digest realm=a, nonce=b, algorithm=MD4",
            "Digest realm=a, nonce=b, algorithm=-sess",
            "Digest realm=a, nonce=b, qop=auth-int",
            "Digest realm=\"\\",
        ] {
            assert_eq!(answer(challenge), None, "{challenge}");
        }
        assert!(
            answer("Digest realm=a, nonce=b")
                .unwrap()
                .contains("response=")
        );
    }
}
