//! A trunk: the way to and from a carrier. Ours, not upstream's; configured in the control plane
//! or in the configuration file.

use std::net::IpAddr;

use crate::ip_access_control_list::IpNetwork;
use crate::now::Wall;
use crate::pii::Pii;
use crate::sid::{AccountSid, TrunkSid};

/// What SIP travels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// Datagrams.
    #[default]
    Udp,
    /// A connection.
    Tcp,
    /// An encrypted connection.
    Tls,
}

crate::words!(Transport {
    Udp = "udp",
    Tcp = "tcp",
    Tls = "tls",
});

impl Transport {
    /// The port when none is given (RFC 3261 section 19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }
}

/// Where a trunk's sound is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TrunkMedia {
    /// From where it comes, when that is not the address described: the carrier, or we, may be
    /// behind address translation.
    #[default]
    Symmetric,
    /// Only from the address that the session description names.
    Described,
}

crate::words!(TrunkMedia {
    Symmetric = "symmetric",
    Described = "described",
});

/// A trunk to a carrier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Trunk {
    /// Its identifier.
    pub sid: TrunkSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What people call it.
    pub name: String,
    /// Host name or address of the carrier.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What SIP travels on.
    pub transport: Transport,
    /// User name for the carrier's challenge.
    pub username: Option<String>,
    /// Password for the carrier's challenge.
    pub password: Option<Pii<String>>,
    /// Addresses from which the carrier sends us calls.
    pub sources: Vec<IpNetwork>,
    /// Whether it takes the numbers that no prefix claims.
    pub default: bool,
    /// The beginnings of numbers it takes, like `+49`; the longest match of all trunks wins.
    pub prefixes: Vec<String>,
    /// Where its sound is taken from.
    #[serde(default)]
    pub media: TrunkMedia,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

impl Trunk {
    /// Whether the carrier sends calls from this address.
    pub fn sends_from(&self, address: IpAddr) -> bool {
        self.sources.iter().any(|network| network.contains(address))
    }
}

/// The trunk for a number: the longest matching prefix, else the default; the older trunk if two
/// claim the same.
pub fn route<'a>(trunks: impl IntoIterator<Item = &'a Trunk>, number: &str) -> Option<&'a Trunk> {
    trunks
        .into_iter()
        .filter_map(|trunk| {
            let longest = trunk
                .prefixes
                .iter()
                .filter(|prefix| number.starts_with(prefix.as_str()))
                .map(|prefix| prefix.len() + 1)
                .max();
            let claim = longest.or(trunk.default.then_some(0))?;
            Some((claim, trunk))
        })
        .max_by_key(|(claim, trunk)| (*claim, std::cmp::Reverse((trunk.created, trunk.sid))))
        .map(|(_, trunk)| trunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(byte: u8, default: bool, prefixes: &[&str]) -> Trunk {
        Trunk {
            sid: TrunkSid::from_bytes([byte; 16]),
            account: AccountSid::from_bytes([0; 16]),
            name: String::new(),
            host: "192.0.2.1".into(),
            port: 5060,
            transport: Transport::Udp,
            username: None,
            password: None,
            sources: vec![],
            default,
            prefixes: prefixes.iter().map(|p| p.to_string()).collect(),
            media: TrunkMedia::default(),
            created: Wall(byte.into()),
            updated: Wall(0),
        }
    }

    #[test]
    fn the_longest_prefix_wins_then_the_default_then_age() {
        let trunks = [
            trunk(1, true, &[]),
            trunk(2, false, &["+49", "+44"]),
            trunk(3, false, &["+4930"]),
            trunk(4, false, &["+49"]),
        ];
        let to = |number| route(&trunks, number).map(|trunk| trunk.created.0);
        assert_eq!(to("+49301"), Some(3));
        assert_eq!(to("+49891"), Some(2));
        assert_eq!(to("+1415"), Some(1));
        assert_eq!(route(&trunks[1..], "+1415").map(|t| t.sid), None);
    }
}
