//! Tokens that customers sign for their pages: reading them, and the order of the checks.
//!
//! Two steps, for the secret is kept elsewhere: [`Unverified::parse`] says who claims to have
//! signed, [`Unverified::verify`] with that one's secret says what is granted. The order of the
//! checks, and with it the error of a token with several faults, is that of
//! `rest-twiml-webhooks.md` 7.1.

use crate::access_token::AccessToken;
use crate::capability_token::CapabilityToken;
use crate::error_code::ErrorCode;
use crate::now::Wall;
use crate::sid::{AccountSid, KeySid};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha384, Sha512};

/// Libraries leave the padding out; some write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The longest token that is read, in bytes.
const LONGEST: usize = 32 * 1024;
/// Whose clock runs ahead of ours may sign for the near future, in seconds.
const SKEW: i64 = 60;
/// The longest life, in seconds.
const LIFETIME: i64 = 24 * 60 * 60;
/// The longest name of a client, in characters.
const LONGEST_NAME: usize = 121;

/// Why a token is not good. The customer who made it must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not three parts of base64 with JSON in them.
    #[error("this is not a token: three parts of base64url, joined by dots, with JSON in them")]
    Malformed,
    /// The header.
    #[error(
        "the token's header must have alg HS256, HS384 or HS512 and, for an access token, cty 'twilio-fpa;v=1'"
    )]
    Header,
    /// Who signed it, for whom.
    #[error("the token's iss must be a live API key of the account in sub, or an account")]
    Issuer,
    /// The account is unknown or not active.
    #[error("the token's account does not exist or is not active")]
    Account,
    /// The signature.
    #[error("the token was signed with another secret")]
    Signature,
    /// Not yet.
    #[error("the token is not valid yet: look at nbf and at the clock of who made it")]
    NotYet,
    /// No longer.
    #[error("the token has expired; make a new one")]
    Expired,
    /// More than 24 hours.
    #[error("the token may live for 24 hours at most")]
    TooLong,
    /// What it allows.
    #[error("the token's grants (or scope) are missing or cannot be read")]
    Grants,
    /// The name of the client.
    #[error("a client's name has 1 to 121 characters, no space and no question mark")]
    Name,
}

impl TokenFault {
    /// What a page is told by the voice SDK's signalling.
    pub fn voice_code(self) -> ErrorCode {
        match self {
            TokenFault::Malformed
            | TokenFault::Header
            | TokenFault::Issuer
            | TokenFault::NotYet => ErrorCode::CLIENT_INVALID_TOKEN,
            TokenFault::Account => ErrorCode::CLIENT_NO_ACCOUNT,
            TokenFault::Signature => ErrorCode::CLIENT_SIGNATURE,
            TokenFault::Expired => ErrorCode::CLIENT_TOKEN_EXPIRED,
            TokenFault::TooLong => ErrorCode::CLIENT_TOKEN_TOO_LONG,
            TokenFault::Grants => ErrorCode::CLIENT_MICROPHONE,
            TokenFault::Name => ErrorCode::CLIENT_NAME,
        }
    }

    /// What everybody else is told.
    pub fn code(self) -> ErrorCode {
        match self {
            TokenFault::Malformed => ErrorCode::TOKEN_INVALID,
            TokenFault::Header => ErrorCode::TOKEN_HEADER,
            TokenFault::Issuer | TokenFault::Account => ErrorCode::TOKEN_ISSUER,
            TokenFault::Signature => ErrorCode::TOKEN_SIGNATURE,
            TokenFault::NotYet => ErrorCode::TOKEN_NOT_YET_VALID,
            TokenFault::Expired => ErrorCode::TOKEN_EXPIRED,
            TokenFault::TooLong => ErrorCode::TOKEN_LIFETIME_TOO_LONG,
            TokenFault::Grants | TokenFault::Name => ErrorCode::TOKEN_GRANTS,
        }
    }
}

/// Who claims to have signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signer {
    /// An API key, with its secret, for an account.
    Key {
        /// `iss`.
        key: KeySid,
        /// `sub`.
        account: AccountSid,
    },
    /// An account, with its auth token.
    Account(AccountSid),
}

impl Signer {
    /// The account, claimed.
    pub fn account_sid(self) -> AccountSid {
        match self {
            Signer::Key { account, .. } | Signer::Account(account) => account,
        }
    }

    /// The key, claimed.
    pub fn key_sid(self) -> Option<KeySid> {
        match self {
            Signer::Key { key, .. } => Some(key),
            Signer::Account(_) => None,
        }
    }
}

/// A good token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// Signed with an API key.
    Access(Box<AccessToken>),
    /// Signed with an auth token.
    Capability(CapabilityToken),
}

/// When a token is good, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// `exp`.
    pub expires: i64,
    /// `nbf`.
    pub not_before: Option<i64>,
    /// `iat`.
    pub issued: Option<i64>,
}

impl Lifetime {
    /// Whole seconds until the end.
    pub fn ttl(&self, now: Wall) -> u64 {
        (self.expires - now.0.div_euclid(1_000_000)).max(0) as u64
    }

    fn check(&self, now: Wall) -> Result<(), TokenFault> {
        let now = now.0.div_euclid(1_000_000);
        if self
            .not_before
            .is_some_and(|at| at > now.saturating_add(SKEW))
        {
            return Err(TokenFault::NotYet);
        }
        if self.expires <= now {
            return Err(TokenFault::Expired);
        }
        // Who names no beginning begins now.
        let begin = self.issued.or(self.not_before).unwrap_or(now);
        if self.expires.saturating_sub(begin.min(now)) > LIFETIME + SKEW
            || self.expires.saturating_sub(begin) > LIFETIME
        {
            return Err(TokenFault::TooLong);
        }
        Ok(())
    }
}

enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
}

/// A token as somebody sent it.
pub struct Unverified {
    signer: Signer,
    region: Option<String>,
    algorithm: Algorithm,
    signed: String,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

impl Unverified {
    /// Reads a token; believes nothing.
    pub fn parse(text: &str) -> Result<Unverified, TokenFault> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(TokenFault::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed);
        };
        let signed = text[..header.len() + 1 + payload.len()].to_owned();
        let signature = BASE64
            .decode(signature)
            .map_err(|_| TokenFault::Malformed)?;
        let (header, claims) = (object(header)?, object(payload)?);
        let algorithm = match header.get("alg").and_then(Value::as_str) {
            Some("HS256") => Algorithm::Hs256,
            Some("HS384") => Algorithm::Hs384,
            Some("HS512") => Algorithm::Hs512,
            _ => return Err(TokenFault::Header),
        };
        let content = header.get("cty").and_then(Value::as_str);
        let kind = header.get("typ").and_then(Value::as_str);
        if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
            return Err(TokenFault::Header);
        }
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let signer = match (content, claim("iss").parse::<AccountSid>()) {
            (None, Ok(account)) => Signer::Account(account),
            (Some("twilio-fpa;v=1"), _) => Signer::Key {
                key: claim("iss").parse().map_err(|_| TokenFault::Issuer)?,
                account: claim("sub").parse().map_err(|_| TokenFault::Issuer)?,
            },
            // A capability token has no cty; an access token without it is refused for that.
            _ => return Err(TokenFault::Header),
        };
        Ok(Unverified {
            signer,
            region: header.get("twr").and_then(Value::as_str).map(str::to_owned),
            algorithm,
            signed,
            signature,
            claims,
        })
    }

    /// Whose secret to look up. Whether the key lives and belongs to the account is the caller's to
    /// see: [`TokenFault::Issuer`], [`TokenFault::Account`].
    pub fn signer(&self) -> Signer {
        self.signer
    }

    /// The key, claimed.
    pub fn key_sid(&self) -> Option<KeySid> {
        self.signer.key_sid()
    }

    /// The account, claimed.
    pub fn account_sid(&self) -> AccountSid {
        self.signer.account_sid()
    }

    /// Checks signature, times and grants, in this order.
    pub fn verify(self, secret: &str, now: Wall) -> Result<Token, TokenFault> {
        if !self.signed_with(secret.as_bytes()) {
            return Err(TokenFault::Signature);
        }
        let lifetime = Lifetime {
            // Who does not say when it ends is taken at the word of "expired or invalid".
            expires: seconds(&self.claims, "exp").ok_or(TokenFault::Expired)?,
            not_before: seconds(&self.claims, "nbf"),
            issued: seconds(&self.claims, "iat"),
        };
        lifetime.check(now)?;
        match self.signer {
            Signer::Key { key, account } => Ok(Token::Access(Box::new(AccessToken::read(
                key,
                account,
                lifetime,
                self.region,
                self.claims,
            )?))),
            Signer::Account(account) => Ok(Token::Capability(CapabilityToken::read(
                account,
                lifetime,
                &self.claims,
            )?)),
        }
    }

    /// In constant time.
    fn signed_with(&self, secret: &[u8]) -> bool {
        fn verify<M: Mac + hmac::digest::KeyInit>(secret: &[u8], text: &str, tag: &[u8]) -> bool {
            let mut mac =
                <M as Mac>::new_from_slice(secret).expect("HMAC takes a key of any length");
            mac.update(text.as_bytes());
            mac.verify_slice(tag).is_ok()
        }
        match self.algorithm {
            Algorithm::Hs256 => verify::<Hmac<Sha256>>(secret, &self.signed, &self.signature),
            Algorithm::Hs384 => verify::<Hmac<Sha384>>(secret, &self.signed, &self.signature),
            Algorithm::Hs512 => verify::<Hmac<Sha512>>(secret, &self.signed, &self.signature),
        }
    }
}

/// An access token for a page that we serve ourselves. `claims` are those of
/// `rest-twiml-webhooks.md` 7.1, `secret` is that of the key in `iss`.
pub fn sign(claims: &Value, secret: &str) -> String {
    let header = serde_json::json!({"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"});
    let part = |bytes: &[u8]| BASE64.encode(bytes).replace('=', "");
    let signed = format!(
        "{}.{}",
        part(header.to_string().as_bytes()),
        part(claims.to_string().as_bytes())
    );
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", part(&mac.finalize().into_bytes()))
}

fn object(part: &str) -> Result<Map<String, Value>, TokenFault> {
    let bytes = BASE64.decode(part).map_err(|_| TokenFault::Malformed)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(TokenFault::Malformed),
    }
}

/// Some libraries write a time with a fraction.
fn seconds(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
}

/// The rule for names of clients: what can be written into `client:name?word=value`. Upstream names
/// letters, digits and underscores, and takes more; many are UUIDs or addresses of mail.
pub(crate) fn client_name(name: &str) -> Result<String, TokenFault> {
    let legal = |c: char| !c.is_control() && !c.is_whitespace() && c != '?';
    if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(legal) {
        return Err(TokenFault::Name);
    }
    Ok(name.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) const NOW: Wall = Wall(1_700_000_000_000_000);
    const T: i64 = 1_700_000_000;
    pub(crate) const SECRET: &str = "secretsecretsecretsecretsecret12";

    pub(crate) fn sign(header: Value, claims: Value, secret: &str) -> String {
        let part = |value: Value| BASE64.encode(value.to_string()).replace('=', "");
        let signed = format!("{}.{}", part(header), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        let tag = BASE64.encode(mac.finalize().into_bytes()).replace('=', "");
        format!("{signed}.{tag}")
    }

    pub(crate) fn header() -> Value {
        json!({"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"})
    }

    pub(crate) fn claims() -> Value {
        json!({
            "jti": format!("SK{}-{T}", "1".repeat(32)),
            "iss": format!("SK{}", "1".repeat(32)),
            "sub": format!("AC{}", "2".repeat(32)),
            "iat": T,
            "exp": T + 3600,
            "grants": {
                "identity": "alice",
                "voice": {
                    "incoming": {"allow": true},
                    "outgoing": {
                        "application_sid": format!("AP{}", "3".repeat(32)),
                        "params": {"team": "a b", "level": 2}
                    }
                }
            }
        })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = claims();
        change(&mut claims);
        claims
    }

    fn read(token: &str) -> Result<Token, TokenFault> {
        Unverified::parse(token)?.verify(SECRET, NOW)
    }

    /// A token of PyJWT, signed elsewhere, so that we do not only read what we write.
    #[test]
    fn a_token_of_another_library() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        // RFC 7519's well-known example has neither cty nor iss.
        assert!(matches!(Unverified::parse(token), Err(TokenFault::Header)));
        let unverified = Unverified {
            signer: Signer::Account(AccountSid::from_bytes([0; 16])),
            region: None,
            algorithm: Algorithm::Hs256,
            signed: token.rsplit_once('.').unwrap().0.to_owned(),
            signature: BASE64.decode(token.rsplit_once('.').unwrap().1).unwrap(),
            claims: Map::new(),
        };
        assert!(unverified.signed_with(b"your-256-bit-secret"));
        assert!(!unverified.signed_with(b"your-256-bit-secres"));
    }

    #[test]
    fn who_claims_to_have_signed_is_known_before_the_secret() {
        let unverified = Unverified::parse(&sign(header(), claims(), "x")).unwrap();
        assert_eq!(unverified.key_sid(), Some(KeySid::from_bytes([0x11; 16])));
        assert_eq!(unverified.account_sid(), AccountSid::from_bytes([0x22; 16]));
        assert_eq!(unverified.verify(SECRET, NOW), Err(TokenFault::Signature));
    }

    #[test]
    fn names_are_what_can_be_dialled() {
        for name in [
            "alice",
            "id1-1700000000000",
            "joe.doe@example.com",
            "我不吃蛋",
            "a+b:c",
        ] {
            assert_eq!(client_name(name).as_deref(), Ok(name));
        }
        for name in ["", "a b", "a?b", "a\r\nVia: x", "a\u{85}b"] {
            assert_eq!(client_name(name), Err(TokenFault::Name), "{name:?}");
        }
    }

    #[test]
    fn each_fault_has_its_error_in_the_documented_order() {
        use TokenFault::*;
        for (token, fault, voice, code) in [
            ("".to_owned(), Malformed, 31204, 20101),
            ("a.b".to_owned(), Malformed, 31204, 20101),
            ("a.b.c.d".to_owned(), Malformed, 31204, 20101),
            ("!.!.!".to_owned(), Malformed, 31204, 20101),
            ("e30.e30.".to_owned(), Header, 31204, 20102),
            (
                sign(
                    json!({"typ": "JWT", "alg": "none", "cty": "twilio-fpa;v=1"}),
                    claims(),
                    SECRET,
                ),
                Header,
                31204,
                20102,
            ),
            (
                sign(json!({"typ": "JWT", "alg": "HS256"}), claims(), SECRET),
                Header,
                31204,
                20102,
            ),
            (
                sign(header(), with(|c| c["iss"] = json!("nobody")), SECRET),
                Issuer,
                31204,
                20103,
            ),
            (
                sign(header(), with(|c| c["sub"] = json!(null)), SECRET),
                Issuer,
                31204,
                20103,
            ),
            // Several faults: the first in the order counts.
            (
                sign(header(), with(|c| c["exp"] = json!(T - 1)), "other"),
                Signature,
                31202,
                20107,
            ),
            (
                sign(header(), with(|c| c["nbf"] = json!(T + 61)), SECRET),
                NotYet,
                31204,
                20105,
            ),
            (
                sign(header(), with(|c| c["exp"] = json!(T)), SECRET),
                Expired,
                31205,
                20104,
            ),
            (
                sign(header(), with(|c| c["exp"] = json!("soon")), SECRET),
                Expired,
                31205,
                20104,
            ),
            (
                sign(header(), with(|c| c["exp"] = json!(T + 86_401)), SECRET),
                TooLong,
                31207,
                20157,
            ),
            (
                sign(header(), with(|c| c["grants"] = json!([])), SECRET),
                Grants,
                31201,
                20106,
            ),
            (
                sign(
                    header(),
                    with(|c| c["grants"]["identity"] = json!(null)),
                    SECRET,
                ),
                Grants,
                31201,
                20106,
            ),
            (
                sign(
                    header(),
                    with(|c| c["grants"]["identity"] = json!("a b")),
                    SECRET,
                ),
                Name,
                31105,
                20106,
            ),
            (
                sign(
                    header(),
                    with(|c| c["grants"]["identity"] = json!("a".repeat(122))),
                    SECRET,
                ),
                Name,
                31105,
                20106,
            ),
        ] {
            let found = read(&token).unwrap_err();
            assert_eq!(found, fault, "{token}");
            assert_eq!(found.voice_code().code, voice, "{fault:?}");
            assert_eq!(found.code().code, code, "{fault:?}");
        }
    }

    #[test]
    fn the_edges_of_a_life() {
        let life = |change: fn(&mut Value)| read(&sign(header(), with(change), SECRET));
        assert!(life(|c| c["nbf"] = json!(T + 60)).is_ok());
        assert!(life(|c| c["exp"] = json!(T + 1)).is_ok());
        assert!(life(|c| c["exp"] = json!(T + 86_400)).is_ok());
        assert!(life(|c| c["exp"] = json!(T as f64 + 3600.5)).is_ok());
        // Nobody gets a longer life by an `iat` in the future, or none.
        assert_eq!(
            life(|c| {
                c["iat"] = json!(T + 86_400);
                c["exp"] = json!(T + 2 * 86_400);
            }),
            Err(TokenFault::TooLong)
        );
        assert_eq!(
            life(|c| {
                c.as_object_mut().unwrap().remove("iat");
                c["exp"] = json!(T + 86_401);
            }),
            Err(TokenFault::TooLong)
        );
        assert_eq!(
            life(|c| c["exp"] = json!(i64::MAX)),
            Err(TokenFault::TooLong)
        );
        assert_eq!(
            life(|c| c["nbf"] = json!(i64::MAX)),
            Err(TokenFault::NotYet)
        );
    }

    #[test]
    fn no_change_of_a_letter_goes_unseen() {
        let token = sign(header(), claims(), SECRET);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = match forged[at] {
                b'.' => b'_',
                b'A' => b'B',
                _ => b'A',
            };
            let forged = String::from_utf8(forged).unwrap();
            // The last letter carries bits that mean nothing.
            assert!(at + 1 == token.len() || read(&forged).is_err(), "{at}");
        }
    }
}
