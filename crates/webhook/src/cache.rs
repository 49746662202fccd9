//! Answers to GET that may be used again (RFC 9111 as far as a private cache needs it).

use std::collections::HashMap;

use bytes::Bytes;
use model::now::Wall;

use crate::http_date::http_date;

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its headers, names in lowercase.
    pub headers: Vec<(String, String)>,
    /// Its body, decoded.
    pub body: Bytes,
    /// Until when it may be used without asking.
    pub fresh_until: Wall,
}

impl Kept {
    /// The first value of a header (name in lowercase).
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The header that asks whether it is still good, if the server gave a validator.
    pub fn condition(&self) -> Option<(&'static str, &str)> {
        self.header("etag")
            .map(|etag| ("if-none-match", etag))
            .or_else(|| {
                self.header("last-modified")
                    .map(|date| ("if-modified-since", date))
            })
    }
}

/// Kept answers, bounded by bytes; the least recently used go first.
#[derive(Debug)]
pub struct Cache {
    kept: HashMap<String, (Kept, u64)>,
    bytes: usize,
    most: usize,
    uses: u64,
}

impl Cache {
    /// An empty one for this many bytes of bodies and headers.
    pub fn new(most: usize) -> Self {
        Self {
            kept: HashMap::new(),
            bytes: 0,
            most,
            uses: 0,
        }
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is kept under a key, fresh or not.
    pub fn find(&mut self, key: &str) -> Option<Kept> {
        self.uses += 1;
        let (kept, used) = self.kept.get_mut(key)?;
        *used = self.uses;
        Some(kept.clone())
    }

    /// Keeps an answer 200 to a GET if its headers (names in lowercase) allow it.
    pub fn keep(&mut self, key: &str, headers: &[(String, String)], body: &Bytes, now: Wall) {
        self.remove(key);
        let Some(fresh_until) = fresh_until(headers, now) else {
            return;
        };
        let kept = Kept {
            headers: headers.to_vec(),
            body: body.clone(),
            fresh_until,
        };
        // Neither fresh nor able to be asked about: of no use.
        if fresh_until <= now && kept.condition().is_none() {
            return;
        }
        let size = size(key, &kept);
        // One answer may take a quarter at most, or it would displace everything else.
        if size > self.most / 4 {
            return;
        }
        while self.bytes + size > self.most {
            let Some(oldest) = self
                .kept
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(key, _)| key.clone())
            else {
                break;
            };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.bytes += size;
        self.kept.insert(key.to_owned(), (kept, self.uses));
    }

    /// Takes the news of an answer 304: what is kept is good for as long as it says.
    pub fn freshen(&mut self, key: &str, headers: &[(String, String)], now: Wall) {
        if let (Some((kept, _)), Some(until)) = (self.kept.get_mut(key), fresh_until(headers, now))
        {
            kept.fresh_until = until;
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some((kept, _)) = self.kept.remove(key) {
            self.bytes -= size(key, &kept);
        }
    }
}

fn size(key: &str, kept: &Kept) -> usize {
    let headers: usize = kept
        .headers
        .iter()
        .map(|(n, v)| n.len() + v.len() + 48)
        .sum();
    key.len() + headers + kept.body.len() + 128
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// Until when an answer with these headers is fresh; `None` if it must not be kept. Without an
/// explicit lifetime it is asked about every time: we do not guess.
fn fresh_until(headers: &[(String, String)], now: Wall) -> Option<Wall> {
    let mut age = None;
    let mut no_cache = false;
    for (_, value) in headers.iter().filter(|(name, _)| name == "cache-control") {
        for directive in value.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            match directive.split_once('=').unwrap_or((&directive, "")) {
                ("no-store", _) => return None,
                ("no-cache", _) => no_cache = true,
                ("max-age", seconds) => {
                    age = Some(seconds.trim_matches('"').parse::<i64>().unwrap_or(0));
                }
                _ => {}
            }
        }
    }
    // Only the encoding varies for us: every request carries the same headers otherwise.
    let varies = headers
        .iter()
        .filter(|(name, _)| name == "vary")
        .flat_map(|(_, value)| value.split(','))
        .any(|field| !field.trim().eq_ignore_ascii_case("accept-encoding"));
    if varies {
        return None;
    }
    if no_cache {
        return Some(now);
    }
    if let Some(seconds) = age {
        let old = header(headers, "age")
            .and_then(|age| age.parse().ok())
            .unwrap_or(0i64);
        let left = seconds.saturating_sub(old.max(0)).clamp(0, 366 * 86_400);
        return Some(Wall(now.0 + left * 1_000_000));
    }
    let Some(expires) = header(headers, "expires") else {
        return Some(now);
    };
    // Measured on the server's clock where it tells us (section 4.2.1).
    let date = header(headers, "date").and_then(http_date).unwrap_or(now);
    let left = http_date(expires).map_or(0, |expires| expires.0 - date.0);
    Some(Wall(now.0 + left.clamp(0, 366 * 86_400 * 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(784_111_777_000_000);

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    fn seconds(pairs: &[(&str, &str)]) -> Option<i64> {
        fresh_until(&headers(pairs), NOW).map(|until| (until.0 - NOW.0) / 1_000_000)
    }

    #[test]
    fn lifetimes() {
        assert_eq!(seconds(&[]), Some(0));
        assert_eq!(
            seconds(&[("cache-control", "private, max-age=60")]),
            Some(60)
        );
        assert_eq!(
            seconds(&[("cache-control", "max-age=60"), ("age", "50")]),
            Some(10)
        );
        assert_eq!(
            seconds(&[("cache-control", "max-age=60, no-cache")]),
            Some(0)
        );
        assert_eq!(
            seconds(&[
                ("cache-control", "max-age=60"),
                ("cache-control", "no-store")
            ]),
            None
        );
        assert_eq!(seconds(&[("vary", "Accept-Encoding")]), Some(0));
        assert_eq!(seconds(&[("vary", "Cookie")]), None);
        assert_eq!(
            seconds(&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")]),
            Some(60)
        );
        assert_eq!(seconds(&[("expires", "0")]), Some(0));
        assert_eq!(
            seconds(&[
                ("cache-control", "max-age=9"),
                ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")
            ]),
            Some(9)
        );
    }

    #[test]
    fn bounded_and_least_recently_used_goes_first() {
        let mut cache = Cache::new(10_000);
        let etag = headers(&[("etag", "\"1\"")]);
        let body = Bytes::from(vec![0; 1500]);
        for key in ["a", "b", "c", "d", "e"] {
            cache.keep(key, &etag, &body, NOW);
        }
        assert!(cache.find("a").is_some());
        cache.keep("f", &etag, &body, NOW);
        assert!(cache.find("b").is_none() && cache.find("a").is_some());
        cache.keep("large", &etag, &Bytes::from(vec![0; 5000]), NOW);
        assert!(cache.find("large").is_none());
        cache.keep("useless", &[], &body, NOW);
        assert!(cache.find("useless").is_none());
        assert!(cache.bytes() <= 10_000);
        for key in ["a", "c", "d", "e", "f"] {
            cache.remove(key);
        }
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn freshened() {
        let mut cache = Cache::new(10_000);
        cache.keep("a", &headers(&[("last-modified", "x")]), &Bytes::new(), NOW);
        assert_eq!(
            cache.find("a").unwrap().condition(),
            Some(("if-modified-since", "x"))
        );
        cache.freshen("a", &headers(&[("cache-control", "max-age=5")]), NOW);
        assert_eq!(cache.find("a").unwrap().fresh_until.0, NOW.0 + 5_000_000);
    }
}
