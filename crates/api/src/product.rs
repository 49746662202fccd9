//! Which product a request is for: by host name, since several products share paths (contract 1.1).

/// A group of resources under one host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// `api.…`: the resources of 2010.
    Api,
    /// `monitor.…`: the debugger.
    Monitor,
    /// `/_switchboard`: our own control plane, under every host name.
    Control,
    /// A product of the original that we do not have: 404 in JSON, so that clients fail cleanly.
    Absent,
}

/// The product, and the path within it.
///
/// `<product>[.<edge>][.<region>].<domain>` decides for the original's domain and for ours. Under
/// any other name, which is how libraries with a plain base URL come, the path decides; a prefix
/// like `/monitor/v1/Alerts` is tolerated as a convenience.
pub fn of<'a>(host: &str, base_domain: &str, path: &'a str) -> (Product, &'a str) {
    if path == "/_switchboard" || path.starts_with("/_switchboard/") {
        return (Product::Control, path);
    }
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let labels = ["twilio.com", base_domain]
        .into_iter()
        .find_map(|domain| name.strip_suffix(domain)?.strip_suffix('.'));
    if let Some(labels) = labels {
        let product = match labels.split('.').next() {
            Some("api") => Product::Api,
            Some("monitor") => Product::Monitor,
            _ => Product::Absent,
        };
        return (product, path);
    }
    for (prefix, product) in [("/api/", Product::Api), ("/monitor/", Product::Monitor)] {
        if path.starts_with(prefix) {
            return (product, &path[prefix.len() - 1..]);
        }
    }
    if path.starts_with("/v1/Alerts") {
        return (Product::Monitor, path);
    }
    (Product::Api, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_decides_else_the_path() {
        let of = |host, path| of(host, "example.org", path);
        assert_eq!(of("api.twilio.com", "/x").0, Product::Api);
        assert_eq!(of("api.dublin.ie1.twilio.com:443", "/x").0, Product::Api);
        assert_eq!(of("Monitor.example.org", "/v1/Alerts").0, Product::Monitor);
        assert_eq!(of("chat.twilio.com", "/v2/Services").0, Product::Absent);
        assert_eq!(of("localhost:3000", "/v1/Alerts").0, Product::Monitor);
        assert_eq!(of("[::1]:3000", "/2010-04-01/Accounts").0, Product::Api);
        assert_eq!(
            of("x", "/monitor/v1/Alerts"),
            (Product::Monitor, "/v1/Alerts")
        );
        assert_eq!(
            of("api.twilio.com", "/_switchboard/v1/trunks").0,
            Product::Control
        );
    }
}
