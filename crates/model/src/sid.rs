//! Typed identifiers: two letters, then 32 lowercase hexadecimal digits.
//!
//! A [`Sid`] can only be made from a text that has its prefix, or from sixteen random bytes, so
//! inside the platform no `String` is secretly an identifier. Upstream matches them without
//! regard to case and generates lowercase; so do we.

use std::{fmt, str::FromStr};

/// Why a text is not the identifier that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {prefix} identifier: expected {prefix} and 32 hexadecimal digits")]
pub struct SidError {
    /// The two letters that were expected.
    pub prefix: &'static str,
    /// What was given, cut to 64 characters.
    pub text: String,
}

/// Sixteen bytes of a text of 32 hexadecimal digits.
fn hex16(digits: &str) -> Option<[u8; 16]> {
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

macro_rules! sids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The two letters in front.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier of sixteen random bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The sixteen bytes behind the prefix.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = SidError;

            fn from_str(text: &str) -> Result<Self, SidError> {
                text.get(..2)
                    .filter(|letters| letters.eq_ignore_ascii_case($prefix))
                    .and_then(|_| hex16(&text[2..]))
                    .map(Self)
                    .ok_or_else(|| SidError {
                        prefix: $prefix,
                        text: text.chars().take(64).collect(),
                    })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

sids! {
    /// An account or a subaccount.
    AccountSid = "AC";
    /// A TwiML application.
    ApplicationSid = "AP";
    /// A call: one party's connection.
    CallSid = "CA";
    /// An API key.
    KeySid = "SK";
    /// An owned phone number.
    PhoneNumberSid = "PN";
    /// A notification about a call, or a monitor alert.
    NotificationSid = "NO";
    /// A SIP domain.
    SipDomainSid = "SD";
    /// A list of SIP credentials.
    CredentialListSid = "CL";
    /// One SIP credential: user name and password hash.
    CredentialSid = "CR";
    /// A list of allowed source addresses.
    IpAccessControlListSid = "AL";
    /// One allowed source address.
    IpAddressSid = "IP";
    /// A trunk to a carrier.
    TrunkSid = "TK";
    /// A recording.
    RecordingSid = "RE";
    /// One request to our API, named in the response headers.
    RequestSid = "RQ";
    /// A call message to or from a page.
    UserDefinedMessageSid = "KX";
    /// Who is told the call messages of a page.
    UserDefinedMessageSubscriptionSid = "ZY";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_its_prefix_and_32_lowercase_digits() {
        let sid = CallSid::from_bytes([0xab; 16]);
        assert_eq!(sid.to_string(), format!("CA{}", "ab".repeat(16)));
        assert_eq!(sid.to_string().to_uppercase().parse(), Ok(sid));
    }

    #[test]
    fn another_prefix_or_length_is_refused() {
        for text in [
            "",
            "CA",
            "AC00000000000000000000000000000000",
            "CA0",
            "é00",
            "CAzz",
        ] {
            assert!(text.parse::<CallSid>().is_err(), "{text}");
        }
        let signed = format!("CA{}", "+f".repeat(16));
        assert!(signed.parse::<CallSid>().is_err());
    }
}
