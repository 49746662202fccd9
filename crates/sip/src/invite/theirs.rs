//! Calls that come in, until they are answered.

use crate::dialog::{Call, CallState, Repeated};
use crate::endpoint::Endpoint;
use crate::endpoint::admission::facts_of;
use crate::event::{DialogKey, EndReason, Event};
use crate::invite::{add_headers, contact_of, set_sdp};
use crate::message::HeaderName;
use crate::options::introduce;
use crate::timers::Timer;
use std::time::Instant;

impl Endpoint {
    pub(crate) fn invited(&mut self, now: Instant, id: u64, user: Option<String>) {
        if self.calls.len() >= self.config.limits.calls {
            let after = self.config.limits.retry_after.to_string();
            self.respond_with(now, id, 503, HeaderName::RetryAfter, after);
            return;
        }
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let headers = &tx.request.headers;
        if self.session_too_short(headers) {
            let least = self.config.min_se.as_secs().to_string();
            self.respond_with(now, id, 422, HeaderName::MinSe, least);
            return;
        }
        let Some(remote_target) = contact_of(headers) else {
            self.respond_plain(now, id, 400, "Missing Contact");
            return;
        };
        let essentials = &tx.essentials;
        let mut to = essentials.to.clone();
        to.params.set("tag", Some(tx.tag.clone()));
        // A top Via that names another host than the packet's source means a NAT between.
        let sent_by = essentials.via.host.trim_matches(['[', ']']).parse().ok();
        let pinned = sent_by.is_some_and(|ip: std::net::IpAddr| ip != tx.source.remote.ip());
        let offer = tx.request.sdp();
        let call = Call {
            outgoing: false,
            state: CallState::Ringing,
            call_id: essentials.call_id.clone(),
            local_tag: tx.tag.clone(),
            // RFC 2543 callers have none.
            remote_tag: Some(essentials.from.tag().unwrap_or("").to_owned()),
            local: to.to_string(),
            remote: essentials.from.to_string(),
            remote_target,
            route_set: headers
                .list(HeaderName::RecordRoute)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            local_cseq: 0,
            remote_cseq: Some(essentials.cseq.number),
            flow: tx.source,
            pinned,
            contact: self.contact_text(
                &tx.source,
                tx.request.uri.user_name().as_deref().filter(|u| {
                    u.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"+-_.".contains(&b))
                }),
            ),
            credentials: None,
            invite_tx: Some(id),
            invitation_timeout: None,
            raised: false,
            offered: offer.is_some(),
            local_sdp: None,
            remote_sdp: offer.clone(),
            answer: None,
            answer_in_ack: false,
            bye_after_ack: false,
            bye_reason: None,
            peer_requires_100rel: headers.has_token(HeaderName::Require, "100rel"),
            peer_supports_100rel: headers.has_token(HeaderName::Supported, "100rel"),
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
            peer_update: headers.has_token(HeaderName::Allow, "UPDATE"),
            session_interval: None,
            we_refresh: false,
            session_timer: None,
        };
        let facts = Box::new(facts_of(tx));
        let key = DialogKey(self.next_id());
        self.tags.insert(call.local_tag.clone(), key);
        self.calls.insert(key, call);
        if let Some(tx) = self.servers.get_mut(&id) {
            tx.call = Some(key);
        }
        self.respond_plain(now, id, 100, "");
        self.events.push_back(Event::Invited {
            key,
            facts,
            offer,
            user,
        });
    }

    /// 180, or 183 with a description. Sent reliably when the other side wants it.
    pub fn ring(&mut self, now: Instant, key: DialogKey, sdp: Option<String>) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let (CallState::Ringing, Some(tx)) = (call.state, call.invite_tx) else {
            return;
        };
        if call.queued_answer.is_some() {
            return;
        }
        if call.provisional.is_some() {
            // One at a time (RFC 3262 section 3); the newest is the one that counts.
            call.queued_ring = Some(sdp);
            return;
        }
        let reliable = call.peer_requires_100rel
            || (call.peer_supports_100rel && self.config.reliable_provisional && sdp.is_some());
        let status = if sdp.is_some() { 183 } else { 180 };
        let contact = call.contact.clone();
        if reliable {
            call.rseq = if call.rseq == 0 {
                (self.chance.number() % 1_000_000) as u32 + 1
            } else {
                call.rseq + 1
            };
        }
        let rseq = call.rseq;
        call.provisional_sdp = sdp.is_some();
        if sdp.is_some() {
            call.local_sdp.clone_from(&sdp);
        }
        let Some(mut response) = self.response_for(tx, status, "") else {
            return;
        };
        response.headers.push(HeaderName::Contact, contact);
        introduce(&mut response);
        if let Some(sdp) = &sdp {
            set_sdp(&mut response.headers, &mut response.body, sdp);
        }
        if reliable {
            response.headers.push(HeaderName::Require, "100rel");
            response.headers.push(HeaderName::RSeq, rseq.to_string());
        }
        self.respond(now, tx, response);
        if reliable {
            let Some(tx) = self.servers.get(&tx) else {
                return;
            };
            let t1 = self.config.t1;
            let repeated = Repeated {
                bytes: tx.last.clone().unwrap_or_default(),
                flow: tx.flow,
                interval: t1,
                repeat: Some(self.timers.set(now + t1, Timer::ProvisionalRepeat(key))),
                end: Some(
                    self.timers
                        .set(now + t1 * 64, Timer::ProvisionalTimeout(key)),
                ),
                number: rseq,
            };
            if let Some(call) = self.calls.get_mut(&key) {
                call.provisional = Some(repeated);
            }
        }
    }

    pub(crate) fn provisional_repeat(&mut self, now: Instant, key: DialogKey) {
        let Some(repeated) = self
            .calls
            .get_mut(&key)
            .and_then(|c| c.provisional.as_mut())
        else {
            return;
        };
        repeated.interval *= 2;
        repeated.repeat = Some(
            self.timers
                .set(now + repeated.interval, Timer::ProvisionalRepeat(key)),
        );
        let (flow, bytes) = (repeated.flow, repeated.bytes.clone());
        self.transmit(flow, bytes);
    }

    pub(crate) fn provisional_timeout(&mut self, now: Instant, key: DialogKey) {
        self.end_call(now, key, EndReason::NoPrack, None);
    }

    pub(crate) fn their_prack(&mut self, now: Instant, key: DialogKey, id: u64) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let sdp = tx.request.sdp();
        let mut words = tx
            .request
            .headers
            .value(HeaderName::RAck)
            .unwrap_or("")
            .split_ascii_whitespace();
        let rseq: Option<u32> = words.next().and_then(|w| w.parse().ok());
        let cseq: Option<u32> = words.next().and_then(|w| w.parse().ok());
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let invite_number = call
            .invite_tx
            .and_then(|tx| self.servers.get(&tx))
            .map(|tx| tx.essentials.cseq.number);
        let matches = call
            .provisional
            .as_ref()
            .is_some_and(|p| Some(p.number) == rseq && cseq.is_some() && cseq == invite_number);
        if !matches {
            self.respond_plain(now, id, 481, "");
            return;
        }
        if let Some(mut provisional) = call.provisional.take() {
            self.timers.cancel(&mut provisional.repeat);
            self.timers.cancel(&mut provisional.end);
        }
        let answers_ours = !call.offered && call.provisional_sdp;
        let queued_ring = call.queued_ring.take();
        let queued_answer = call.queued_answer.take();
        match sdp {
            Some(sdp) if answers_ours => {
                call.offered = true;
                call.remote_sdp = Some(sdp.clone());
                self.respond_plain(now, id, 200, "");
                self.events.push_back(Event::Acknowledged {
                    key,
                    sdp: Some(sdp),
                });
            }
            // A second offer before the answer: it may come again once the call is up.
            Some(_) => self.respond_plain(now, id, 488, ""),
            None => self.respond_plain(now, id, 200, ""),
        }
        if let Some(sdp) = queued_answer {
            self.answer(now, key, sdp);
        } else if let Some(sdp) = queued_ring {
            self.ring(now, key, sdp);
        }
    }

    /// 200 with a description: the answer, or the offer when the caller made none.
    pub fn answer(&mut self, now: Instant, key: DialogKey, sdp: String) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let (CallState::Ringing, Some(tx)) = (call.state, call.invite_tx) else {
            return;
        };
        if let Some(provisional) = &mut call.provisional {
            if call.provisional_sdp {
                // RFC 3262 section 3: not before the PRACK.
                call.queued_answer = Some(sdp);
                return;
            }
            self.timers.cancel(&mut provisional.repeat);
            self.timers.cancel(&mut provisional.end);
            call.provisional = None;
        }
        call.state = CallState::Up;
        call.invite_tx = None;
        call.answer_in_ack = !call.offered;
        call.local_sdp = Some(sdp.clone());
        self.send_answer(now, key, tx, Some(&sdp));
    }

    /// A 2xx to INVITE or UPDATE, with the session timer; to INVITE it is repeated until its ACK.
    pub(crate) fn send_answer(&mut self, now: Instant, key: DialogKey, tx: u64, sdp: Option<&str>) {
        let Some(mut response) = self.response_for(tx, 200, "") else {
            return;
        };
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        response
            .headers
            .push(HeaderName::Contact, call.contact.clone());
        introduce(&mut response);
        let Some(server) = self.servers.get(&tx) else {
            return;
        };
        let invite = server.invite();
        let number = server.essentials.cseq.number;
        let flow = server.flow;
        let agreed = self.session_answer(&server.request.headers, &mut response);
        if let Some(sdp) = sdp {
            set_sdp(&mut response.headers, &mut response.body, sdp);
        }
        let sent = self.respond_telling(now, tx, response);
        self.session_agreed(now, key, agreed, false);
        let (true, Some(bytes)) = (invite, sent) else {
            return;
        };
        let t1 = self.config.t1;
        let repeated = Repeated {
            bytes,
            flow,
            interval: t1,
            repeat: Some(self.timers.set(now + t1, Timer::AnswerRepeat(key))),
            end: Some(self.timers.set(now + t1 * 64, Timer::AnswerTimeout(key))),
            number,
        };
        if let Some(call) = self.calls.get_mut(&key) {
            call.answer = Some(repeated);
        }
    }

    pub(crate) fn answer_repeat(&mut self, now: Instant, key: DialogKey) {
        let t2 = self.config.t2;
        let Some(repeated) = self.calls.get_mut(&key).and_then(|c| c.answer.as_mut()) else {
            return;
        };
        repeated.interval = (repeated.interval * 2).min(t2);
        repeated.repeat = Some(
            self.timers
                .set(now + repeated.interval, Timer::AnswerRepeat(key)),
        );
        let (flow, bytes) = (repeated.flow, repeated.bytes.clone());
        self.transmit(flow, bytes);
    }

    pub(crate) fn answer_timeout(&mut self, now: Instant, key: DialogKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if let Some(mut answer) = call.answer.take() {
            self.timers.cancel(&mut answer.repeat);
        }
        if call.bye_after_ack {
            call.bye_after_ack = false;
            self.send_bye(now, key);
        } else {
            self.end_call(now, key, EndReason::NoAck, None);
        }
    }

    pub(crate) fn answer_acknowledged(
        &mut self,
        now: Instant,
        key: DialogKey,
        number: u32,
        sdp: Option<String>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.answer.as_ref().is_none_or(|a| a.number != number) {
            return;
        }
        if let Some(mut answer) = call.answer.take() {
            self.timers.cancel(&mut answer.repeat);
            self.timers.cancel(&mut answer.end);
        }
        if call.bye_after_ack {
            call.bye_after_ack = false;
            self.send_bye(now, key);
            return;
        }
        let wanted = std::mem::take(&mut call.answer_in_ack);
        if wanted && sdp.is_none() {
            let why = "the ACK holds no answer to our offer".to_owned();
            self.end_call(now, key, EndReason::Protocol(why), None);
            return;
        }
        let sdp = sdp.filter(|_| wanted);
        if sdp.is_some() {
            call.remote_sdp.clone_from(&sdp);
        }
        self.events.push_back(Event::Acknowledged { key, sdp });
    }

    /// Refuses a call that is not answered yet, 300 to 699; an empty reason is the usual phrase.
    pub fn reject(&mut self, now: Instant, key: DialogKey, status: u16, reason: &str) {
        self.reject_with(now, key, status, reason, Vec::new());
    }

    /// The same with further headers, such as `Retry-After`, or `Contact` for a redirect. No event
    /// follows: the call is over.
    pub fn reject_with(
        &mut self,
        now: Instant,
        key: DialogKey,
        status: u16,
        reason: &str,
        headers: Vec<(String, String)>,
    ) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let (CallState::Ringing, Some(tx)) = (call.state, call.invite_tx) else {
            return;
        };
        let status = if (300..700).contains(&status) {
            status
        } else {
            500
        };
        self.drop_call(key);
        let Some(mut response) = self.response_for(tx, status, reason) else {
            return;
        };
        for (name, value) in &headers {
            match HeaderName::parse(name) {
                name @ (HeaderName::Contact | HeaderName::RetryAfter)
                    if !value.contains(['\r', '\n', '\0']) =>
                {
                    response.headers.push(name, value.clone());
                }
                _ => add_headers(
                    &mut response.headers,
                    std::slice::from_ref(&(name.clone(), value.clone())),
                ),
            }
        }
        self.respond(now, tx, response);
    }

    /// CANCEL came for an INVITE; it has had its 200.
    pub(crate) fn canceled(&mut self, now: Instant, invite: u64, reason: Option<String>) {
        // After a final answer CANCEL has no effect (RFC 3261 section 9.2).
        let Some(tx) = self.servers.get(&invite) else {
            return;
        };
        let call = tx.call;
        self.respond_plain(now, invite, 487, "");
        let Some(key) = call else {
            return;
        };
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.their_offer == Some(invite) {
            call.their_offer = None;
        } else if call.state == CallState::Ringing {
            self.drop_call(key);
            self.events.push_back(Event::Canceled { key, reason });
        }
    }
}
