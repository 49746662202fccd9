//! Which addresses may be called at all: a customer's URL must not reach our own network.
//!
//! Upstream refuses private hosts as well (error 11200). The check is made on the address that
//! is then connected to, never on a name, so a name that changes its address gains nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A block of addresses, such as `10.1.0.0/16`; without a length, one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

/// A text that is no block of addresses: the operator must mend the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a block of addresses such as 10.1.0.0/16 or fd00::/8")]
pub struct CidrError(pub String);

impl Cidr {
    /// Whether the address lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.length);
                let cut = |a: Ipv4Addr| u32::from(a).checked_shr(shift).unwrap_or(0);
                cut(block) == cut(address)
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.length);
                let cut = |a: Ipv6Addr| u128::from(a).checked_shr(shift).unwrap_or(0);
                cut(block) == cut(address)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let error = || CidrError(text.chars().take(64).collect());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= most)
                .ok_or_else(error)?,
        };
        Ok(Self { address, length })
    }
}

/// The rule of one installation: public addresses, and what the operator adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EgressPolicy {
    /// Blocks that may be called although they are not public, for receivers on the premises.
    pub allow: Vec<Cidr>,
}

impl EgressPolicy {
    /// Public addresses only.
    pub fn public() -> Self {
        Self::default()
    }

    /// Public addresses and this machine: for developers whose receiver runs beside us.
    pub fn development() -> Self {
        Self {
            allow: vec![
                Cidr {
                    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                    length: 8,
                },
                Cidr {
                    address: IpAddr::V6(Ipv6Addr::LOCALHOST),
                    length: 128,
                },
            ],
        }
    }

    /// Whether a socket to this address may be opened.
    pub fn permits(&self, address: IpAddr) -> bool {
        // An IPv4 address in IPv6 clothes leads to the IPv4 host, so it is judged as one.
        let address = address.to_canonical();
        is_public(address) || self.allow.iter().any(|block| block.contains(address))
    }
}

/// Whether an address is reachable by everybody on the internet (IANA special-purpose registries,
/// RFC 6890 and successors).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0, ..)                          // this network
            | (10, ..)                   // private
            | (100, 64..=127, _)         // carrier-grade NAT; 100.100.100.200 is a metadata host
            | (127, ..)                  // loopback
            | (169, 254, _)              // link-local; 169.254.169.254 is the metadata host
            | (172, 16..=31, _)          // private
            | (192, 0, 0)                // protocol assignments
            | (192, 0, 2)                // documentation
            | (192, 88, 99)              // 6to4 relays
            | (192, 168, _)              // private
            | (198, 18..=19, _)          // benchmarking
            | (198, 51, 100)             // documentation
            | (203, 0, 113)              // documentation
            | (224..=255, ..) // multicast, reserved, broadcast
    ) && address != Ipv4Addr::new(168, 63, 129, 16) // a cloud's host agent at a public-looking address
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // NAT64 (RFC 6052): judged by the IPv4 address it leads to.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && v4(g, h),
        // 6to4 (RFC 3056): likewise.
        (0x2002, _) => v4(b, c),
        // Protocol assignments, Teredo among them.
        (0x2001, 0..=0x01ff) => false,
        // Documentation.
        (0x2001, 0x0db8) => false,
        (0x3fff, 0..=0x0fff) => false,
        // Global unicast is 2000::/3 and nothing else.
        _ => (0x2000..=0x3fff).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const DENIED: [&str; 58] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "64:ff9b::1:8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:1:2::3",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "2002:a9fe:a9fe::",
        "2002:c0a8:101::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
    ];

    const PERMITTED: [&str; 16] = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "126.0.0.1",
        "128.0.0.1",
        "169.253.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "223.255.255.254",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
    ];

    #[test]
    fn only_public_addresses() {
        let policy = EgressPolicy::public();
        for address in DENIED {
            assert!(!policy.permits(ip(address)), "{address}");
        }
        for address in PERMITTED {
            assert!(policy.permits(ip(address)), "{address}");
        }
    }

    #[test]
    fn development_adds_this_machine_and_no_more() {
        let policy = EgressPolicy::development();
        for address in DENIED {
            let loopback = ip(address).to_canonical().is_loopback();
            assert_eq!(policy.permits(ip(address)), loopback, "{address}");
        }
    }

    #[test]
    fn blocks() {
        let policy = EgressPolicy {
            allow: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
        };
        assert!(policy.permits(ip("10.1.200.3")));
        assert!(policy.permits(ip("::ffff:10.1.0.1")));
        assert!(!policy.permits(ip("10.2.0.1")));
        assert!(policy.permits(ip("fd12::1")));
        assert!(!policy.permits(ip("fc12::1")));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains(ip("9.9.9.9")));
        assert!("::/0".parse::<Cidr>().unwrap().contains(ip("::1")));
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
