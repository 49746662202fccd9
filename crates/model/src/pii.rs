//! What must not end in a log: personal data and secrets.

use std::{fmt, ops::Deref};

/// A value whose `Debug` shows nothing. It reads as the value itself through `Deref`, and is
/// stored and transmitted as the value itself.
#[derive(Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Pii<T>(pub T);

impl<T> Pii<T> {
    /// The value, taken out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl<T> Deref for Pii<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Pii(value)
    }
}

impl From<&str> for Pii<String> {
    fn from(value: &str) -> Self {
        Pii(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_and_deref_shows() {
        let token: Pii<String> = "secret".into();
        assert_eq!(
            format!("{token:?} {:?}", Some(&token)),
            "[hidden] Some([hidden])"
        );
        assert_eq!(token.as_str(), "secret");
    }
}
