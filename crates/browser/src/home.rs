//! Where a page is sent for its telemetry and to come back in mid-call, found from where it came.
//!
//! From 2.1 the SDKs send telemetry, with the token, to `eventgw.<home>.twilio.com`, and come back
//! during a call to `voice-js.<edge>.twilio.com`. Both are written so that what follows our own name
//! is a query (`voice-client.md` 1.3, 2.4, 6.1).

use crate::sdk::Sdk;

/// A home that nothing can be sent to (RFC 6761 section 6.4), for pages that came by an address that
/// no further name can be put before. An empty one would be the vendor's, who gets no token of ours.
const NOWHERE: &str = "invalid/insights?h=";

/// An edge, what older versions call its region in a host name, and what `connected.region` calls
/// where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub edge: &'static str,
    code: &'static str,
    pub region: &'static str,
}

/// Every edge with a name (`voice-client.md` 1.2). The SDKs read an edge from the region where they
/// are told nothing else, up to 2.0.
const PLACES: [Place; 15] = {
    const fn place(edge: &'static str, code: &'static str, region: &'static str) -> Place {
        Place { edge, code, region }
    }
    [
        place("ashburn", "us1", "US_EAST_VIRGINIA"),
        place("umatilla", "us2", "US_WEST_OREGON"),
        place("dublin", "ie1", "EU_IRELAND"),
        place("frankfurt", "de1", "EU_FRANKFURT"),
        place("singapore", "sg1", "ASIAPAC_SINGAPORE"),
        place("sydney", "au1", "ASIAPAC_SYDNEY"),
        place("tokyo", "jp1", "ASIAPAC_TOKYO"),
        place("sao-paulo", "br1", "SOUTH_AMERICA_SAO_PAULO"),
        // These have no name of the longer kind; the SDKs take the short one as it is.
        place("ashburn-ix", "us1-ix", "us1-ix"),
        place("san-jose-ix", "us2-ix", "us2-ix"),
        place("london-ix", "ie1-ix", "ie1-ix"),
        place("frankfurt-ix", "de1-ix", "de1-ix"),
        place("singapore-ix", "sg1-ix", "sg1-ix"),
        place("sydney-ix", "au1-ix", "au1-ix"),
        place("tokyo-ix", "jp1-ix", "jp1-ix"),
    ]
};

impl Place {
    /// The one that a name of the vendor's names; none if it leaves the choice to us.
    fn of(name: &str) -> Option<Place> {
        let label = name.strip_suffix(".twilio.com")?;
        let named = |place: &&Place| match label.strip_prefix("voice-js.") {
            Some(edge) => place.edge == edge,
            None => label.strip_prefix("chunderw-vpc-gll-") == Some(place.code),
        };
        PLACES.iter().find(named).copied()
    }
}

/// How a page found us, by the host that it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// By an address, or nobody knows.
    #[default]
    Unknown,
    /// By a name of the vendor's that leads here, as all of them do, and may be that of a place.
    Theirs(Option<Place>),
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
            return Way::Theirs(Place::of(name));
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
            // Its certificate is ours too; an empty one would do, but upstream's never is.
            Way::Theirs(_) => "us1".to_owned(),
            Way::Own(host) | Way::Edge(host) => format!("{host}/insights?h="),
        }
    }

    /// The place that the page asked for, and so is at: what its application reads in `device.edge`.
    pub fn place(&self) -> Option<Place> {
        match self {
            Way::Theirs(place) => *place,
            _ => None,
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
            ("chunderw-vpc-gll.twilio.com", "us1"),
            ("voice-js.roaming.twilio.com:443", "us1"),
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
    fn a_page_is_where_it_asked_to_be() {
        let place = |host: &str| Way::of(host).place().map(|at| (at.edge, at.region));
        let sydney = Some(("sydney", "ASIAPAC_SYDNEY"));
        for (host, found) in [
            ("voice-js.sydney.twilio.com", sydney),
            ("chunderw-vpc-gll-au1.twilio.com", sydney),
            (
                "chunderw-vpc-gll-us2.twilio.com:443",
                Some(("umatilla", "US_WEST_OREGON")),
            ),
            (
                "voice-js.london-ix.twilio.com",
                Some(("london-ix", "ie1-ix")),
            ),
            ("voice-js.roaming.twilio.com", None),
            ("chunderw-vpc-gll.twilio.com", None),
            ("voice-js.au1.twilio.com", None),
            ("voice-js.sydney.example.com", None),
            ("sydney", None),
        ] {
            assert_eq!(place(host), found, "{host}");
        }
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
