//! Requests of theirs until they are answered for good: timers G, H, I, J, L.

use crate::endpoint::Endpoint;
use crate::event::DialogKey;
use crate::flow::{Flow, Transport};
use crate::header::Via;
use crate::message::parse::Essentials;
use crate::message::{HeaderName, Headers, Method, Request, Response, status};
use crate::timers::{Timer, TimerId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// ```text
/// Trying --1xx--> Proceeding --2xx to INVITE--> Accepted (timer L)
///   |                 |--------final-----------> Completed --ACK--> Confirmed (timer I)
///   '-----------------'                            (timers G, H or J)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerState {
    Trying,
    Proceeding,
    Accepted,
    Completed,
    Confirmed,
}

pub(crate) struct ServerTransaction {
    pub key: String,
    pub merge_key: Option<String>,
    pub request: Request,
    pub essentials: Essentials,
    /// Where it came from.
    pub source: Flow,
    /// Where answers go (RFC 3261 section 18.2.2).
    pub flow: Flow,
    /// Our tag, unless the request had one.
    pub tag: String,
    pub state: ServerState,
    pub last: Option<Vec<u8>>,
    pub interval: Duration,
    pub repeat: Option<TimerId>,
    pub end: Option<TimerId>,
    pub call: Option<DialogKey>,
    /// Waits for a decision.
    pub undecided: bool,
}

impl ServerTransaction {
    pub fn invite(&self) -> bool {
        self.request.method == Method::Invite
    }

    pub fn open(&self) -> bool {
        matches!(self.state, ServerState::Trying | ServerState::Proceeding)
    }
}

/// The key of the transaction a request belongs to (RFC 3261 section 17.2.3); ACK and CANCEL have
/// the key of the INVITE they are about.
pub(crate) fn key_of(request: &Request, essentials: &Essentials, method: &Method) -> String {
    let method = match method {
        Method::Ack => "INVITE",
        other => other.word(),
    };
    let via = &essentials.via;
    match via.unique_branch() {
        Some(branch) => format!("{branch}|{}:{}|{method}", via.host, via.port.unwrap_or(0)),
        // RFC 2543: everything that stays the same over retransmission.
        None => format!(
            "2543|{}|{}|{}|{}|{via}|{method}",
            request.uri,
            essentials.from.tag().unwrap_or(""),
            essentials.call_id,
            essentials.cseq.number,
        ),
    }
}

/// Where the answer to a request goes.
pub(crate) fn answer_flow(source: Flow, via: &Via) -> Flow {
    let mut flow = source;
    if source.transport == Transport::Udp && !via.params.has("rport") {
        flow.remote = SocketAddr::new(
            source.remote.ip(),
            via.port.unwrap_or(source.transport.default_port()),
        );
    }
    flow
}

/// The headers of every response (RFC 3261 section 8.2.6.2).
pub(crate) fn response_to(request: &Headers, status: u16, reason: &str, tag: &str) -> Response {
    let mut headers = Headers::new();
    for (name, value) in request.iter() {
        match name {
            HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {
                headers.push(name.clone(), value);
            }
            HeaderName::To if status > 100 && !has_tag(value) => {
                headers.push(HeaderName::To, format!("{value};tag={tag}"));
            }
            HeaderName::To => headers.push(HeaderName::To, value),
            // Dialogs learn their route from both sides' copies (RFC 3261 section 12.1.1).
            HeaderName::RecordRoute if (101..300).contains(&status) => {
                headers.push(HeaderName::RecordRoute, value);
            }
            _ => {}
        }
    }
    Response {
        status,
        reason: if reason.is_empty() {
            status::phrase(status).to_owned()
        } else {
            reason.replace(['\r', '\n'], " ")
        },
        headers,
        body: Vec::new(),
    }
}

fn has_tag(to: &str) -> bool {
    match crate::header::NameAddr::parse(to) {
        Ok(to) => to.tag().is_some(),
        // Not ours to mend; do not add to it.
        Err(_) => true,
    }
}

impl Endpoint {
    pub(crate) fn start_server(
        &mut self,
        source: Flow,
        request: Request,
        essentials: Essentials,
        key: String,
        merge_key: Option<String>,
    ) -> u64 {
        let id = self.next_id();
        self.server_keys.insert(key.clone(), id);
        if let Some(merge_key) = &merge_key {
            self.merges.insert(merge_key.clone(), id);
        }
        let flow = answer_flow(source, &essentials.via);
        let tag = self.chance.token(16);
        self.servers.insert(
            id,
            ServerTransaction {
                key,
                merge_key,
                request,
                essentials,
                source,
                flow,
                tag,
                state: ServerState::Trying,
                last: None,
                interval: self.config.t1,
                repeat: None,
                end: None,
                call: None,
                undecided: false,
            },
        );
        id
    }

    /// A response to start from, with the right tag.
    pub(crate) fn response_for(&self, id: u64, status: u16, reason: &str) -> Option<Response> {
        let tx = self.servers.get(&id)?;
        Some(response_to(&tx.request.headers, status, reason, &tx.tag))
    }

    /// Answers with nothing special.
    pub(crate) fn respond_plain(&mut self, now: Instant, id: u64, status: u16, reason: &str) {
        if let Some(response) = self.response_for(id, status, reason) {
            self.respond(now, id, response);
        }
    }

    /// Answers with one more header.
    pub(crate) fn respond_with(
        &mut self,
        now: Instant,
        id: u64,
        status: u16,
        name: HeaderName,
        value: impl Into<String>,
    ) {
        if let Some(mut response) = self.response_for(id, status, "") {
            response.headers.push(name, value);
            self.respond(now, id, response);
        }
    }

    /// Sends a response and moves the machine. A second final response is not sent.
    pub(crate) fn respond(&mut self, now: Instant, id: u64, mut response: Response) {
        if response.status > 100 && !self.config.user_agent.is_empty() {
            response
                .headers
                .push(HeaderName::Server, self.config.user_agent.clone());
        }
        let t1 = self.config.t1;
        let Some(tx) = self.servers.get_mut(&id) else {
            return;
        };
        if !tx.open() {
            return;
        }
        let bytes = response.print();
        let flow = tx.flow;
        tx.last = Some(bytes.clone());
        let reliable = flow.transport.reliable();
        if response.status < 200 {
            tx.state = ServerState::Proceeding;
        } else {
            tx.undecided = false;
            // Some phones answer a challenge without counting CSeq up; that is no merged request.
            if matches!(response.status, 401 | 407)
                && let Some(merge_key) = tx.merge_key.take()
            {
                self.merges.remove(&merge_key);
            }
            self.timers.cancel(&mut tx.end);
            let linger = if tx.invite() && response.status < 300 {
                tx.state = ServerState::Accepted;
                t1 * 64
            } else if tx.invite() {
                tx.state = ServerState::Completed;
                if !reliable {
                    tx.repeat = Some(self.timers.set(now + t1, Timer::ServerRepeat(id)));
                }
                t1 * 64
            } else {
                tx.state = ServerState::Completed;
                if reliable { Duration::ZERO } else { t1 * 64 }
            };
            tx.end = Some(self.timers.set(now + linger, Timer::ServerGone(id)));
        }
        self.transmit(flow, bytes);
    }

    /// The request again: the last answer again.
    pub(crate) fn server_again(&mut self, now: Instant, id: u64) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let (flow, last) = (tx.flow, tx.last.clone());
        match (tx.state, last) {
            // The 2xx is repeated by the call until its ACK comes.
            (ServerState::Accepted | ServerState::Confirmed, _) => {}
            (_, Some(bytes)) => self.transmit(flow, bytes),
            (_, None) if tx.invite() => self.respond_plain(now, id, 100, ""),
            _ => {}
        }
    }

    /// The ACK of a 300-699.
    pub(crate) fn server_acknowledged(&mut self, now: Instant, id: u64) {
        let t4 = self.config.t4;
        let Some(tx) = self.servers.get_mut(&id) else {
            return;
        };
        if tx.state == ServerState::Completed {
            tx.state = ServerState::Confirmed;
            self.timers.cancel(&mut tx.repeat);
            self.timers.cancel(&mut tx.end);
            let linger = if tx.flow.transport.reliable() {
                Duration::ZERO
            } else {
                t4
            };
            tx.end = Some(self.timers.set(now + linger, Timer::ServerGone(id)));
        }
    }

    pub(crate) fn server_repeat(&mut self, now: Instant, id: u64) {
        let t2 = self.config.t2;
        let Some(tx) = self.servers.get_mut(&id) else {
            return;
        };
        tx.repeat = None;
        if tx.state != ServerState::Completed {
            return;
        }
        tx.interval = (tx.interval * 2).min(t2);
        tx.repeat = Some(self.timers.set(now + tx.interval, Timer::ServerRepeat(id)));
        let (flow, bytes) = (tx.flow, tx.last.clone());
        if let Some(bytes) = bytes {
            self.transmit(flow, bytes);
        }
    }

    pub(crate) fn end_server(&mut self, id: u64) {
        if let Some(mut tx) = self.servers.remove(&id) {
            self.timers.cancel(&mut tx.repeat);
            self.timers.cancel(&mut tx.end);
            self.server_keys.remove(&tx.key);
            if let Some(merge_key) = &tx.merge_key
                && self.merges.get(merge_key) == Some(&id)
            {
                self.merges.remove(merge_key);
            }
        }
    }
}
