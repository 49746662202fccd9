//! Where an outgoing call goes: a registered phone, a SIP address, or a number over a trunk.

use std::net::SocketAddr;
use std::time::Duration;

use model::trunk;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sip::Destination as Way;
use sip::header::NameAddr;
use sip::resolve::Resolution;
use sip::{Credentials, Endpoint, Invitation, Secret, Target, Transport, Uri};
use voice::effect::Invite;

use crate::rim::Rim;

/// Why there is no way to the called party.
#[derive(Debug, Clone)]
pub struct RouteFailure {
    /// What the far end might have said.
    pub sip_status: u16,
    /// For the debugger.
    pub code: Option<u32>,
}

impl RouteFailure {
    const fn new(sip_status: u16, code: u32) -> Self {
        Self {
            sip_status,
            code: Some(code),
        }
    }
}

/// Where the first requests go.
#[derive(Debug, Clone)]
enum Place {
    /// To the phones registered as one of these addresses of record (the domain may have several
    /// names), looked up when the call is placed.
    Registered(Vec<String>),
    /// To the first of these addresses that works.
    Addresses(Vec<(Transport, SocketAddr)>),
}

/// Whom an address means, and where that is.
#[derive(Debug, Clone)]
pub struct Found {
    /// Request-URI; replaced by the contact for a registered phone.
    uri: Uri,
    place: Place,
}

impl Found {
    /// What to call: every phone of an address of record, newest first; `local` is our UDP address.
    pub fn targets(&self, local: SocketAddr, sip: &Endpoint, trusted: bool) -> Vec<Target> {
        match &self.place {
            Place::Addresses(addresses) => vec![Target {
                uri: self.uri.clone(),
                ways: addresses
                    .iter()
                    .map(|&(transport, remote)| Way::Address {
                        transport,
                        local,
                        remote,
                    })
                    .collect(),
                trusted,
            }],
            Place::Registered(names) => names
                .iter()
                .flat_map(|aor| sip.bindings(aor))
                .map(|binding| Target {
                    uri: binding.contact.clone(),
                    ways: [Way::Flow(binding.flow)].into(),
                    trusted,
                })
                .collect(),
        }
    }
}

/// A found way.
#[derive(Debug, Clone)]
pub struct Destination {
    found: Found,
    from: NameAddr,
    credentials: Option<Credentials>,
    headers: Vec<(String, String)>,
    /// Whether sound must be encrypted (`sips:` or TLS).
    secure: bool,
    /// Whether sound is taken only from where it is described to come from.
    pub described: bool,
}

impl Destination {
    /// What to call first; `local` is our UDP address.
    pub fn targets(&self, local: SocketAddr, sip: &Endpoint) -> Result<Vec<Target>, RouteFailure> {
        let targets = self.found.targets(local, sip, true);
        if targets.is_empty() {
            // 32009: the user is not registered.
            return Err(RouteFailure::new(480, 32009));
        }
        Ok(targets)
    }

    /// Whether sound is encrypted: what was asked for, and always where the signalling is; a key in
    /// a description that is not would protect nothing (RFC 4568 section 8.3).
    pub fn secure(&self, way: &Way) -> bool {
        let transport = match way {
            Way::Flow(flow) => flow.transport,
            Way::Address { transport, .. } => *transport,
        };
        self.secure || transport == Transport::Tls
    }

    /// The invitation to one place. `trusted`: it may be told the password; `spare`: there is
    /// another to try.
    pub fn invitation(
        &self,
        uri: Uri,
        way: Way,
        trusted: bool,
        spare: bool,
        offer: String,
    ) -> Invitation {
        Invitation {
            request_uri: uri,
            to: NameAddr::new(self.found.uri.clone()),
            from: self.from.clone(),
            destination: way,
            route_set: Vec::new(),
            offer,
            headers: self.headers.clone(),
            credentials: self.credentials.clone().filter(|_| trusted),
            contact_user: None,
            // The engine watches the ringing time itself.
            timeout: None,
            patience: spare.then_some(PATIENCE),
        }
    }
}

/// How long an address may stay silent when there is another: three repetitions are out by then.
const PATIENCE: Duration = Duration::from_secs(4);

/// Finds the ways to the contacts of a 3xx, in their order. One that cannot be reached is left out.
pub async fn locate(rim: &Rim, contacts: Vec<Uri>) -> Vec<Found> {
    let mut all = Vec::new();
    for contact in contacts {
        match find(rim, contact).await {
            Ok(found) => all.push(found),
            Err(failure) => tracing::debug!(?failure, "a redirection leads nowhere"),
        }
    }
    all
}

/// Finds the way.
pub async fn route(rim: &Rim, invite: Invite) -> Result<Destination, RouteFailure> {
    let credentials = invite
        .sip_auth
        .clone()
        .map(|(username, password)| Credentials {
            username,
            secret: Secret::Password(password),
            realm: None,
        });
    if invite.to.starts_with("sip:") || invite.to.starts_with("sips:") {
        return to_uri(rim, &invite, credentials).await;
    }
    // A SIM is no number: no trunk has a way to it (compat rest-calls-28).
    if invite.to.starts_with("sim:") {
        return Err(RouteFailure::new(404, 21214));
    }
    to_number(rim, &invite).await
}

/// A `sip:` URI: one of our domains, or a server elsewhere.
async fn to_uri(
    rim: &Rim,
    invite: &Invite,
    credentials: Option<Credentials>,
) -> Result<Destination, RouteFailure> {
    let mut uri = Uri::parse(&invite.to).map_err(|_| RouteFailure::new(404, 21217))?;
    // What stands behind `?` is not part of the address: the customer's own headers.
    let headers = uri
        .headers
        .take()
        .map(|text| custom_headers(&text))
        .unwrap_or_default();
    for ours in ["edge", "region"] {
        uri.params.remove(ours);
    }
    let secure = uri.scheme == "sips";
    Ok(Destination {
        found: find(rim, uri).await?,
        from: caller(&invite.from, &rim.host()),
        credentials,
        headers,
        secure,
        described: false,
    })
}

/// Whom a SIP address means: the phones of one of our domains, or a server elsewhere.
async fn find(rim: &Rim, uri: Uri) -> Result<Found, RouteFailure> {
    if !matches!(uri.scheme.as_str(), "sip" | "sips") {
        return Err(RouteFailure::new(404, 32011));
    }
    let domain = rim
        .domain(&uri.host)
        .await
        .map_err(|_| RouteFailure::new(503, 20500))?;
    // Another port of a developer's own computer is another server, not one of our phones.
    let elsewhere =
        uri.address().is_some() && uri.port.is_some_and(|port| port != rim.local.port());
    if let Some(domain) = domain.filter(|_| !elsewhere) {
        let names = rim
            .names(&domain)
            .into_iter()
            .map(|host| Uri::sip(uri.user.as_deref(), &host, None).aor())
            .collect();
        return Ok(Found {
            uri,
            place: Place::Registered(names),
        });
    }
    // A transport that we do not have is not for us to replace.
    let unknown = uri
        .params
        .value("transport")
        .is_some_and(|word| Transport::parse(word).is_none());
    if unknown {
        return Err(RouteFailure::new(404, 32011));
    }
    let mut addresses = ways(rim, Resolution::new(&uri)).await;
    if addresses.is_empty() {
        return Err(RouteFailure::new(404, 32011));
    }
    // A SIP address that a customer names is held to the same rule as a URL that a customer names.
    addresses.retain(|(_, address)| rim.egress.permits(address.ip()));
    if addresses.is_empty() {
        return Err(RouteFailure::new(403, 32011));
    }
    Ok(Found {
        uri,
        place: Place::Addresses(addresses),
    })
}

/// A number: over the trunk that claims it.
async fn to_number(rim: &Rim, invite: &Invite) -> Result<Destination, RouteFailure> {
    let broken = |_| RouteFailure::new(503, 20500);
    let shown = rim.shown(invite).await.map_err(broken)?;
    let from = shown.ok_or(RouteFailure::new(403, 13214))?;
    let trunks = rim.trunks(invite.account).await.map_err(broken)?;
    let trunk = trunk::route(&trunks, &invite.to).ok_or(RouteFailure::new(404, 21214))?;
    let transport = match trunk.transport {
        trunk::Transport::Udp => Transport::Udp,
        trunk::Transport::Tcp => Transport::Tcp,
        trunk::Transport::Tls => Transport::Tls,
    };
    // The usual port may be one that nobody wrote down: then the carrier's SRV records decide.
    let port = (trunk.port != transport.default_port()).then_some(trunk.port);
    let resolution = Resolution::of(&trunk.host, port, Some(transport));
    let addresses = ways(rim, resolution).await;
    if addresses.is_empty() {
        return Err(RouteFailure::new(503, 32011));
    }
    let credentials = match (&trunk.username, &trunk.password) {
        (Some(username), Some(password)) => Some(Credentials {
            username: username.clone(),
            secret: Secret::Password(password.0.clone()),
            realm: None,
        }),
        _ => None,
    };
    Ok(Destination {
        found: Found {
            uri: Uri::sip(Some(&invite.to), &trunk.host, Some(trunk.port)),
            place: Place::Addresses(addresses),
        },
        from: caller(&from, &rim.host()),
        credentials,
        headers: Vec::new(),
        secure: transport == Transport::Tls,
        described: trunk.media == trunk::TrunkMedia::Described,
    })
}

/// The ways that our sockets can take.
async fn ways(rim: &Rim, resolution: Resolution) -> Vec<(Transport, SocketAddr)> {
    let mut all = rim.resolver.ways(resolution).await;
    all.retain(|(_, address)| address.is_ipv4() == rim.local.is_ipv4());
    all
}

/// What stands in the user of an address only escaped (RFC 3261 section 25.1): a client's name may be an
/// address of mail.
const NOT_IN_USERS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',');

/// The From header: the number or user as it is to be shown.
fn caller(from: &str, host: &str) -> NameAddr {
    match Uri::parse(from) {
        Ok(uri) if from.starts_with("sip") => NameAddr::new(uri),
        _ => {
            let user = from.strip_prefix("client:").unwrap_or(from);
            let user = utf8_percent_encode(user, NOT_IN_USERS).to_string();
            NameAddr::new(Uri::sip(Some(&user), host, None))
        }
    }
}

/// `X-A=1&X-B=2`: only custom headers may be set (contract 4.3, Sip noun).
fn custom_headers(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes())
        .filter(|(name, _)| {
            name.get(..2)
                .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
                || name.eq_ignore_ascii_case("user-to-user")
        })
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .take(32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_calls_can_be_written_into_an_address() {
        for (from, shown) in [
            ("+15550100001", "<sip:+15550100001@h>"),
            ("client:alice", "<sip:alice@h>"),
            (
                "client:joe.doe@example.com",
                "<sip:joe.doe%40example.com@h>",
            ),
            ("client:a<b>", "<sip:a%3Cb%3E@h>"),
            ("sip:a@b", "<sip:a@b>"),
        ] {
            assert_eq!(caller(from, "h").to_string(), shown);
        }
    }

    #[test]
    fn only_custom_headers_can_be_set() {
        let headers = custom_headers("X-Order=7%208&Via=evil&x-small=1&User-to-User=a");
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["X-Order", "x-small", "User-to-User"]);
        assert_eq!(headers[0].1, "7 8");
    }

    #[test]
    fn a_number_becomes_the_user_part() {
        assert_eq!(
            caller("+15005550110", "127.0.0.1").uri.user.as_deref(),
            Some("+15005550110")
        );
        assert_eq!(
            caller("client:alice", "127.0.0.1").uri.user.as_deref(),
            Some("alice")
        );
        assert_eq!(
            caller("sip:bob@example.com", "127.0.0.1").uri.host,
            "example.com"
        );
    }
}
