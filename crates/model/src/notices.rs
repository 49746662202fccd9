//! How pages learn what the original does not tell.

use serde::{Deserialize, Serialize};

/// How a page learns who answered in its place, and when the two parties hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notices {
    /// Not at all, as in the original.
    None,
    /// By a frame of a type of its own, for who listens on the SDK's stream.
    #[default]
    Stream,
    /// By a call message, event `messageReceived`, from 2.2.
    Message,
    /// By both.
    Both,
}

impl Notices {
    /// All of them, with the words of settings.
    pub const ALL: [(&'static str, Notices); 4] = [
        ("none", Notices::None),
        ("stream", Notices::Stream),
        ("message", Notices::Message),
        ("both", Notices::Both),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Notices::None => "none",
            Notices::Stream => "stream",
            Notices::Message => "message",
            Notices::Both => "both",
        }
    }

    /// Whether there is a frame.
    pub fn stream(self) -> bool {
        matches!(self, Notices::Stream | Notices::Both)
    }

    /// Whether there is a call message.
    pub fn message(self) -> bool {
        matches!(self, Notices::Message | Notices::Both)
    }
}

impl std::str::FromStr for Notices {
    type Err = ();

    fn from_str(text: &str) -> Result<Notices, ()> {
        let known = Notices::ALL.iter().find(|(word, _)| *word == text);
        known.map(|(_, notices)| *notices).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read_back() {
        for (word, notices) in Notices::ALL {
            assert_eq!(word.parse(), Ok(notices));
            assert_eq!(notices.as_str(), word);
            let json = serde_json::to_string(&notices).unwrap();
            assert_eq!(json, format!("\"{word}\""));
        }
        assert_eq!("loudly".parse::<Notices>(), Err(()));
    }
}
