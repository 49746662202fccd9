//! What is done with who answers a call too late.

use serde::{Deserialize, Serialize};

/// What somebody sees who answers at the moment another wins, or the caller gives up.
///
/// Who has not answered sees `cancel` with any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum LateAnswer {
    /// `hangup`, then `cancel`: `accept`, then `disconnect`.
    #[default]
    #[serde(rename = "hangup-then-cancel")]
    HangupThenCancel,
    /// `cancel` alone: `accept`, then `cancel`. Versions before 1.10.3, whose microphone would stay
    /// open, get `hangup` before it.
    #[serde(rename = "cancel")]
    Cancel,
    /// An error 31003 before the end.
    #[serde(rename = "error-31003")]
    Timeout,
    /// An error 31008 with our text before the end; the only one that 2.8 and newer show with no
    /// option set.
    #[serde(rename = "error-31008")]
    Cancelled,
    /// Nothing: the page finds out by itself that no sound comes. For tests of applications.
    #[serde(rename = "silence")]
    Silence,
}

impl LateAnswer {
    /// All of them, with the words of settings.
    pub const ALL: [(&'static str, LateAnswer); 5] = [
        ("hangup-then-cancel", LateAnswer::HangupThenCancel),
        ("cancel", LateAnswer::Cancel),
        ("error-31003", LateAnswer::Timeout),
        ("error-31008", LateAnswer::Cancelled),
        ("silence", LateAnswer::Silence),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            LateAnswer::HangupThenCancel => "hangup-then-cancel",
            LateAnswer::Cancel => "cancel",
            LateAnswer::Timeout => "error-31003",
            LateAnswer::Cancelled => "error-31008",
            LateAnswer::Silence => "silence",
        }
    }
}

impl std::str::FromStr for LateAnswer {
    type Err = ();

    fn from_str(text: &str) -> Result<LateAnswer, ()> {
        LateAnswer::ALL
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, behaviour)| *behaviour)
            .ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read_back() {
        for (word, behaviour) in LateAnswer::ALL {
            assert_eq!(word.parse(), Ok(behaviour));
            assert_eq!(behaviour.as_str(), word);
            let json = serde_json::to_string(&behaviour).unwrap();
            assert_eq!(json, format!("\"{word}\""));
        }
        assert_eq!("later".parse::<LateAnswer>(), Err(()));
    }
}
