//! Which SDK speaks, and what follows from its version.

use std::{fmt, str::FromStr};

/// A version of the browser SDK, as `listen.browserinfo.v` tells it.
///
/// A version that cannot be read is [`Sdk::UNKNOWN`]: it is ended in the way that is safe for all
/// and is sent nothing that only some understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sdk {
    /// 1 for `twilio-client`, 2 for `@twilio/voice-sdk`.
    pub major: u16,
    /// The second number.
    pub minor: u16,
    /// The third number.
    pub patch: u16,
}

impl Sdk {
    /// Nothing is known.
    pub const UNKNOWN: Sdk = Sdk::new(0, 0, 0);

    /// A version.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Sdk {
        Sdk {
            major,
            minor,
            patch,
        }
    }

    /// Generation 1 takes SDP in `ringing` for the answer, unless it was told otherwise in a way
    /// that cannot be seen from here.
    pub fn early_media_is_answer(self) -> bool {
        self < Sdk::new(2, 0, 0)
    }

    /// Presents reconnect tokens, and needs one lest a dropped socket leave a dead call.
    pub fn reconnects(self) -> bool {
        self >= Sdk::new(2, 1, 0)
    }

    /// Shows the preferred place of reconnection by `connected.edge`, even where it was given a
    /// host of its own.
    pub fn pins_edge(self) -> bool {
        (Sdk::new(2, 1, 0)..Sdk::new(2, 12, 2)).contains(&self)
    }

    /// Knows call messages.
    pub fn knows_messages(self) -> bool {
        self >= Sdk::new(2, 2, 0)
    }

    /// A `cancel` that crosses its answer closes the microphone. Before 1.10.3 it does not, and a
    /// later `hangup` does not either: only `hangup` and then `cancel` ends a call there.
    pub fn cancel_closes_media(self) -> bool {
        self >= Sdk::new(1, 10, 3)
    }

    /// Sends `reject` for what rings when the page is closed or loaded again.
    pub fn rejects_on_unload(self) -> bool {
        self >= Sdk::new(2, 10, 0)
    }
}

impl FromStr for Sdk {
    type Err = ();

    fn from_str(text: &str) -> Result<Sdk, ()> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = numbers.split('.').map(|part| part.parse::<u16>());
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), patch) => Ok(Sdk::new(
                major,
                minor,
                patch.and_then(Result::ok).unwrap_or(0),
            )),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let read = |text: &str| text.parse::<Sdk>();
        assert_eq!(read("1.10.3"), Ok(Sdk::new(1, 10, 3)));
        assert_eq!(read("2.0.0-rc1"), Ok(Sdk::new(2, 0, 0)));
        assert_eq!(read("2.5"), Ok(Sdk::new(2, 5, 0)));
        assert!(read("1.9.7") < read("1.10.2"));
        for text in ["", "two", "1", "-", "1.x.3", "99999999.1.1"] {
            assert_eq!(read(text), Err(()), "{text}");
        }
    }

    #[test]
    fn what_follows_from_the_version() {
        assert!(!Sdk::new(1, 10, 2).cancel_closes_media());
        assert!(Sdk::new(1, 10, 3).cancel_closes_media());
        assert!(!Sdk::UNKNOWN.cancel_closes_media());
        assert!(!Sdk::new(2, 0, 1).reconnects());
        assert!(Sdk::new(2, 1, 0).reconnects());
        assert!(Sdk::new(2, 12, 1).pins_edge());
        assert!(!Sdk::new(2, 12, 2).pins_edge());
    }
}
