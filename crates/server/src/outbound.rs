//! Where an outgoing call goes: a registered phone, a SIP address, or a number over a trunk.

use std::net::SocketAddr;

use model::trunk;
use sip::header::NameAddr;
use sip::{Credentials, Endpoint, Invitation, Secret, Transport, Uri};
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

/// Where the first request goes.
#[derive(Debug, Clone)]
enum Target {
    /// To the phone registered as one of these addresses of record (the domain may have several
    /// names), looked up when the call is placed.
    Registered(Vec<String>),
    /// To an address.
    Address(Transport, SocketAddr),
}

/// A found way.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Request-URI; replaced by the contact for a registered phone.
    uri: Uri,
    from: NameAddr,
    target: Target,
    credentials: Option<Credentials>,
    headers: Vec<(String, String)>,
    /// Whether sound must be encrypted (`sips:` or TLS).
    secure: bool,
}

impl Destination {
    /// From where the far end's signalling will come, as far as is known yet.
    pub fn signalling(&self) -> SocketAddr {
        match &self.target {
            Target::Address(_, address) => *address,
            Target::Registered(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        }
    }

    /// Whether sound is encrypted: what was asked for, and always towards a phone whose signalling
    /// is; a key in a description that is not would protect nothing (RFC 4568 section 8.3).
    pub fn secure(&self, sip: &Endpoint) -> bool {
        let newest = match &self.target {
            Target::Registered(names) => names.iter().find_map(|aor| sip.bindings(aor).first()),
            Target::Address(..) => None,
        };
        self.secure || newest.is_some_and(|binding| binding.flow.transport == Transport::Tls)
    }

    /// The invitation; `local` is our UDP address.
    pub fn invitation(
        &self,
        offer: String,
        local: SocketAddr,
        sip: &Endpoint,
    ) -> Result<Invitation, RouteFailure> {
        let (request_uri, destination) = match &self.target {
            Target::Address(transport, remote) => (
                self.uri.clone(),
                sip::invitation::Destination::Address {
                    transport: *transport,
                    local,
                    remote: *remote,
                },
            ),
            Target::Registered(names) => {
                // The newest binding; 32009: the user is not registered.
                let binding = names
                    .iter()
                    .find_map(|aor| sip.bindings(aor).first())
                    .ok_or(RouteFailure::new(480, 32009))?;
                (
                    binding.contact.clone(),
                    sip::invitation::Destination::Flow(binding.flow),
                )
            }
        };
        Ok(Invitation {
            request_uri,
            to: NameAddr::new(self.uri.clone()),
            from: self.from.clone(),
            destination,
            route_set: Vec::new(),
            offer,
            headers: self.headers.clone(),
            credentials: self.credentials.clone(),
            contact_user: None,
            // The engine watches the ringing time itself.
            timeout: None,
        })
    }
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
    if let Some(rest) = invite.to.strip_prefix("client:") {
        tracing::info!(identity = rest, "no browser is connected");
        return Err(RouteFailure::new(480, 32009));
    }
    if invite.to.starts_with("sip:") || invite.to.starts_with("sips:") {
        return to_uri(rim, &invite, credentials).await;
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
    let domain = rim
        .domain(&uri.host)
        .await
        .map_err(|_| RouteFailure::new(503, 20500))?;
    let from = caller(&invite.from, &rim.host());
    // Another port of a developer's own computer is another server, not one of our phones.
    let elsewhere =
        uri.address().is_some() && uri.port.is_some_and(|port| port != rim.local.port());
    if let Some(domain) = domain.filter(|_| !elsewhere) {
        let names = rim
            .names(&domain)
            .into_iter()
            .map(|host| Uri::sip(uri.user.as_deref(), &host, None).aor())
            .collect();
        return Ok(Destination {
            uri,
            from,
            target: Target::Registered(names),
            credentials,
            headers,
            secure: false,
        });
    }
    let transport = match uri.params.value("transport") {
        _ if uri.scheme == "sips" => Transport::Tls,
        Some(word) => Transport::parse(word).ok_or(RouteFailure::new(404, 32011))?,
        None => Transport::Udp,
    };
    let port = uri.port.unwrap_or(transport.default_port());
    let address = look_up(rim, &uri.host, port).await?;
    let secure = transport == Transport::Tls;
    Ok(Destination {
        uri,
        from,
        target: Target::Address(transport, address),
        credentials,
        headers,
        secure,
    })
}

/// A number: over the trunk that claims it.
async fn to_number(rim: &Rim, invite: &Invite) -> Result<Destination, RouteFailure> {
    let trunks = rim
        .trunks(invite.account)
        .await
        .map_err(|_| RouteFailure::new(503, 20500))?;
    let trunk = trunk::route(&trunks, &invite.to).ok_or(RouteFailure::new(404, 21214))?;
    let transport = match trunk.transport {
        trunk::Transport::Udp => Transport::Udp,
        trunk::Transport::Tcp => Transport::Tcp,
        trunk::Transport::Tls => Transport::Tls,
    };
    let mut addresses = tokio::net::lookup_host((trunk.host.as_str(), trunk.port))
        .await
        .map_err(|_| RouteFailure::new(503, 32011))?;
    let address = addresses.next().ok_or(RouteFailure::new(503, 32011))?;
    let credentials = match (&trunk.username, &trunk.password) {
        (Some(username), Some(password)) => Some(Credentials {
            username: username.clone(),
            secret: Secret::Password(password.0.clone()),
            realm: None,
        }),
        _ => None,
    };
    Ok(Destination {
        uri: Uri::sip(Some(&invite.to), &trunk.host, Some(trunk.port)),
        from: caller(&invite.from, &rim.host()),
        target: Target::Address(transport, address),
        credentials,
        headers: Vec::new(),
        secure: transport == Transport::Tls,
    })
}

/// A SIP address that a customer names is held to the same rule as a URL that a customer names.
async fn look_up(rim: &Rim, host: &str, port: u16) -> Result<SocketAddr, RouteFailure> {
    let host = host.trim_matches(['[', ']']);
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| RouteFailure::new(404, 32011))?;
    addresses
        .into_iter()
        .find(|address| rim.egress.permits(address.ip()))
        .ok_or(RouteFailure::new(403, 32011))
}

/// The From header: the number or user as it is to be shown.
fn caller(from: &str, host: &str) -> NameAddr {
    match Uri::parse(from) {
        Ok(uri) if from.starts_with("sip") => NameAddr::new(uri),
        _ => NameAddr::new(Uri::sip(
            Some(from.strip_prefix("client:").unwrap_or(from)),
            host,
            None,
        )),
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
            caller("sip:bob@example.com", "127.0.0.1").uri.host,
            "example.com"
        );
    }
}
