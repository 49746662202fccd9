//! What others are told of where we are: behind address translation that is not where we listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The address to be written into SIP and SDP when `bound` is listened on: that of `public-host`, else
/// `bound` itself, or our address on the way out when that is every address.
pub async fn address(public_host: Option<&str>, bound: IpAddr) -> IpAddr {
    if let Some(host) = public_host {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return address;
        }
        match tokio::net::lookup_host((host, 0)).await {
            Ok(mut found) => {
                let fits = |ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4();
                if let Some(address) = found.by_ref().map(|found| found.ip()).find(fits) {
                    return address;
                }
                tracing::warn!(
                    host,
                    "public-host has no address that SIP listens on: others are told our own"
                );
            }
            Err(error) => {
                tracing::warn!(host, %error, "public-host has no address: others are told our own");
            }
        }
    }
    match bound {
        _ if !bound.is_unspecified() => bound,
        IpAddr::V4(_) => outward(bound).unwrap_or(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => outward(bound).unwrap_or(Ipv6Addr::LOCALHOST.into()),
    }
}

/// Our address on the way out of here, of the family of `bound`. Nothing is sent: connecting a UDP
/// socket only asks the routing table, and the addresses asked for are those of documentation (RFC
/// 5737, RFC 3849).
pub fn outward(bound: IpAddr) -> Option<IpAddr> {
    let far: IpAddr = match bound {
        IpAddr::V4(_) => Ipv4Addr::new(203, 0, 113, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind((bound, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_told_to_call_every_address() {
        let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let home = IpAddr::from(Ipv4Addr::LOCALHOST);
        let public: IpAddr = "203.0.113.7".parse().unwrap();
        assert_eq!(address(Some("203.0.113.7"), any).await, public);
        assert_eq!(address(Some("localhost"), any).await, home);
        assert_eq!(address(None, home).await, home);
        assert!(!address(None, any).await.is_unspecified());
        let nowhere = address(Some("no-such-name.invalid"), any).await;
        assert!(!nowhere.is_unspecified());
    }
}
