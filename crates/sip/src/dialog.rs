//! What the two ends of a call know of each other (RFC 3261 section 12), and the requests inside.

use crate::digest::Credentials;
use crate::endpoint::Endpoint;
use crate::event::DialogKey;
use crate::flow::{Flow, Transport};
use crate::message::{HeaderName, Headers, Method, Request, Uri};
use crate::timers::TimerId;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallState {
    /// Ours, not answered.
    Inviting,
    /// Theirs, not answered.
    Ringing,
    /// Answered.
    Up,
    /// BYE is on its way; the engine has been told the end.
    Leaving,
}

/// Something repeated until it is acknowledged.
pub(crate) struct Repeated {
    pub bytes: Vec<u8>,
    pub flow: Flow,
    pub interval: Duration,
    pub repeat: Option<TimerId>,
    pub end: Option<TimerId>,
    /// CSeq of an INVITE, or RSeq.
    pub number: u32,
}

pub(crate) struct Call {
    pub outgoing: bool,
    pub state: CallState,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    /// Our From, with the tag.
    pub local: String,
    /// Their To, with the tag once known.
    pub remote: String,
    pub remote_target: Uri,
    pub route_set: Vec<String>,
    pub local_cseq: u32,
    pub remote_cseq: Option<u32>,
    pub flow: Flow,
    /// Always along the flow: the other side sits behind a NAT.
    pub pinned: bool,
    /// Our Contact.
    pub contact: String,
    pub credentials: Option<Arc<Credentials>>,
    /// The transaction of the first INVITE: client or server, by `outgoing`.
    pub invite_tx: Option<u64>,
    pub invitation_timeout: Option<TimerId>,
    /// 422 was answered once.
    pub raised: bool,

    pub offered: bool,
    pub local_sdp: Option<String>,
    pub remote_sdp: Option<String>,
    /// Our 2xx to an INVITE that waits for its ACK.
    pub answer: Option<Repeated>,
    /// The ACK must bring their answer.
    pub answer_in_ack: bool,
    /// Hang up once the ACK has come (RFC 3261 section 15).
    pub bye_after_ack: bool,
    /// Reason header of the BYE.
    pub bye_reason: Option<String>,

    pub peer_requires_100rel: bool,
    pub peer_supports_100rel: bool,
    pub rseq: u32,
    pub provisional: Option<Repeated>,
    pub provisional_sdp: bool,
    pub queued_ring: Option<Option<String>>,
    pub queued_answer: Option<String>,
    /// The RSeq last seen of each early dialog.
    pub rseqs: Vec<(String, u32)>,

    /// Their re-INVITE or UPDATE that waits for our answer.
    pub their_offer: Option<u64>,
    /// Our re-INVITE under way.
    pub our_offer: Option<u64>,
    /// What it offers; and whether only the session timer wants it.
    pub our_offer_sdp: Option<(String, bool)>,
    pub reoffer_again: Option<TimerId>,

    pub peer_update: bool,
    pub session_interval: Option<Duration>,
    pub we_refresh: bool,
    pub session_timer: Option<TimerId>,
}

/// Early dialogs of one INVITE that are told apart; more are ignored.
pub(crate) const MOST_EARLY: usize = 16;

impl Endpoint {
    /// The call a request inside a dialog belongs to.
    pub(crate) fn find_call(
        &self,
        call_id: &str,
        local_tag: &str,
        remote_tag: Option<&str>,
    ) -> Option<DialogKey> {
        let key = *self.tags.get(local_tag)?;
        let call = self.calls.get(&key)?;
        let same = call.call_id == call_id
            && call.remote_tag.as_deref().is_none_or(|tag| {
                Some(tag) == remote_tag || (tag.is_empty() && remote_tag.is_none())
            });
        same.then_some(key)
    }

    /// A request inside the dialog, and where it goes.
    pub(crate) fn request_inside(
        &mut self,
        key: DialogKey,
        method: Method,
    ) -> Option<(Request, Flow)> {
        let call = self.calls.get_mut(&key)?;
        call.local_cseq += 1;
        let number = call.local_cseq;
        let mut headers = Headers::new();
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, call.local.clone());
        headers.push(HeaderName::To, call.remote.clone());
        headers.push(HeaderName::CallId, call.call_id.clone());
        headers.push(HeaderName::CSeq, format!("{number} {method}"));
        let uri = route(&mut headers, &call.route_set, &call.remote_target);
        if matches!(method, Method::Invite | Method::Update | Method::Refer) {
            headers.push(HeaderName::Contact, call.contact.clone());
        }
        headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        let flow = next_hop(call.flow, call.pinned, &call.route_set, &call.remote_target);
        Some((
            Request {
                method,
                uri,
                headers,
                body: Vec::new(),
            },
            flow,
        ))
    }

    /// The value of our Contact on this path.
    pub(crate) fn contact_text(&self, flow: &Flow, user: Option<&str>) -> String {
        let name = self.config.advertised.name(flow.transport, flow.local);
        let user = user
            .filter(|u| !u.is_empty())
            .map(|u| format!("{u}@"))
            .unwrap_or_default();
        match flow.transport {
            Transport::Udp => format!("<sip:{user}{name}>"),
            Transport::Tcp => format!("<sip:{user}{name};transport=tcp>"),
            Transport::Tls => format!("<sip:{user}{name};transport=tls>"),
        }
    }
}

/// Writes the Route headers and gives the Request-URI (RFC 3261 section 12.2.1.1).
pub(crate) fn route(headers: &mut Headers, route_set: &[String], target: &Uri) -> Uri {
    let first = route_set
        .first()
        .and_then(|r| crate::header::NameAddr::parse(r).ok());
    match first {
        // A strict router of RFC 2543 wants itself in the Request-URI.
        Some(first) if !first.uri.params.has("lr") => {
            for hop in &route_set[1..] {
                headers.push(HeaderName::Route, hop.clone());
            }
            headers.push(HeaderName::Route, format!("<{target}>"));
            first.uri
        }
        _ => {
            for hop in route_set {
                headers.push(HeaderName::Route, hop.clone());
            }
            target.clone()
        }
    }
}

/// Where a request of a dialog goes. RFC 3261 sends it to the first route or the contact; behind
/// NATs those are useless, and then it goes where the other side last spoke from.
pub(crate) fn next_hop(flow: Flow, pinned: bool, route_set: &[String], target: &Uri) -> Flow {
    if pinned {
        return flow;
    }
    let first = route_set
        .first()
        .and_then(|r| crate::header::NameAddr::parse(r).ok());
    let uri = first.as_ref().map_or(target, |f| &f.uri);
    let Some(ip) = uri.address() else {
        return flow;
    };
    let transport = if uri.scheme == "sips" {
        Transport::Tls
    } else {
        match uri.params.value("transport").and_then(Transport::parse) {
            // "tcp" on a TLS flow means the stream we have.
            Some(Transport::Tcp) | None => flow.transport,
            Some(other) => other,
        }
    };
    if ip != flow.remote.ip() && private(ip) && !private(flow.remote.ip()) {
        return flow;
    }
    if ip == flow.remote.ip() && transport.reliable() && flow.connection.is_some() {
        return flow;
    }
    if transport != flow.transport && flow.connection.is_some() {
        return flow;
    }
    let port = uri.port.unwrap_or(transport.default_port());
    let remote = SocketAddr::new(ip, port);
    if remote == flow.remote && transport == flow.transport {
        return flow;
    }
    Flow {
        transport,
        local: flow.local,
        remote,
        connection: None,
    }
}

fn private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                // RFC 6598: carriers' own NATs.
                || (ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || (ip.segments()[0] & 0xfe00) == 0xfc00
        }
    }
}
