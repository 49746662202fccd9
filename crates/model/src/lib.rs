//! The nouns everybody shares: identifiers, records, times, error codes. No I/O, no async.
#![forbid(unsafe_code)]

pub mod access_token;
pub mod account;
pub mod alert;
pub mod application;
pub mod binding;
pub mod call;
pub mod capability_token;
pub mod credential_list;
pub mod error_code;
pub mod event;
pub mod ip_access_control_list;
pub mod late_answer;
pub mod method;
pub mod notices;
pub mod now;
pub mod owed;
pub mod page;
pub mod phone_number;
pub mod pii;
pub mod sid;
pub mod sip_domain;
pub mod telemetry;
pub mod token;
pub mod trunk;
pub mod validation;

/// Writes the four things every closed set of words needs: all of it, the word, and both ways.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or(())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(|()| {
                    serde::de::Error::custom(format!(
                        "'{text}' is not one of: {}",
                        [$($word),*].join(", ")
                    ))
                })
            }
        }
    };
}
pub(crate) use words;
