//! Requests of theirs until they are answered for good: timers G, H, I, J, L.

use crate::endpoint::{Endpoint, slim};
use crate::event::DialogKey;
use crate::flow::{Flow, Transport};
use crate::header::Via;
use crate::message::parse::Essentials;
use crate::message::{HeaderName, Headers, Method, Request, Response, status};
use crate::timers::{Timer, TimerId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// ```text
/// Trying --1xx--> Proceeding --2xx to INVITE--> Accepted (timer L)
///   |                 |--------final-----------> Completed --ACK--> Confirmed (timer I)
///   '-----------------'                            (timers G, H or J)
/// ```
/// Up to Proceeding it is a [`ServerTransaction`], from then on a [`FinishedTransaction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Accepted,
    Completed,
    Confirmed,
}

/// A request that was not answered for good yet.
pub(crate) struct ServerTransaction {
    pub key: Arc<str>,
    pub merge_key: Option<Arc<str>>,
    pub request: Request,
    pub essentials: Essentials,
    /// Where it came from.
    pub source: Flow,
    /// Where answers go (RFC 3261 section 18.2.2).
    pub flow: Flow,
    /// Our tag, unless the request had one.
    pub tag: String,
    /// The last 1xx.
    pub last: Option<Vec<u8>>,
    pub end: Option<TimerId>,
    pub call: Option<DialogKey>,
    /// Waits for a decision.
    pub undecided: bool,
}

impl ServerTransaction {
    pub fn invite(&self) -> bool {
        self.request.method == Method::Invite
    }
}

/// A request that was answered for good. There are many of these, for 32 s each over UDP, so it is
/// only what a repetition of the request needs.
pub(crate) struct FinishedTransaction {
    key: Arc<str>,
    merge_key: Option<Arc<str>>,
    flow: Flow,
    /// The CANCEL of an INVITE gets the same (RFC 3261 section 9.2).
    pub tag: String,
    state: Finish,
    /// The answer; nothing when Accepted, because the call repeats it.
    last: Box<[u8]>,
    interval: Duration,
    repeat: Option<TimerId>,
    end: Option<TimerId>,
}

impl FinishedTransaction {
    /// About what it takes up in the tables, in bytes: itself, its places in three tables and among
    /// the timers, and its texts.
    fn weight(&self) -> usize {
        const FIXED: usize = size_of::<FinishedTransaction>() + 256;
        FIXED + self.key.len() + self.merge_key.as_ref().map_or(0, |k| k.len()) + self.last.len()
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
        let key: Arc<str> = key.into();
        self.server_keys.insert(key.clone(), id);
        let merge_key: Option<Arc<str>> = merge_key.map(Arc::from);
        if let Some(merge_key) = &merge_key {
            self.merges.insert(merge_key.clone(), id);
        }
        let flow = answer_flow(source, &essentials.via);
        let tag = self.chance.token(16);
        self.servers.insert(
            id,
            Box::new(ServerTransaction {
                key,
                merge_key,
                request,
                essentials,
                source,
                flow,
                tag,
                last: None,
                end: None,
                call: None,
                undecided: false,
            }),
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
    pub(crate) fn respond(&mut self, now: Instant, id: u64, response: Response) {
        self.respond_telling(now, id, response);
    }

    /// The same; tells what was sent.
    pub(crate) fn respond_telling(
        &mut self,
        now: Instant,
        id: u64,
        mut response: Response,
    ) -> Option<Vec<u8>> {
        if response.status > 100 && !self.config.user_agent.is_empty() {
            response
                .headers
                .push(HeaderName::Server, self.config.user_agent.clone());
        }
        // Without it a caller may try again at once (RFC 3261 section 21.5.4).
        if response.status == 503 && response.headers.value(HeaderName::RetryAfter).is_none() {
            let after = self.config.limits.retry_after.to_string();
            response.headers.push(HeaderName::RetryAfter, after);
        }
        let bytes = response.print();
        let flow = if response.status < 200 {
            let tx = self.servers.get_mut(&id)?;
            tx.last = Some(bytes.clone());
            tx.flow
        } else {
            self.finish_server(now, id, response.status, &bytes)?
        };
        self.transmit(flow, bytes.clone());
        Some(bytes)
    }

    /// From now on the transaction only recognises what is repeated. Gives where the answer goes.
    fn finish_server(&mut self, now: Instant, id: u64, status: u16, bytes: &[u8]) -> Option<Flow> {
        let mut tx = self.servers.remove(&id)?;
        slim(&mut self.servers);
        // Some phones answer a challenge without counting CSeq up; that is no merged request.
        if matches!(status, 401 | 407)
            && let Some(merge_key) = tx.merge_key.take()
        {
            self.merges.remove(&merge_key);
        }
        self.timers.cancel(&mut tx.end);
        let t1 = self.config.t1;
        let reliable = tx.flow.transport.reliable();
        let accepted = tx.invite() && status < 300;
        let repeat = (tx.invite() && !accepted && !reliable)
            .then(|| self.timers.set(now + t1, Timer::ServerRepeat(id)));
        let linger = if reliable && !tx.invite() {
            Duration::ZERO
        } else {
            t1 * 64
        };
        let end = Some(self.timers.set(now + linger, Timer::ServerGone(id)));
        let flow = tx.flow;
        let finished = FinishedTransaction {
            key: tx.key,
            merge_key: tx.merge_key,
            flow,
            tag: tx.tag,
            state: if accepted {
                Finish::Accepted
            } else {
                Finish::Completed
            },
            last: if accepted {
                Box::default()
            } else {
                bytes.into()
            },
            interval: t1,
            repeat,
            end,
        };
        self.finished_weight += finished.weight();
        self.finished.insert(id, Box::new(finished));
        Some(flow)
    }

    /// The request again: the last answer again.
    pub(crate) fn server_again(&mut self, now: Instant, id: u64) {
        let again = match (self.finished.get(&id), self.servers.get(&id)) {
            (Some(tx), _) => match tx.state {
                Finish::Completed => (tx.flow, tx.last.to_vec()),
                // The 2xx is repeated by the call until its ACK comes.
                Finish::Accepted | Finish::Confirmed => return,
            },
            (None, Some(tx)) => match &tx.last {
                Some(bytes) => (tx.flow, bytes.clone()),
                None if tx.invite() => return self.respond_plain(now, id, 100, ""),
                None => return,
            },
            (None, None) => return,
        };
        self.transmit(again.0, again.1);
    }

    /// The ACK of a 300-699.
    pub(crate) fn server_acknowledged(&mut self, now: Instant, id: u64) {
        let t4 = self.config.t4;
        let Some(tx) = self.finished.get_mut(&id) else {
            return;
        };
        if tx.state == Finish::Completed {
            tx.state = Finish::Confirmed;
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
        let Some(tx) = self.finished.get_mut(&id) else {
            return;
        };
        tx.repeat = None;
        if tx.state != Finish::Completed {
            return;
        }
        tx.interval = (tx.interval * 2).min(t2);
        tx.repeat = Some(self.timers.set(now + tx.interval, Timer::ServerRepeat(id)));
        let (flow, bytes) = (tx.flow, tx.last.to_vec());
        self.transmit(flow, bytes);
    }

    pub(crate) fn end_server(&mut self, id: u64) {
        let (key, merge_key, timers) = if let Some(tx) = self.finished.remove(&id) {
            self.finished_weight -= tx.weight();
            (tx.key, tx.merge_key, [tx.repeat, tx.end])
        } else if let Some(tx) = self.servers.remove(&id) {
            (tx.key, tx.merge_key, [None, tx.end])
        } else {
            return;
        };
        for mut timer in timers {
            self.timers.cancel(&mut timer);
        }
        self.server_keys.remove(&key);
        if let Some(merge_key) = &merge_key
            && self.merges.get(merge_key) == Some(&id)
        {
            self.merges.remove(merge_key);
        }
        slim(&mut self.finished);
        slim(&mut self.servers);
        slim(&mut self.server_keys);
        slim(&mut self.merges);
    }
}
