//! The limit of open files: a bridged call needs four sockets, and systems start programs with room
//! for a thousand.
#![allow(unsafe_code, reason = "the limit has no safe wrapper")]

use crate::config::{Config, Mode};

/// Sockets of one bridged call: RTP and RTCP of two legs.
pub const PER_CALL: usize = 4;
/// What is open besides: database, listeners, customers' servers, streams.
pub const BESIDES: usize = 1000;

/// Raises the limit, and says so where it is still too low for the calls that are allowed.
pub fn provide(config: &Config) {
    if let Some(files) = raise()
        && let Some(fit) = fewer_than(config.max_calls, files)
    {
        let wanted = config.max_calls * PER_CALL + BESIDES;
        let cure = format!(
            "the limit of {files} open files is enough for {fit} bridged calls, not for max-calls = {}; raise it to {wanted} (`ulimit -n`, or LimitNOFILE= in the service's unit), or lower max-calls",
            config.max_calls
        );
        // A developer's own computer hardly needs that many.
        match config.mode {
            Mode::Production => tracing::warn!("{cure}"),
            Mode::Development => tracing::debug!("{cure}"),
        }
    }
}

/// Raises the limit as far as the system lets us; what it is then. `None` where it cannot be read.
pub fn raise() -> Option<usize> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls get a pointer to an rlimit that lives through them.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return None;
        }
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
            limit.rlim_cur = before;
        }
    }
    usize::try_from(limit.rlim_cur).ok()
}

/// How many calls fit when it is fewer than are allowed.
pub fn fewer_than(max_calls: usize, files: usize) -> Option<usize> {
    let fit = files.saturating_sub(BESIDES) / PER_CALL;
    (fit < max_calls).then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_the_system_allows() {
        let files = raise().unwrap();
        assert!(files >= 256, "{files}");
        assert_eq!(raise(), Some(files));
        let shown = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = shown
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!((words[3], words[3]), (words[4], &*files.to_string()));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(fewer_than(10_000, 20_000), Some(4_750));
        assert_eq!(fewer_than(10_000, 41_000), None);
        assert_eq!(fewer_than(10, 256), Some(0));
    }
}
