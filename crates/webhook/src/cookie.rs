//! The cookies of one call: plain data, bounded (RFC 6265 as far as a call needs it).

use model::now::Wall;
use url::Url;

use crate::http_date::http_date;

/// Most cookies kept for one call; the oldest go first.
pub const MOST_COOKIES: usize = 50;
/// Longest cookie kept, name and value, in bytes.
pub const MOST_BYTES: usize = 4096;

/// One cookie. It goes back to the host that set it and to no other: `Domain` is not honoured,
/// so that hosts below one registry cannot read each other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Name.
    pub name: String,
    /// Value, as received.
    pub value: String,
    /// The host that set it.
    pub host: String,
    /// Where it is valid.
    pub path: String,
    /// Until when; `None` lasts as long as the call.
    pub expires: Option<Wall>,
    /// Whether it goes over TLS only.
    pub secure: bool,
}

/// The cookies of one call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Jar(Vec<Cookie>);

impl Jar {
    /// What is kept.
    pub fn cookies(&self) -> &[Cookie] {
        &self.0
    }

    /// Takes one `Set-Cookie` header that came with an answer from `url`. What is malformed or
    /// too long is left out.
    pub fn store(&mut self, url: &Url, header: &str, now: Wall) {
        let Some(host) = url.host_str() else { return };
        let mut parts = header.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty()
            || name.len() + value.len() > MOST_BYTES
            || header.contains(|c: char| c.is_control() && c != '\t')
        {
            return;
        }
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            host: host.to_owned(),
            path: default_path(url.path()),
            expires: None,
            secure: false,
        };
        let mut max_age = false;
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                // Max-Age has precedence over Expires (section 5.3, step 3).
                "max-age" => {
                    if let Ok(seconds) = value.parse::<i64>() {
                        let seconds = seconds.clamp(0, 400 * 86_400);
                        cookie.expires = Some(Wall(now.0 + seconds * 1_000_000));
                        max_age = true;
                    }
                }
                "expires" if !max_age => cookie.expires = http_date(value),
                "path" if value.starts_with('/') && value.len() <= 1024 => {
                    cookie.path = value.to_owned();
                }
                "secure" => cookie.secure = true,
                _ => {}
            }
        }
        if cookie.secure && url.scheme() != "https" {
            return;
        }
        self.0.retain(|known| {
            known.name != cookie.name || known.host != cookie.host || known.path != cookie.path
        });
        if cookie.expires.is_none_or(|expires| expires > now) {
            if self.0.len() >= MOST_COOKIES {
                self.0.remove(0);
            }
            self.0.push(cookie);
        }
    }

    /// The `Cookie` header for a request to `url`, or `None` if no cookie belongs to it.
    pub fn header(&self, url: &Url, now: Wall) -> Option<String> {
        let host = url.host_str()?;
        let mut matching: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|cookie| {
                cookie.host == host
                    && path_matches(&cookie.path, url.path())
                    && (!cookie.secure || url.scheme() == "https")
                    && cookie.expires.is_none_or(|expires| expires > now)
            })
            .collect();
        // Longer paths first (section 5.4, step 2); the sort is stable, so age decides next.
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = matching
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => path[..end].to_owned(),
    }
}

fn path_matches(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    const NOW: Wall = Wall(1_700_000_000_000_000);

    #[test]
    fn host_path_secure_and_expiry() {
        let mut jar = Jar::default();
        jar.store(&url("https://a/x/y"), "one=1", NOW);
        jar.store(&url("https://a/"), "two=2; Path=/; Secure; HttpOnly", NOW);
        jar.store(&url("https://a/"), "three=3; Max-Age=10", NOW);
        let header = |text, at| jar.header(&url(text), at);
        assert_eq!(
            header("https://a/x/z", NOW).unwrap(),
            "one=1; two=2; three=3"
        );
        assert_eq!(header("http://a/x", NOW).unwrap(), "one=1; three=3");
        assert_eq!(
            header("https://a/xy", Wall(NOW.0 + 11_000_000)).unwrap(),
            "two=2"
        );
        assert_eq!(header("https://b/", NOW), None);
        assert_eq!(header("https://sub.a/", NOW), None);
    }

    #[test]
    fn replaced_removed_refused() {
        let mut jar = Jar::default();
        jar.store(&url("http://a/"), "k=1", NOW);
        jar.store(&url("http://a/"), "k=2", NOW);
        assert_eq!(jar.header(&url("http://a/"), NOW).unwrap(), "k=2");
        jar.store(
            &url("http://a/"),
            "k=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            NOW,
        );
        for bad in ["", "novalue", "=x", "s=1; Secure", "k=a\rb"] {
            jar.store(&url("http://a/"), bad, NOW);
        }
        jar.store(&url("http://a/"), &format!("k={}", "x".repeat(5000)), NOW);
        assert_eq!(jar, Jar::default());
    }

    #[test]
    fn bounded() {
        let mut jar = Jar::default();
        for n in 0..200 {
            jar.store(&url("http://a/"), &format!("k{n}=1"), NOW);
        }
        assert_eq!(jar.cookies().len(), MOST_COOKIES);
        assert_eq!(jar.cookies()[0].name, "k150");
    }
}
