//! Session-Expires (RFC 4028 section 4).

use std::time::Duration;

/// Who refreshes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The side whose request this is or answers.
    Uac,
    /// The other.
    Uas,
}

/// The interval after which a session that nobody refreshed is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Whole seconds.
    pub interval: Duration,
    /// Who refreshes, when said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads a value.
    pub fn parse(text: &str) -> Option<SessionExpires> {
        let (seconds, params) = text.split_once(';').unwrap_or((text, ""));
        let seconds: u32 = seconds.trim().parse().ok()?;
        let refresher = params.split(';').find_map(|p| {
            let (name, value) = p.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("refresher") {
                return None;
            }
            match value.trim() {
                v if v.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                v if v.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None,
            }
        });
        Some(SessionExpires {
            interval: Duration::from_secs(u64::from(seconds)),
            refresher,
        })
    }
}
