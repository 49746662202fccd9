//! Where a page is sent for its telemetry and to come back in mid-call, found from where it came.
//!
//! From 2.1 the SDKs send telemetry, with the token, to `eventgw.<home>.twilio.com`, and come back
//! during a call to `voice-js.<edge>.twilio.com`. Both are written so that what follows our own name
//! is a query (`voice-client.md` 1.3, 2.4, 6.1).

use crate::sdk::Sdk;

/// A home that nothing can be sent to (RFC 6761 section 6.4), for pages that came by an address that
/// no further name can be put before. An empty one would be the vendor's, who gets no token of ours.
const NOWHERE: &str = "invalid/insights?h=";

/// How a page found us, by the host that it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// By an address, or nobody knows.
    #[default]
    Unknown,
    /// By a name of the vendor's that leads here: all of them do.
    Theirs,
    /// By our own name and port, with the option `chunderw`.
    Own(String),
    /// By our own name and port, with the option `edge`.
    Edge(String),
}

impl Way {
    /// Reads the host of a request (RFC 9110 section 7.2).
    pub fn of(host: &str) -> Way {
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.split_once(':') {
            Some((name, port)) => (name, port),
            None => (host.as_str(), "443"),
        };
        let label = |label: &str| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(legal)
        };
        // What ends in a number is an address (WHATWG URL, "ends in a number").
        let last = name.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        // `voice-js.` or `eventgw.` must still fit (RFC 1035 section 2.3.4).
        if name.len() > 240 || !name.split('.').all(label) || number || port.parse::<u16>().is_err()
        {
            return Way::Unknown;
        }
        if name.ends_with(".twilio.com") {
            return Way::Theirs;
        }
        match host.strip_prefix("voice-js.") {
            Some(rest) => Way::Edge(rest.to_owned()),
            None => Way::Own(host),
        }
    }

    /// `connected.home`.
    pub fn home(&self) -> String {
        match self {
            Way::Unknown => NOWHERE.to_owned(),
            Way::Theirs => String::new(),
            Way::Own(host) | Way::Edge(host) => format!("{host}/insights?h="),
        }
    }

    /// `connected.edge`, where that is where the page would come back to.
    pub fn edge(&self, sdk: Sdk) -> Option<String> {
        match self {
            Way::Own(host) if sdk.pins_edge() => Some(format!("{host}/signal?")),
            Way::Edge(host) if sdk.reconnects() => Some(format!("{host}/signal?")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_goes_where_the_page_came_from() {
        for (host, home) in [
            ("Voice.example.com", "voice.example.com/insights?h="),
            ("localhost:8461", "localhost:8461/insights?h="),
            ("voice-js.localhost:8461", "localhost:8461/insights?h="),
            ("chunderw-vpc-gll.twilio.com", ""),
            ("voice-js.roaming.twilio.com:443", ""),
            ("127.0.0.1:8461", NOWHERE),
            ("[::1]:8461", NOWHERE),
            ("", NOWHERE),
            ("nottwilio.com", "nottwilio.com/insights?h="),
            ("a b", NOWHERE),
            ("a/b", NOWHERE),
            ("a..b", NOWHERE),
            ("host:port", NOWHERE),
            ("host.0x7f", NOWHERE),
        ] {
            assert_eq!(Way::of(host).home(), home, "{host}");
        }
        assert_eq!(Way::of(&"a.".repeat(200)).home(), NOWHERE);
    }

    #[test]
    fn who_would_come_back_to_the_vendor_comes_back_here() {
        let (old, pinned, new) = (Sdk::new(2, 0, 1), Sdk::new(2, 5, 0), Sdk::new(2, 18, 5));
        let edge = |host: &str, sdk| Way::of(host).edge(sdk);
        let here = Some("example.com:1/signal?".to_owned());
        assert_eq!(edge("example.com:1", pinned), here);
        assert_eq!(edge("example.com:1", new), None);
        assert_eq!(edge("example.com:1", old), None);
        assert_eq!(edge("voice-js.example.com:1", new), here);
        assert_eq!(edge("voice-js.example.com:1", old), None);
        assert_eq!(edge("voice-js.ashburn.twilio.com", new), None);
        assert_eq!(edge("10.0.0.1", pinned), None);
    }
}
