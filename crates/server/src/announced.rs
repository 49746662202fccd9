//! What others are told of where we are: behind address translation that is not where we listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, bail};

use crate::config::Announced;

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

/// Where browsers are told that their sound goes, when `bound` is listened on: the addresses of
/// `wanted`, else that of `public_host`, else our own.
pub async fn for_browsers(
    wanted: &[Announced],
    public_host: Option<&str>,
    bound: SocketAddr,
) -> anyhow::Result<Vec<SocketAddr>> {
    if wanted.is_empty() {
        let told = address(public_host, bound.ip()).await;
        return Ok(vec![SocketAddr::new(told, bound.port())]);
    }
    // A socket of version 6 that is bound to every address takes both.
    let reachable =
        |ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4() || bound.ip() == Ipv6Addr::UNSPECIFIED;
    let mut told: Vec<SocketAddr> = Vec::new();
    for one in wanted {
        let port = one.port.unwrap_or(bound.port());
        let found = tokio::net::lookup_host((one.host.as_str(), port)).await;
        let found = found.with_context(|| {
            format!(
                "webrtc-announce: `{}` has no address; write one that has, or the address itself",
                one.host
            )
        })?;
        let before = told.len();
        for address in found.filter(|address| reachable(&address.ip())) {
            if !told.contains(&address) {
                told.push(address);
            }
        }
        if told.len() == before && !told.iter().any(|told| told.port() == port) {
            bail!(
                "webrtc-announce: `{}` has no address of the kind that webrtc = {bound} listens on; bind [::] for both kinds",
                one.host
            );
        }
    }
    Ok(told)
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

    fn wanted(all: &[(&str, Option<u16>)]) -> Vec<Announced> {
        let one = |(host, port): &(&str, Option<u16>)| Announced {
            host: (*host).to_owned(),
            port: *port,
        };
        all.iter().map(one).collect()
    }

    #[tokio::test]
    async fn browsers_are_told_every_address_that_was_set_each_once() {
        let bound: SocketAddr = "0.0.0.0:8462".parse().unwrap();
        let told = async |all: &[(&str, Option<u16>)], public, bound| {
            let told = for_browsers(&wanted(all), public, bound).await;
            told.map(|told| told.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let two = [
            ("203.0.113.4", None),
            ("192.168.1.5", Some(9000)),
            ("203.0.113.4", None),
        ];
        let both = ["203.0.113.4:8462", "192.168.1.5:9000"];
        assert_eq!(told(&two, Some("198.51.100.1"), bound).await.unwrap(), both);
        let name = [("localhost", None)];
        assert_eq!(told(&name, None, bound).await.unwrap(), ["127.0.0.1:8462"]);
        let public = told(&[], Some("198.51.100.1"), bound).await.unwrap();
        assert_eq!(public, ["198.51.100.1:8462"]);
        let name = told(&[], Some("localhost"), bound).await.unwrap();
        assert_eq!(name, ["127.0.0.1:8462"], "a name is looked up");
        let here: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(told(&[], None, here).await.unwrap(), ["127.0.0.1:9"]);
        let six = told(&[("2001:db8::4", None)], None, bound)
            .await
            .unwrap_err();
        assert!(six.to_string().contains("bind [::]"), "{six}");
        let all: SocketAddr = "[::]:8462".parse().unwrap();
        let mixed = [("2001:db8::4", None), ("203.0.113.4", None)];
        let both = ["[2001:db8::4]:8462", "203.0.113.4:8462"];
        assert_eq!(told(&mixed, None, all).await.unwrap(), both);
        let nowhere = told(&[("no-such-name.invalid", None)], None, bound).await;
        assert!(
            nowhere
                .unwrap_err()
                .to_string()
                .contains("no-such-name.invalid")
        );
    }

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
