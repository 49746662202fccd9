//! Connection overrides: `#ct=2000&rc=3` behind a configured URL.
//!
//! The grammar and the defaults are upstream's (contract 5.2). The fragment never leaves this
//! machine and is not signed.

use std::time::Duration;

/// After which failures a request is tried again at once (`rp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection: TCP or TLS failed or took too long (`ct`).
    pub connect: bool,
    /// No answer within the read time-out (`rt`).
    pub read: bool,
    /// An answer 400 to 499 (`4xx`).
    pub client_error: bool,
    /// An answer 500 to 599 (`5xx`).
    pub server_error: bool,
}

/// What the fragment of a URL asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overrides {
    /// `ct`: time for TCP and TLS; 100 ms to 10 s, default 5 s.
    pub connect: Duration,
    /// `rt`: longest silence while waiting for the answer; 100 ms to 15 s, default 15 s.
    pub read: Duration,
    /// `tt`: time for everything, retries and redirects included; 100 ms to 15 s, default 15 s.
    pub total: Duration,
    /// `rc`: how often it is tried again; 0 to 5, default 1.
    pub retries: u32,
    /// `rp`: after what; default `ct`.
    pub retry_on: RetryOn,
    /// `sni`: whether TLS names the host; default yes.
    pub sni: bool,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            retry_on: RetryOn {
                connect: true,
                read: false,
                client_error: false,
                server_error: false,
            },
            sni: true,
        }
    }
}

/// A fragment that names an override but gives it an impossible value. The customer must mend
/// the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// `ct`, `rt` or `tt` is not a number of milliseconds within its range.
    #[error("connection override {0} must be a number of milliseconds within its range")]
    Time(&'static str),
    /// `rc` is not 0 to 5.
    #[error("connection override rc must be 0 to 5")]
    Count,
    /// `sni` is neither `y` nor `n`.
    #[error("connection override sni must be y or n")]
    Sni,
    /// `e` is no list of edge locations.
    #[error("connection override e must be a list of edge locations, like ashburn,dublin")]
    Edge,
    /// `rp` names something unknown.
    #[error("connection override rp must be a list of 4xx, 5xx, ct, rt or all")]
    Policy,
}

impl OverrideError {
    /// The code under which the customer is told. The dictionary has one for the edge and one for
    /// the policy (11241 and 11242 are about edges that only upstream has); for the others it is
    /// the URL that is wrong.
    pub fn code(&self) -> u32 {
        match self {
            Self::Edge => 11240,
            Self::Policy => 11243,
            Self::Time(_) | Self::Count | Self::Sni => 11100,
        }
    }
}

impl Overrides {
    /// Reads the fragment of a URL. A fragment without any known key is an ordinary fragment:
    /// the defaults hold.
    pub fn of_url(url: &str) -> Result<Self, OverrideError> {
        url.split_once('#')
            .map_or(Ok(Self::default()), |(_, fragment)| Self::parse(fragment))
    }

    /// Reads a fragment (without `#`).
    pub fn parse(fragment: &str) -> Result<Self, OverrideError> {
        let mut overrides = Self::default();
        for pair in fragment.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "ct" => overrides.connect = millis("ct", value, 10_000)?,
                "rt" => overrides.read = millis("rt", value, 15_000)?,
                "tt" => overrides.total = millis("tt", value, 15_000)?,
                "rc" => {
                    overrides.retries = number(value)
                        .filter(|count| *count <= 5)
                        .ok_or(OverrideError::Count)?
                }
                "rp" => overrides.retry_on = retry_on(value)?,
                "sni" => {
                    overrides.sni = match value {
                        "y" => true,
                        "n" => false,
                        _ => return Err(OverrideError::Sni),
                    }
                }
                // One installation has one edge: the list is checked and not used.
                "e" if value.is_empty()
                    || !value
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b',') =>
                {
                    return Err(OverrideError::Edge);
                }
                _ => {}
            }
        }
        Ok(overrides)
    }
}

fn number(value: &str) -> Option<u32> {
    value
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| value.parse().ok())
        .flatten()
}

fn millis(key: &'static str, value: &str, most: u32) -> Result<Duration, OverrideError> {
    number(value)
        .filter(|millis| (100..=most).contains(millis))
        .map(|millis| Duration::from_millis(millis.into()))
        .ok_or(OverrideError::Time(key))
}

fn retry_on(value: &str) -> Result<RetryOn, OverrideError> {
    let mut on = RetryOn {
        connect: false,
        read: false,
        client_error: false,
        server_error: false,
    };
    for word in value.split(',') {
        match word {
            "ct" => on.connect = true,
            "rt" => on.read = true,
            "4xx" => on.client_error = true,
            "5xx" => on.server_error = true,
            "all" => {
                on = RetryOn {
                    connect: true,
                    read: true,
                    client_error: true,
                    server_error: true,
                }
            }
            _ => return Err(OverrideError::Policy),
        }
    }
    Ok(on)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract 5.2: what holds for a URL without a fragment.
    #[test]
    fn without_overrides_the_documented_times_hold() {
        let usual = Overrides::parse("").unwrap();
        assert_eq!(usual, Overrides::default());
        assert_eq!(usual.connect, Duration::from_secs(5));
        assert_eq!(usual.read, Duration::from_secs(15));
        assert_eq!(usual.total, Duration::from_secs(15));
        assert_eq!(usual.retries, 1);
    }

    #[test]
    fn a_full_fragment() {
        let given =
            Overrides::of_url("https://h/p?x#ct=100&rt=200&tt=300&rc=5&rp=5xx,rt&sni=n&e=ashburn")
                .unwrap();
        assert_eq!(given.connect, Duration::from_millis(100));
        assert_eq!(given.read, Duration::from_millis(200));
        assert_eq!(given.total, Duration::from_millis(300));
        assert_eq!(given.retries, 5);
        assert!(given.retry_on.server_error && given.retry_on.read && !given.retry_on.connect);
        assert!(!given.sni);
    }

    #[test]
    fn plain_fragments_mean_nothing() {
        assert_eq!(Overrides::of_url("http://h/#top"), Ok(Overrides::default()));
        assert_eq!(Overrides::of_url("http://h/#"), Ok(Overrides::default()));
    }

    #[test]
    fn each_bad_value_has_its_code() {
        for (fragment, code) in [
            ("ct=99", 11100),
            ("ct=10001", 11100),
            ("rt=x", 11100),
            ("tt=+500", 11100),
            ("tt=15001", 11100),
            ("rc=6", 11100),
            ("rc=", 11100),
            ("sni=maybe", 11100),
            ("e=", 11240),
            ("e=a/b", 11240),
            ("rp=3xx", 11243),
            ("rp=", 11243),
        ] {
            assert_eq!(
                Overrides::parse(fragment).unwrap_err().code(),
                code,
                "{fragment}"
            );
        }
    }
}
