//! Calls: offer and answer, provisional reliability (RFC 3262), re-INVITE and UPDATE (RFC 3311),
//! session timers (RFC 4028), and how each ends exactly once.

mod inside;
mod session_timer;
mod theirs;

use crate::dialog::{Call, CallState, MOST_EARLY, next_hop, route};
use crate::endpoint::{Endpoint, slim};
use crate::event::{DialogKey, EndReason, Event};
use crate::flow::{Flow, Transmit};
use crate::header::{NameAddr, SessionExpires};
use crate::invitation::{Destination, Invitation};
use crate::message::{HeaderName, Headers, Method, Request, Response, status};
use crate::options::{ALLOW, SUPPORTED};
use crate::timers::Timer;
use crate::transaction::Purpose;
use crate::transaction::client::{cseq_of, tag_of};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Headers the endpoint writes itself; callers may not.
fn reserved(name: &HeaderName) -> bool {
    !matches!(
        name,
        HeaderName::Other(_)
            | HeaderName::Subject
            | HeaderName::Reason
            | HeaderName::ReferredBy
            | HeaderName::Warning
            | HeaderName::Date
    )
}

/// Adds headers of the caller's; none may start another header line (RFC 3261 section 7.3.1).
pub(crate) fn add_headers(headers: &mut Headers, more: &[(String, String)]) {
    for (name, value) in more {
        let clean = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
            && !value.contains(['\r', '\n', '\0']);
        let name = HeaderName::parse(name);
        if clean && !reserved(&name) {
            headers.push(name, value.clone());
        }
    }
}

pub(crate) fn set_sdp(headers: &mut Headers, body: &mut Vec<u8>, sdp: &str) {
    headers.set(HeaderName::ContentType, "application/sdp");
    *body = sdp.as_bytes().to_vec();
}

impl Endpoint {
    /// Places a call. Failure is told by [`Event::Rejected`], also when the tables are full (503).
    pub fn invite(&mut self, now: Instant, invitation: Invitation) -> DialogKey {
        self.epoch.get_or_insert(now);
        let key = DialogKey(self.next_id());
        let limits = &self.config.limits;
        if self.calls.len() >= limits.calls || self.clients.len() >= limits.transactions {
            self.events.push_back(Event::Rejected {
                key,
                status: 503,
                reason: status::phrase(503).to_owned(),
                headers: Headers::new(),
                retry_after: Some(Duration::from_secs(u64::from(limits.retry_after))),
            });
            return key;
        }
        let (flow, pinned) = match invitation.destination {
            Destination::Flow(flow) => (flow, true),
            Destination::Address {
                transport,
                local,
                remote,
            } => (
                Flow {
                    transport,
                    local,
                    remote,
                    connection: None,
                },
                false,
            ),
        };
        let flow = self.resolve(flow);
        let local_tag = self.chance.token(16);
        let call_id = self.chance.token(24);
        let mut from = invitation.from;
        from.params.set("tag", Some(local_tag.clone()));
        let contact = self.contact_text(&flow, invitation.contact_user.as_deref());
        let mut headers = Headers::new();
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, invitation.to.to_string());
        headers.push(HeaderName::CallId, call_id.clone());
        headers.push(HeaderName::CSeq, "1 INVITE");
        let uri = route(&mut headers, &invitation.route_set, &invitation.request_uri);
        headers.push(HeaderName::Contact, contact.clone());
        headers.push(HeaderName::Allow, ALLOW);
        headers.push(HeaderName::Supported, SUPPORTED);
        headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        if !self.config.session_expires.is_zero() {
            headers.push(
                HeaderName::SessionExpires,
                self.config.session_expires.as_secs().to_string(),
            );
            headers.push(HeaderName::MinSe, self.config.min_se.as_secs().to_string());
        }
        add_headers(&mut headers, &invitation.headers);
        let mut request = Request {
            method: Method::Invite,
            uri,
            headers,
            body: Vec::new(),
        };
        set_sdp(&mut request.headers, &mut request.body, &invitation.offer);
        let credentials = invitation.credentials.map(Arc::new);
        let tx = self.start_client(
            now,
            request,
            flow,
            Purpose::Invite(key),
            credentials.clone(),
        );
        // Short, and harmless when it comes too late: not kept to be cancelled.
        if let Some(patience) = invitation.patience {
            self.timers.set(now + patience, Timer::Silence(tx));
        }
        let invitation_timeout = invitation
            .timeout
            .map(|after| self.timers.set(now + after, Timer::InvitationTimeout(key)));
        self.tags.insert(local_tag.clone(), key);
        self.calls.insert(
            key,
            Call {
                outgoing: true,
                state: CallState::Inviting,
                call_id,
                local_tag,
                remote_tag: None,
                local: from.to_string(),
                remote: invitation.to.to_string(),
                remote_target: invitation.request_uri,
                route_set: invitation.route_set,
                local_cseq: 1,
                remote_cseq: None,
                flow,
                pinned,
                contact,
                credentials,
                invite_tx: Some(tx),
                invitation_timeout,
                raised: false,
                offered: true,
                local_sdp: Some(invitation.offer),
                remote_sdp: None,
                answer: None,
                answer_in_ack: false,
                bye_after_ack: false,
                bye_reason: None,
                peer_requires_100rel: false,
                peer_supports_100rel: false,
                rseq: 0,
                provisional: None,
                provisional_sdp: false,
                queued_ring: None,
                queued_answer: None,
                rseqs: Vec::new(),
                their_offer: None,
                our_offer: None,
                our_offer_sdp: None,
                reoffer_again: None,
                peer_update: false,
                session_interval: None,
                we_refresh: false,
                session_timer: None,
            },
        );
        key
    }

    /// Ends a call in whatever state: CANCEL, BYE or 480. [`Event::Ended`] follows at once.
    pub fn hang_up(&mut self, now: Instant, key: DialogKey) {
        self.end_call(now, key, EndReason::HungUpHere, None);
    }

    /// As `hang_up`, with a Reason header (RFC 3326), for "answered elsewhere":
    /// `SIP;cause=200;text="Call completed elsewhere"`.
    pub fn hang_up_with(&mut self, now: Instant, key: DialogKey, reason: &str) {
        let reason = reason.replace(['\r', '\n'], " ");
        self.end_call(now, key, EndReason::HungUpHere, Some(reason));
    }

    pub(crate) fn invitation_timeout(&mut self, now: Instant, key: DialogKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.invitation_timeout = None;
        if call.state == CallState::Inviting {
            if let Some(tx) = call.invite_tx {
                self.cancel_client(now, tx, None);
            }
            self.drop_call(key);
            self.rejected(key, 408, status::phrase(408), Headers::new());
        }
    }

    /// The one place where a call that was not refused ends.
    pub(crate) fn end_call(
        &mut self,
        now: Instant,
        key: DialogKey,
        reason: EndReason,
        header: Option<String>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let tx = call.invite_tx;
        match call.state {
            CallState::Leaving => return,
            CallState::Inviting => {
                if let Some(tx) = tx {
                    self.cancel_client(now, tx, header);
                }
                self.drop_call(key);
            }
            CallState::Ringing => {
                self.drop_call(key);
                if let Some(tx) = tx {
                    let status = if reason == EndReason::NoPrack {
                        504
                    } else {
                        480
                    };
                    self.respond_plain(now, tx, status, "");
                }
            }
            CallState::Up => {
                call.state = CallState::Leaving;
                call.bye_reason = header;
                if call.answer.is_some() {
                    call.bye_after_ack = true;
                } else {
                    self.send_bye(now, key);
                }
                self.quiet(now, key);
            }
        }
        self.events.push_back(Event::Ended { key, reason });
    }

    pub(crate) fn send_bye(&mut self, now: Instant, key: DialogKey) {
        let Some((mut request, flow)) = self.request_inside(key, Method::Bye) else {
            return;
        };
        let credentials = self.calls.get(&key).and_then(|c| c.credentials.clone());
        if let Some(reason) = self.calls.get(&key).and_then(|c| c.bye_reason.clone()) {
            request.headers.push(HeaderName::Reason, reason);
        }
        self.start_client(now, request, flow, Purpose::Bye(key), credentials);
    }

    /// Stops the timers of a call that is leaving and refuses what it had not answered.
    fn quiet(&mut self, now: Instant, key: DialogKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        self.timers.cancel(&mut call.session_timer);
        self.timers.cancel(&mut call.reoffer_again);
        self.timers.cancel(&mut call.invitation_timeout);
        if let Some(id) = call.their_offer.take() {
            self.respond_plain(now, id, 487, "");
        }
    }

    /// Forgets a call. What its transactions still have to do they do alone.
    pub(crate) fn drop_call(&mut self, key: DialogKey) {
        let Some(mut call) = self.calls.remove(&key) else {
            return;
        };
        self.tags.remove(&call.local_tag);
        slim(&mut self.calls);
        slim(&mut self.tags);
        for timer in [
            &mut call.session_timer,
            &mut call.reoffer_again,
            &mut call.invitation_timeout,
        ] {
            self.timers.cancel(timer);
        }
        for repeated in [&mut call.answer, &mut call.provisional]
            .into_iter()
            .flatten()
        {
            self.timers.cancel(&mut repeated.repeat);
            self.timers.cancel(&mut repeated.end);
        }
        if let Some(tx) = call.our_offer.and_then(|id| self.clients.get_mut(&id)) {
            tx.abandoned = true;
        }
    }

    pub(crate) fn rejected(&mut self, key: DialogKey, status: u16, reason: &str, headers: Headers) {
        let retry_after = headers
            .value(HeaderName::RetryAfter)
            .and_then(|v| v.split([';', '(', ' ']).next())
            .and_then(|v| v.parse().ok())
            .map(Duration::from_secs);
        self.events.push_back(Event::Rejected {
            key,
            status,
            reason: reason.to_owned(),
            headers,
            retry_after,
        });
    }

    /// A 1xx to our INVITE.
    pub(crate) fn invite_progressed(
        &mut self,
        now: Instant,
        key: DialogKey,
        tx: u64,
        response: Response,
    ) {
        let tag = tag_of(&response).unwrap_or_default();
        let reliable = response.headers.has_token(HeaderName::Require, "100rel");
        if reliable {
            let Some(rseq) = response
                .headers
                .value(HeaderName::RSeq)
                .and_then(|v| v.trim().parse::<u32>().ok())
            else {
                return;
            };
            let Some(call) = self.calls.get_mut(&key) else {
                return;
            };
            let full = call.rseqs.len() == MOST_EARLY;
            match call.rseqs.iter_mut().find(|(t, _)| *t == tag) {
                // Repeated, or out of order: the other side will repeat it (RFC 3262 section 4).
                Some((_, last)) if rseq != last.wrapping_add(1) => return,
                Some((_, last)) => *last = rseq,
                None if full => return,
                None => call.rseqs.push((tag, rseq)),
            }
            self.send_prack(now, key, tx, &response, rseq);
        }
        self.events.push_back(Event::Progressed {
            key,
            status: response.status,
            sdp: response.sdp(),
            headers: response.headers,
        });
    }

    fn send_prack(
        &mut self,
        now: Instant,
        key: DialogKey,
        tx: u64,
        response: &Response,
        rseq: u32,
    ) {
        let (Some(tx), Some(call)) = (self.clients.get(&tx), self.calls.get_mut(&key)) else {
            return;
        };
        let invite_number = cseq_of(&tx.request);
        call.local_cseq += 1;
        let number = call.local_cseq;
        let (mut request, flow) = inside_early(
            &tx.request,
            response,
            Method::Prack,
            number,
            tx.flow,
            call.pinned,
        );
        request
            .headers
            .push(HeaderName::RAck, format!("{rseq} {invite_number} INVITE"));
        let credentials = call.credentials.clone();
        self.start_client(now, request, flow, Purpose::Prack(key), credentials);
    }

    /// Sends the ACK of a 2xx, and BYE as well when nobody wants that dialog: forks that lost, and
    /// answers that crossed our CANCEL (RFC 3261 section 13.2.2.4).
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        id: u64,
        tag: &str,
        response: &Response,
        wanted: bool,
    ) -> Option<()> {
        let branch = format!("z9hG4bK{}", self.chance.token(20));
        let tx = self.clients.get(&id)?;
        let number = cseq_of(&tx.request);
        let (pinned, reinvite) = match tx.purpose {
            Purpose::Reinvite(key) => (true, self.calls.get(&key).map(|c| c.route_set.clone())),
            Purpose::Invite(key) => (self.calls.get(&key).is_some_and(|c| c.pinned), None),
            _ => (false, None),
        };
        // The routes of a dialog do not change (RFC 3261 section 12.2.1.2).
        let build = |method: Method, number: u32| match &reinvite {
            Some(routes) => {
                let mut plain = response.clone();
                plain.headers.remove(&HeaderName::RecordRoute);
                for hop in routes.iter().rev() {
                    plain.headers.push(HeaderName::RecordRoute, hop.clone());
                }
                inside_early(&tx.request, &plain, method, number, tx.flow, pinned)
            }
            None => inside_early(&tx.request, response, method, number, tx.flow, pinned),
        };
        let (mut ack, flow) = build(Method::Ack, number);
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            for value in tx.request.headers.values(name.clone()) {
                ack.headers.push(name.clone(), value);
            }
        }
        let bye = (!wanted).then(|| build(Method::Bye, number + 1));
        let credentials = tx.credentials.clone();
        let flow = self.resolve(flow);
        ack.headers
            .push_front(HeaderName::Via, self.via_text(&flow, &branch));
        let ack = Transmit {
            flow,
            bytes: ack.print(),
        };
        self.transmits.push_back(ack.clone());
        self.clients.get_mut(&id)?.acks.push((tag.to_owned(), ack));
        if let Some((bye, flow)) = bye {
            self.start_client(now, bye, flow, Purpose::Nothing, credentials);
        }
        Some(())
    }

    /// A final answer to a request of ours, or its lack.
    pub(crate) fn client_final(
        &mut self,
        now: Instant,
        purpose: Purpose,
        from: Option<(u64, Flow)>,
        response: Response,
    ) {
        match purpose {
            Purpose::Invite(key) => match (response.status, from) {
                (200..300, Some((id, flow))) => self.answered(now, key, id, flow, &response),
                _ => self.refused(now, key, from.map(|(id, _)| id), response),
            },
            Purpose::Reinvite(key) => self.reoffer_final(now, key, &response),
            Purpose::Update(key) => self.update_final(now, key, &response),
            Purpose::Bye(key) => self.drop_call(key),
            Purpose::Info(key) | Purpose::Prack(key) => {
                // RFC 3261 section 12.2.1.2; before the answer only the INVITE itself decides.
                if matches!(response.status, 408 | 481)
                    && self
                        .calls
                        .get(&key)
                        .is_some_and(|c| c.state == CallState::Up)
                {
                    self.end_call(now, key, EndReason::Lost, None);
                }
            }
            Purpose::Refer(key) => {
                let status = if response.status < 300 {
                    100
                } else {
                    response.status
                };
                if self.calls.contains_key(&key) {
                    self.events
                        .push_back(Event::ReferProgressed { key, status });
                }
            }
            Purpose::Nothing => {}
        }
    }

    fn answered(&mut self, now: Instant, key: DialogKey, id: u64, flow: Flow, response: &Response) {
        let sdp = response.sdp();
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.state = CallState::Up;
        call.invite_tx = None;
        self.timers.cancel(&mut call.invitation_timeout);
        call.remote_tag = Some(tag_of(response).unwrap_or_default());
        if let Some(to) = response.headers.value(HeaderName::To) {
            call.remote = to.to_owned();
        }
        if let Some(target) = contact_of(&response.headers) {
            call.remote_target = target;
        }
        call.route_set = recorded(&response.headers);
        if flow.transport == call.flow.transport && call.pinned {
            call.flow.connection = flow.connection;
        }
        if let Some(tx) = self.clients.get(&id) {
            call.local_cseq = call.local_cseq.max(cseq_of(&tx.request));
        }
        call.peer_update = response.headers.has_token(HeaderName::Allow, "UPDATE");
        if sdp.is_some() {
            call.remote_sdp.clone_from(&sdp);
        }
        let session = response
            .headers
            .value(HeaderName::SessionExpires)
            .and_then(SessionExpires::parse);
        self.session_agreed(now, key, session, true);
        self.events.push_back(Event::Answered {
            key,
            sdp,
            headers: response.headers.clone(),
        });
    }

    fn refused(&mut self, now: Instant, key: DialogKey, id: Option<u64>, response: Response) {
        if response.status == 422 && self.raise_interval(now, key, id, &response) {
            return;
        }
        if self.calls.contains_key(&key) {
            self.drop_call(key);
            let Response {
                status,
                reason,
                headers,
                ..
            } = response;
            self.rejected(key, status, &reason, headers);
        }
    }

    /// 422: once more with the interval they want (RFC 4028 section 7.4).
    fn raise_interval(
        &mut self,
        now: Instant,
        key: DialogKey,
        id: Option<u64>,
        response: &Response,
    ) -> bool {
        let Some(least) = response
            .headers
            .value(HeaderName::MinSe)
            .and_then(SessionExpires::parse)
        else {
            return false;
        };
        let (Some(tx), Some(call)) = (
            id.and_then(|id| self.clients.get(&id)),
            self.calls.get_mut(&key),
        ) else {
            return false;
        };
        if call.raised {
            return false;
        }
        call.raised = true;
        call.local_cseq += 1;
        let seconds = least
            .interval
            .max(self.config.session_expires)
            .as_secs()
            .to_string();
        let mut request = tx.request.clone();
        request.headers.remove(&HeaderName::Via);
        request
            .headers
            .set(HeaderName::CSeq, format!("{} INVITE", call.local_cseq));
        request.headers.set(HeaderName::SessionExpires, seconds);
        request
            .headers
            .set(HeaderName::MinSe, least.interval.as_secs().to_string());
        let (flow, credentials) = (tx.flow, tx.credentials.clone());
        let new = self.start_client(now, request, flow, Purpose::Invite(key), credentials);
        if let Some(call) = self.calls.get_mut(&key) {
            call.invite_tx = Some(new);
        }
        true
    }

    /// The next number of the dialog a request belongs to.
    pub(crate) fn next_cseq_for(&mut self, purpose: Purpose) -> Option<u32> {
        let key = match purpose {
            Purpose::Invite(key)
            | Purpose::Reinvite(key)
            | Purpose::Bye(key)
            | Purpose::Prack(key)
            | Purpose::Update(key)
            | Purpose::Info(key)
            | Purpose::Refer(key) => key,
            Purpose::Nothing => return None,
        };
        let call = self.calls.get_mut(&key)?;
        call.local_cseq += 1;
        Some(call.local_cseq)
    }

    /// A request went out again with credentials.
    pub(crate) fn client_replaced(&mut self, purpose: Purpose, old: u64, new: u64) {
        let key = match purpose {
            Purpose::Invite(key) | Purpose::Reinvite(key) => key,
            _ => return,
        };
        if let Some(call) = self.calls.get_mut(&key) {
            for slot in [&mut call.invite_tx, &mut call.our_offer] {
                if *slot == Some(old) {
                    *slot = Some(new);
                }
            }
        }
    }
}

/// The address in a Contact header.
pub(crate) fn contact_of(headers: &Headers) -> Option<crate::message::Uri> {
    let contact = *headers.list(HeaderName::Contact).first()?;
    NameAddr::parse(contact).ok().map(|c| c.uri)
}

/// The route set a response gives to us, who asked (RFC 3261 section 12.1.2).
fn recorded(headers: &Headers) -> Vec<String> {
    headers
        .list(HeaderName::RecordRoute)
        .into_iter()
        .rev()
        .map(str::to_owned)
        .collect()
}

/// A request inside a dialog that a response to our INVITE made, from these two alone.
fn inside_early(
    invite: &Request,
    response: &Response,
    method: Method,
    number: u32,
    flow: Flow,
    pinned: bool,
) -> (Request, Flow) {
    let mut headers = Headers::new();
    headers.push(HeaderName::MaxForwards, "70");
    for name in [HeaderName::From, HeaderName::CallId] {
        let value = invite.headers.value(name.clone()).unwrap_or_default();
        headers.push(name, value);
    }
    let to = response.headers.value(HeaderName::To).unwrap_or_default();
    headers.push(HeaderName::To, to);
    headers.push(HeaderName::CSeq, format!("{number} {method}"));
    let target = contact_of(&response.headers).unwrap_or_else(|| invite.uri.clone());
    let routes = recorded(&response.headers);
    let uri = route(&mut headers, &routes, &target);
    let flow = next_hop(flow, pinned, &routes, &target);
    (
        Request {
            method,
            uri,
            headers,
            body: Vec::new(),
        },
        flow,
    )
}
