//! Requests of ours until they are answered: timers A, B, D, E, F, K, M.

use crate::digest::{self, Credentials, DigestFields};
use crate::endpoint::{Endpoint, slim};
use crate::event::DialogKey;
use crate::flow::{Flow, Transmit};
use crate::header::Via;
use crate::message::{HeaderName, Headers, Method, Request, Response, status};
use crate::timers::{Timer, TimerId};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// ```text
/// Calling --1xx--> Proceeding --2xx--> Accepted  (INVITE only; timer M)
///    |                 |------300-699--> Completed (timer D or K)
///    '-----------------'
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientState {
    Calling,
    Proceeding,
    Accepted,
    Completed,
}

/// How long a re-INVITE may be thought about, in T1: three minutes, as timer C.
const REINVITE_PATIENCE: u32 = 360;

/// What the answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Invite(DialogKey),
    Reinvite(DialogKey),
    Bye(DialogKey),
    Prack(DialogKey),
    Update(DialogKey),
    Info(DialogKey),
    Refer(DialogKey),
    /// CANCEL, and the BYE of a fork nobody wants.
    Nothing,
}

pub(crate) struct ClientTransaction {
    pub branch: String,
    pub request: Request,
    pub bytes: Vec<u8>,
    pub flow: Flow,
    pub state: ClientState,
    pub interval: Duration,
    pub repeat: Option<TimerId>,
    pub end: Option<TimerId>,
    pub purpose: Purpose,
    pub credentials: Option<Arc<Credentials>>,
    /// Challenges answered so far.
    pub attempts: u8,
    /// The ACK of a 300-699.
    pub ack: Option<Transmit>,
    /// The ACKs of the 2xx of each fork, by their tags.
    pub acks: Vec<(String, Transmit)>,
    /// CANCEL waits for a 1xx; holds its Reason.
    pub cancel_wanted: Option<Option<String>>,
    pub canceled: bool,
    /// Nobody wants the call any more: a 2xx gets ACK and BYE.
    pub abandoned: bool,
}

/// Forks of one INVITE whose 2xx are acknowledged; more are ignored.
const MOST_FORKS: usize = 16;

impl ClientTransaction {
    fn invite(&self) -> bool {
        self.request.method == Method::Invite
    }
}

impl Endpoint {
    /// Sends a request in a new transaction. The request has no Via yet.
    pub(crate) fn start_client(
        &mut self,
        now: Instant,
        request: Request,
        flow: Flow,
        purpose: Purpose,
        credentials: Option<Arc<Credentials>>,
    ) -> u64 {
        let branch = format!("z9hG4bK{}", self.chance.token(20));
        self.start_client_with(now, request, flow, purpose, credentials, branch, 0)
    }

    #[allow(clippy::too_many_arguments)]
    fn start_client_with(
        &mut self,
        now: Instant,
        mut request: Request,
        flow: Flow,
        purpose: Purpose,
        credentials: Option<Arc<Credentials>>,
        branch: String,
        attempts: u8,
    ) -> u64 {
        let flow = self.resolve(flow);
        request
            .headers
            .push_front(HeaderName::Via, self.via_text(&flow, &branch));
        let bytes = request.print();
        let id = self.next_id();
        self.branches
            .insert(branch_key(&branch, &request.method), id);
        let repeat = (!flow.transport.reliable()).then(|| {
            self.timers
                .set(now + self.config.t1, Timer::ClientRepeat(id))
        });
        let end = Some(
            self.timers
                .set(now + self.config.t1 * 64, Timer::ClientTimeout(id)),
        );
        self.transmit(flow, bytes.clone());
        self.clients.insert(
            id,
            Box::new(ClientTransaction {
                branch,
                request,
                bytes,
                flow,
                state: ClientState::Calling,
                interval: self.config.t1,
                repeat,
                end,
                purpose,
                credentials,
                attempts,
                ack: None,
                acks: Vec::new(),
                cancel_wanted: None,
                canceled: false,
                abandoned: false,
            }),
        );
        id
    }

    pub(crate) fn via_text(&self, flow: &Flow, branch: &str) -> String {
        format!(
            "SIP/2.0/{} {};rport;branch={branch}",
            flow.transport,
            self.config.advertised.name(flow.transport, flow.local)
        )
    }

    pub(crate) fn client_repeat(&mut self, now: Instant, id: u64) {
        let t2 = self.config.t2;
        let Some(tx) = self.clients.get_mut(&id) else {
            return;
        };
        tx.repeat = None;
        let invite = tx.invite();
        match tx.state {
            ClientState::Calling => {
                tx.interval = if invite {
                    tx.interval * 2
                } else {
                    (tx.interval * 2).min(t2)
                };
            }
            ClientState::Proceeding if !invite => tx.interval = t2,
            _ => return,
        }
        tx.repeat = Some(self.timers.set(now + tx.interval, Timer::ClientRepeat(id)));
        let (flow, bytes) = (tx.flow, tx.bytes.clone());
        self.transmit(flow, bytes);
    }

    pub(crate) fn client_timeout(&mut self, now: Instant, id: u64) {
        self.client_failed(now, id, 408);
    }

    /// Whoever has another address to try does not wait for timer B. An answer that comes all the
    /// same is cancelled or hung up on.
    pub(crate) fn client_silent(&mut self, now: Instant, id: u64) {
        let silent = self
            .clients
            .get(&id)
            .filter(|tx| tx.state == ClientState::Calling && !tx.abandoned);
        if let Some(Purpose::Invite(key)) = silent.map(|tx| tx.purpose) {
            self.cancel_client(now, id, None);
            self.drop_call(key);
            self.rejected(key, 408, status::phrase(408), Headers::new());
        }
    }

    /// No response will come: one is made up (RFC 3261 section 8.1.3.1).
    pub(crate) fn client_failed(&mut self, now: Instant, id: u64, status: u16) {
        let Some(tx) = self.clients.get(&id) else {
            return;
        };
        let finished = matches!(tx.state, ClientState::Accepted | ClientState::Completed);
        let (purpose, abandoned) = (tx.purpose, tx.abandoned);
        self.end_client(id);
        if !finished && !abandoned {
            let response = Response {
                status,
                reason: status::phrase(status).to_owned(),
                headers: Headers::new(),
                body: Vec::new(),
            };
            self.client_final(now, purpose, None, response);
        }
    }

    pub(crate) fn end_client(&mut self, id: u64) {
        if let Some(mut tx) = self.clients.remove(&id) {
            self.timers.cancel(&mut tx.repeat);
            self.timers.cancel(&mut tx.end);
            self.branches
                .remove(&branch_key(&tx.branch, &tx.request.method));
            slim(&mut self.clients);
            slim(&mut self.branches);
        }
    }

    /// A response came. Those that belong to nothing are ignored: a stateless proxy we are not.
    pub(crate) fn handle_response(&mut self, now: Instant, flow: Flow, response: Response) {
        let vias = response.headers.list(HeaderName::Via);
        // Exactly one Via, ours, or the response went astray (RFC 3261 section 8.1.3.3).
        let [via] = vias[..] else {
            return;
        };
        let (Ok(via), Some(cseq)) = (Via::parse(via), response.headers.value(HeaderName::CSeq))
        else {
            return;
        };
        let Ok(cseq) = crate::header::CSeq::parse(cseq) else {
            return;
        };
        let Some(branch) = via.branch() else {
            return;
        };
        let Some(&id) = self.branches.get(&branch_key(branch, &cseq.method)) else {
            return;
        };
        let Some(tx) = self.clients.get(&id) else {
            return;
        };
        if tx.request.method != cseq.method {
            return;
        }
        let invite = tx.invite();
        match response.status {
            100..200 => self.client_provisional(now, id, response),
            200..300 if invite => self.client_accepted(now, id, flow, response),
            _ => self.client_completed(now, id, flow, response),
        }
    }

    fn client_provisional(&mut self, now: Instant, id: u64, response: Response) {
        let Some(tx) = self.clients.get_mut(&id) else {
            return;
        };
        match tx.state {
            ClientState::Calling => {
                tx.state = ClientState::Proceeding;
                if tx.invite() {
                    self.timers.cancel(&mut tx.repeat);
                    self.timers.cancel(&mut tx.end);
                    if let Purpose::Reinvite(_) = tx.purpose {
                        // Nobody watches it once its call is over: without an end of its own it would
                        // stay for ever when its final answer is lost.
                        let at = now + self.config.t1 * REINVITE_PATIENCE;
                        tx.end = Some(self.timers.set(at, Timer::ClientTimeout(id)));
                    }
                }
            }
            ClientState::Proceeding => {}
            _ => return,
        }
        if let Some(reason) = tx.cancel_wanted.take() {
            self.send_cancel(now, id, reason);
            return;
        }
        if tx.abandoned {
            return;
        }
        if let Purpose::Invite(key) = tx.purpose
            && response.status > 100
        {
            self.invite_progressed(now, key, id, response);
        }
    }

    fn client_accepted(&mut self, now: Instant, id: u64, flow: Flow, response: Response) {
        let Some(tx) = self.clients.get_mut(&id) else {
            return;
        };
        if tx.state == ClientState::Completed {
            return;
        }
        let tag = tag_of(&response).unwrap_or_default();
        if let Some((_, ack)) = tx.acks.iter().find(|(t, _)| *t == tag) {
            let ack = ack.clone();
            self.transmits.push_back(ack);
            return;
        }
        if tx.acks.len() == MOST_FORKS {
            return;
        }
        let first = tx.state != ClientState::Accepted;
        if first {
            tx.state = ClientState::Accepted;
            // It is not sent again, and the ACKs of later forks need its headers only.
            (tx.bytes, tx.request.body) = (Vec::new(), Vec::new());
            self.timers.cancel(&mut tx.repeat);
            self.timers.cancel(&mut tx.end);
            tx.end = Some(
                self.timers
                    .set(now + self.config.t1 * 64, Timer::ClientGone(id)),
            );
        }
        let wanted = first && !tx.abandoned;
        let purpose = tx.purpose;
        let ack = self.acknowledge(now, id, &tag, &response, wanted);
        if let (true, Some(())) = (wanted, ack) {
            self.client_final(now, purpose, Some((id, flow)), response);
        }
    }

    fn client_completed(&mut self, now: Instant, id: u64, flow: Flow, response: Response) {
        let Some(tx) = self.clients.get_mut(&id) else {
            return;
        };
        match tx.state {
            ClientState::Accepted => return,
            ClientState::Completed => {
                if let Some(ack) = tx.ack.clone() {
                    self.transmits.push_back(ack);
                }
                return;
            }
            _ => {}
        }
        tx.state = ClientState::Completed;
        tx.bytes = Vec::new();
        let invite = tx.invite();
        if invite {
            // RFC 3261 section 17.1.1.3: same branch, same route, To with the tag.
            let mut headers = Headers::new();
            for (name, value) in tx.request.headers.iter() {
                if matches!(
                    name,
                    HeaderName::Via
                        | HeaderName::From
                        | HeaderName::CallId
                        | HeaderName::MaxForwards
                        | HeaderName::Route
                ) {
                    headers.push(name.clone(), value);
                }
            }
            headers.push(
                HeaderName::To,
                response.headers.value(HeaderName::To).unwrap_or_default(),
            );
            let number = cseq_of(&tx.request);
            headers.push(HeaderName::CSeq, format!("{number} ACK"));
            let ack = Request {
                method: Method::Ack,
                uri: tx.request.uri.clone(),
                headers,
                body: Vec::new(),
            };
            let ack = Transmit {
                flow: tx.flow,
                bytes: ack.print(),
            };
            tx.ack = Some(ack.clone());
            self.transmits.push_back(ack);
        }
        self.timers.cancel(&mut tx.repeat);
        self.timers.cancel(&mut tx.end);
        let (purpose, abandoned) = (tx.purpose, tx.abandoned);
        let linger = match (tx.flow.transport.reliable(), invite) {
            (true, _) => Duration::ZERO,
            (false, true) => self.config.t1 * 64,
            (false, false) => self.config.t4,
        };
        tx.end = Some(self.timers.set(now + linger, Timer::ClientGone(id)));
        if abandoned || self.answer_challenge(now, id, &response) {
            return;
        }
        self.client_final(now, purpose, Some((id, flow)), response);
    }

    /// Repeats a request with credentials; false when there are none for this challenge.
    fn answer_challenge(&mut self, now: Instant, id: u64, response: &Response) -> bool {
        let (asks, answers) = match response.status {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (
                HeaderName::ProxyAuthenticate,
                HeaderName::ProxyAuthorization,
            ),
            _ => return false,
        };
        let cnonce = self.chance.token(16);
        let Some(tx) = self.clients.get(&id) else {
            return false;
        };
        let Some(credentials) = tx.credentials.clone() else {
            return false;
        };
        let mut request = tx.request.clone();
        let uri = request.uri.to_string();
        let answer = response.headers.values(asks).find_map(|challenge| {
            let fields = DigestFields::parse(challenge)?;
            let stale = fields
                .value("stale")
                .is_some_and(|s| s.eq_ignore_ascii_case("true"));
            // A second refusal means the password is wrong; only a stale nonce is tried again. A
            // proxy and a server may each ask once.
            let asked_before = request.headers.count(&answers) > 0;
            if tx.attempts >= 3 || (asked_before && !stale) {
                return None;
            }
            digest::answer(
                &fields,
                &credentials,
                request.method.word(),
                &uri,
                &cnonce,
                1,
            )
        });
        let Some(answer) = answer else {
            return false;
        };
        let (flow, purpose, attempts) = (tx.flow, tx.purpose, tx.attempts);
        request.headers.remove(&HeaderName::Via);
        request.headers.set(answers, answer);
        let number = self
            .next_cseq_for(purpose)
            .unwrap_or_else(|| cseq_of(&request) + 1);
        let method = request.method.clone();
        request
            .headers
            .set(HeaderName::CSeq, format!("{number} {method}"));
        let branch = format!("z9hG4bK{}", self.chance.token(20));
        let new = self.start_client_with(
            now,
            request,
            flow,
            purpose,
            Some(credentials),
            branch,
            attempts + 1,
        );
        self.client_replaced(purpose, id, new);
        true
    }

    /// CANCEL now, or as soon as the other side has shown that it got the INVITE
    /// (RFC 3261 section 9.1).
    pub(crate) fn cancel_client(&mut self, now: Instant, id: u64, reason: Option<String>) {
        let Some(tx) = self.clients.get_mut(&id) else {
            return;
        };
        tx.abandoned = true;
        match tx.state {
            ClientState::Calling => tx.cancel_wanted = Some(reason),
            ClientState::Proceeding if !tx.canceled => self.send_cancel(now, id, reason),
            _ => {}
        }
    }

    fn send_cancel(&mut self, now: Instant, id: u64, reason: Option<String>) {
        let Some(tx) = self.clients.get_mut(&id) else {
            return;
        };
        tx.canceled = true;
        // Nobody has to answer a canceled INVITE for ever.
        self.timers.cancel(&mut tx.end);
        tx.end = Some(
            self.timers
                .set(now + self.config.t1 * 64, Timer::ClientTimeout(id)),
        );
        let mut headers = Headers::new();
        for (name, value) in tx.request.headers.iter() {
            if matches!(
                name,
                HeaderName::From
                    | HeaderName::To
                    | HeaderName::CallId
                    | HeaderName::MaxForwards
                    | HeaderName::Route
            ) {
                headers.push(name.clone(), value);
            }
        }
        headers.push(HeaderName::CSeq, format!("{} CANCEL", cseq_of(&tx.request)));
        if let Some(reason) = reason {
            headers.push(HeaderName::Reason, reason);
        }
        let request = Request {
            method: Method::Cancel,
            uri: tx.request.uri.clone(),
            headers,
            body: Vec::new(),
        };
        let (flow, branch) = (tx.flow, tx.branch.clone());
        self.start_client_with(now, request, flow, Purpose::Nothing, None, branch, 0);
    }
}

/// CANCEL has the branch of what it cancels (RFC 3261 section 9.1).
fn branch_key(branch: &str, method: &Method) -> String {
    if *method == Method::Cancel {
        format!("{branch} CANCEL")
    } else {
        branch.to_owned()
    }
}

pub(crate) fn cseq_of(request: &Request) -> u32 {
    request
        .headers
        .value(HeaderName::CSeq)
        .and_then(|c| crate::header::CSeq::parse(c).ok())
        .map_or(1, |c| c.number)
}

pub(crate) fn tag_of(response: &Response) -> Option<String> {
    let to = response.headers.value(HeaderName::To)?;
    Some(crate::header::NameAddr::parse(to).ok()?.tag()?.to_owned())
}
