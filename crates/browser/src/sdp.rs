//! The little that signalling reads of a session description: whether it is one, and whose.

/// Whether this can be an offer or an answer of a browser.
pub(crate) fn usable(sdp: &str, most: usize) -> bool {
    sdp.len() <= most && sdp.starts_with("v=0") && sdp.lines().any(|l| l.starts_with("m=audio"))
}

/// Who made a description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Author {
    fingerprint: Option<String>,
    ufrag: Option<String>,
}

impl Author {
    pub fn of(sdp: &str) -> Author {
        let line = |prefix: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix(prefix))
                .map(|value| value.trim().to_ascii_lowercase())
        };
        Author {
            fingerprint: line("a=fingerprint:"),
            ufrag: line("a=ice-ufrag:"),
        }
    }

    /// The same peer connection: the certificate decides, for an ICE restart that never reached us
    /// changes the ufrag; without certificates the ufrag does.
    pub fn same(&self, other: &Author) -> bool {
        match (&self.fingerprint, &other.fingerprint) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.ufrag == other.ufrag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_the_same_peer_and_another_device_is_not() {
        let one = Author::of("v=0\r\na=ice-ufrag:aa\r\na=fingerprint:sha-256 AB:CD\r\n");
        let restarted = Author::of("v=0\r\na=fingerprint:sha-256 ab:cd\r\na=ice-ufrag:bb\r\n");
        let other = Author::of("v=0\r\na=ice-ufrag:aa\r\na=fingerprint:sha-256 EF:01\r\n");
        assert!(one.same(&restarted));
        assert!(!one.same(&other));
        assert!(!Author::of("a=ice-ufrag:aa").same(&Author::of("a=ice-ufrag:bb")));
    }
}
