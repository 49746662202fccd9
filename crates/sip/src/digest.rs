//! Digest authentication (RFC 7616, RFC 8760), both sides.

use md5::Md5;
use sha2::Sha256;
use std::fmt;

/// What a password check is made against.
#[derive(Clone)]
pub enum Secret {
    /// The password in clear.
    Password(String),
    /// MD5 and SHA-256 of `user:realm:password`, lower-case hexadecimal; a missing one means that
    /// algorithm is refused.
    Ha1 {
        /// For `algorithm=MD5`.
        md5: Option<String>,
        /// For `algorithm=SHA-256`.
        sha256: Option<String>,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A name and password to answer challenges with.
#[derive(Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password or its hash.
    pub secret: Secret,
    /// When set, challenges of other realms are not answered.
    pub realm: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// The hash of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 2617's; what phones know.
    Md5,
    /// RFC 8760's.
    Sha256,
}

impl Algorithm {
    /// The token.
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Reads a token; absent means MD5. The `-sess` forms are not supported.
    pub fn parse(token: Option<&str>) -> Option<Algorithm> {
        match token {
            None => Some(Algorithm::Md5),
            Some(t) if t.eq_ignore_ascii_case("MD5") => Some(Algorithm::Md5),
            Some(t) if t.eq_ignore_ascii_case("SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }

    fn hash(self, parts: &[&str]) -> String {
        fn run<D: md5::Digest>(parts: &[&str]) -> String {
            let mut digest = D::new();
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    digest.update(b":");
                }
                digest.update(part.as_bytes());
            }
            hex(&digest.finalize())
        }
        match self {
            Algorithm::Md5 => run::<Md5>(parts),
            Algorithm::Sha256 => run::<Sha256>(parts),
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// Compares without telling by time where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |sum, (x, y)| sum | (x ^ y)) == 0
}

impl Secret {
    fn ha1(&self, algorithm: Algorithm, username: &str, realm: &str) -> Option<String> {
        match (self, algorithm) {
            (Secret::Password(password), _) => Some(algorithm.hash(&[username, realm, password])),
            (Secret::Ha1 { md5, .. }, Algorithm::Md5) => md5.clone(),
            (Secret::Ha1 { sha256, .. }, Algorithm::Sha256) => sha256.clone(),
        }
    }
}

/// `Digest a=b, c="d"`: the parts of a challenge or of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestFields(Vec<(String, String)>);

impl DigestFields {
    /// Reads a header value; `None` when the scheme is not Digest.
    pub fn parse(text: &str) -> Option<DigestFields> {
        let (scheme, rest) = text.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut fields = Vec::new();
        for part in crate::message::headers::split_outside_quotes(rest, ',') {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let value = value.trim();
            let value = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
                Some(quoted) if quoted.contains('\\') => {
                    let mut out = String::new();
                    let mut escaped = false;
                    for c in quoted.chars() {
                        if escaped || c != '\\' {
                            out.push(c);
                            escaped = false;
                        } else {
                            escaped = true;
                        }
                    }
                    out
                }
                Some(quoted) => quoted.to_owned(),
                None => value.to_owned(),
            };
            fields.push((name.trim().to_ascii_lowercase(), value));
        }
        Some(DigestFields(fields))
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// The text of a challenge of ours.
pub fn challenge(realm: &str, nonce: &str, algorithm: Algorithm, stale: bool) -> String {
    format!(
        "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{}",
        algorithm.word(),
        if stale { ", stale=true" } else { "" }
    )
}

/// Whether the answer matches the secret. Nonce and counter are checked by the caller.
pub fn verify(fields: &DigestFields, secret: &Secret, method: &str) -> bool {
    let value = |name| fields.value(name);
    let (Some(username), Some(realm), Some(nonce), Some(uri), Some(response)) = (
        value("username"),
        value("realm"),
        value("nonce"),
        value("uri"),
        value("response"),
    ) else {
        return false;
    };
    let Some(algorithm) = Algorithm::parse(value("algorithm")) else {
        return false;
    };
    // We always offer qop=auth; an answer without it could be replayed at will.
    let (Some("auth"), Some(nc), Some(cnonce)) = (value("qop"), value("nc"), value("cnonce"))
    else {
        return false;
    };
    let Some(ha1) = secret.ha1(algorithm, username, realm) else {
        return false;
    };
    let ha2 = algorithm.hash(&[method, uri]);
    let expected = algorithm.hash(&[&ha1, nonce, nc, cnonce, "auth", &ha2]);
    same(
        expected.as_bytes(),
        response.to_ascii_lowercase().as_bytes(),
    )
}

/// The answer to a challenge, as the value of an Authorization header. `None` when the challenge
/// is of another scheme, realm or algorithm than we can answer.
pub fn answer(
    challenge: &DigestFields,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    cnonce: &str,
    count: u32,
) -> Option<String> {
    let realm = challenge.value("realm")?;
    let nonce = challenge.value("nonce")?;
    if credentials.realm.as_deref().is_some_and(|r| r != realm) {
        return None;
    }
    let algorithm = Algorithm::parse(challenge.value("algorithm"))?;
    let ha1 = credentials
        .secret
        .ha1(algorithm, &credentials.username, realm)?;
    let ha2 = algorithm.hash(&[method, uri]);
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = format!(
        "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\"",
        quote(&credentials.username),
        quote(realm),
        quote(nonce),
    );
    match challenge.value("qop") {
        Some(offered) => {
            if !offered
                .split(',')
                .any(|q| q.trim().eq_ignore_ascii_case("auth"))
            {
                return None;
            }
            let nc = format!("{count:08x}");
            let response = algorithm.hash(&[&ha1, nonce, &nc, cnonce, "auth", &ha2]);
            text.push_str(&format!(
                ", response=\"{response}\", qop=auth, nc={nc}, cnonce=\"{cnonce}\""
            ));
        }
        // RFC 2069 peers.
        None => {
            let response = algorithm.hash(&[&ha1, nonce, &ha2]);
            text.push_str(&format!(", response=\"{response}\""));
        }
    }
    text.push_str(&format!(", algorithm={}", algorithm.word()));
    if let Some(opaque) = challenge.value("opaque") {
        text.push_str(&format!(", opaque=\"{}\"", quote(opaque)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(algorithm: &str, response: &str) -> DigestFields {
        DigestFields::parse(&format!(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"{response}\""
        ))
        .expect("digest")
    }

    /// The examples of RFC 7616 section 3.9.1.
    #[test]
    fn the_examples_of_the_standard() {
        let secret = Secret::Password("Circle of Life".into());
        let md5 = "8ca523f5e9506fed4657c9700eebdbec";
        let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert!(verify(&fields("MD5", md5), &secret, "GET"));
        assert!(verify(&fields("SHA-256", sha), &secret, "GET"));
        assert!(!verify(&fields("SHA-256", md5), &secret, "GET"));
        assert!(!verify(&fields("MD5", md5), &secret, "PUT"));
        assert!(!verify(
            &fields("MD5", md5),
            &Secret::Password("x".into()),
            "GET"
        ));
    }

    #[test]
    fn an_answer_satisfies_its_challenge() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let text = challenge("r", "n", algorithm, false);
            let credentials = Credentials {
                username: "al\"ice".into(),
                secret: Secret::Password("pw".into()),
                realm: Some("r".into()),
            };
            let asked = DigestFields::parse(&text).expect("digest");
            let answer = answer(&asked, &credentials, "INVITE", "sip:b@h", "cn", 1).expect("ours");
            let answered = DigestFields::parse(&answer).expect("digest");
            assert!(verify(&answered, &credentials.secret, "INVITE"));
        }
    }

    #[test]
    fn a_foreign_realm_learns_nothing() {
        let credentials = Credentials {
            username: "a".into(),
            secret: Secret::Password("pw".into()),
            realm: Some("ours".into()),
        };
        let asked = DigestFields::parse("Digest realm=\"theirs\", nonce=\"1\"").expect("digest");
        assert_eq!(answer(&asked, &credentials, "BYE", "sip:x", "c", 1), None);
    }
}
