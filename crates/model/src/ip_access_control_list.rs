//! Lists of source addresses that may send us calls.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::now::Wall;
use crate::sid::{AccountSid, IpAccessControlListSid, IpAddressSid};

/// A list of addresses.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IpAccessControlList {
    /// Its identifier.
    pub sid: IpAccessControlListSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// When it was made.
    pub created: Wall,
    /// When it or a member last changed.
    pub updated: Wall,
}

/// One address, or one network of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IpAddress {
    /// Its identifier.
    pub sid: IpAddressSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The list it is in.
    pub list: IpAccessControlListSid,
    /// What people call it.
    pub friendly_name: String,
    /// Who is meant.
    pub network: IpNetwork,
    /// When it was made.
    pub created: Wall,
    /// When it last changed.
    pub updated: Wall,
}

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    /// Any address of the network, as it was given.
    address: IpAddr,
    /// Bits that count, 0 to 32 or 128.
    prefix: u8,
}

/// Why a text is not an address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network: expected something like 192.0.2.1 or 192.0.2.0/24")]
pub struct IpNetworkError;

impl IpNetwork {
    /// A network; `prefix` may not exceed the length of the address.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, IpNetworkError> {
        if prefix > width(address) {
            return Err(IpNetworkError);
        }
        Ok(IpNetwork { address, prefix })
    }

    /// The address as it was given.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether an address belongs to it. An IPv4 address seen through an IPv6 socket is IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                // A mapped network counts its bits from the front of the IPv6 form.
                let prefix = match self.address {
                    IpAddr::V4(_) => self.prefix,
                    IpAddr::V6(_) => self.prefix.saturating_sub(96),
                };
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// Bits of an address.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpNetworkError)?;
        let prefix = match prefix {
            Some(digits) => digits.parse().map_err(|_| IpNetworkError)?,
            None => width(address),
        };
        IpNetwork::new(address, prefix)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl serde::Serialize for IpNetwork {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for IpNetwork {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_leading_bits() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7", "::ffff:192.0.2.7", "::1"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
        ] {
            let network: IpNetwork = network.parse().expect(network);
            assert!(
                network.contains(inside.parse().expect(inside)),
                "{network} {inside}"
            );
            assert!(
                !network.contains(outside.parse().expect(outside)),
                "{network} {outside}"
            );
        }
    }

    #[test]
    fn too_many_bits_are_refused() {
        for text in [
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "a",
            "",
        ] {
            assert_eq!(text.parse::<IpNetwork>(), Err(IpNetworkError), "{text}");
        }
    }
}
