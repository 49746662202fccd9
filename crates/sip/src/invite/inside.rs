//! What happens inside a call that is up: new offers, both ways, and their collisions; BYE, INFO,
//! REFER.

use crate::dialog::CallState;
use crate::endpoint::Endpoint;
use crate::event::{DialogKey, EndReason, Event};
use crate::header::SessionExpires;
use crate::invite::{contact_of, set_sdp};
use crate::message::{HeaderName, Method, Response};
use crate::timers::Timer;
use crate::transaction::Purpose;
use std::time::{Duration, Instant};

impl Endpoint {
    /// Offers a changed session (re-INVITE); glare is resolved inside. While another offer is
    /// under way, this one waits for it.
    pub fn reoffer(&mut self, now: Instant, key: DialogKey, sdp: String) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.state != CallState::Up {
            return;
        }
        if call.our_offer.is_some() || call.their_offer.is_some() || call.answer.is_some() {
            call.our_offer_sdp = Some((sdp, false));
            self.timers.cancel(&mut call.reoffer_again);
            call.reoffer_again = Some(
                self.timers
                    .set(now + self.config.t1, Timer::ReofferAgain(key)),
            );
            return;
        }
        self.timers.cancel(&mut call.reoffer_again);
        self.send_reoffer(now, key, sdp, false);
    }

    pub(crate) fn reoffer_again(&mut self, now: Instant, key: DialogKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.reoffer_again = None;
        let Some((sdp, refresh)) = call.our_offer_sdp.take() else {
            return;
        };
        if call.our_offer.is_some() || call.their_offer.is_some() || call.answer.is_some() {
            call.our_offer_sdp = Some((sdp, refresh));
            call.reoffer_again = Some(
                self.timers
                    .set(now + self.config.t1, Timer::ReofferAgain(key)),
            );
        } else if call.state == CallState::Up {
            self.send_reoffer(now, key, sdp, refresh);
        }
    }

    pub(crate) fn send_reoffer(
        &mut self,
        now: Instant,
        key: DialogKey,
        sdp: String,
        refresh: bool,
    ) {
        let Some((mut request, flow)) = self.request_inside(key, Method::Invite) else {
            return;
        };
        self.session_ask(key, &mut request.headers);
        request
            .headers
            .push(HeaderName::Allow, crate::options::ALLOW);
        set_sdp(&mut request.headers, &mut request.body, &sdp);
        let credentials = self.calls.get(&key).and_then(|c| c.credentials.clone());
        let tx = self.start_client(now, request, flow, Purpose::Reinvite(key), credentials);
        if let Some(call) = self.calls.get_mut(&key) {
            call.our_offer = Some(tx);
            call.our_offer_sdp = Some((sdp, refresh));
        }
    }

    pub(crate) fn reoffer_final(&mut self, now: Instant, key: DialogKey, response: &Response) {
        let outgoing = match self.calls.get_mut(&key) {
            Some(call) => {
                call.our_offer = None;
                call.outgoing
            }
            None => return,
        };
        let wait = match response.status {
            // RFC 3261 section 14.1: the owner of the Call-ID waits longer, in steps of 10 ms.
            491 if outgoing => Some(
                self.chance
                    .between(Duration::from_millis(2100), Duration::from_millis(4000)),
            ),
            491 => Some(
                self.chance
                    .between(Duration::ZERO, Duration::from_millis(2000)),
            ),
            _ => None,
        };
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.state != CallState::Up {
            return;
        }
        if let Some(wait) = wait {
            self.timers.cancel(&mut call.reoffer_again);
            call.reoffer_again = Some(self.timers.set(now + wait, Timer::ReofferAgain(key)));
            return;
        }
        // A newer offer that waits keeps its place.
        let waiting = call.reoffer_again.is_some();
        let offered = if waiting {
            None
        } else {
            call.our_offer_sdp.take()
        };
        let refresh = offered.as_ref().is_some_and(|(_, refresh)| *refresh);
        match response.status {
            200..300 => {
                let sdp = response.sdp();
                if let Some((offered, _)) = offered {
                    call.local_sdp = Some(offered);
                }
                if sdp.is_some() {
                    call.remote_sdp.clone_from(&sdp);
                }
                if let Some(target) = contact_of(&response.headers) {
                    call.remote_target = target;
                }
                let session = response
                    .headers
                    .value(HeaderName::SessionExpires)
                    .and_then(SessionExpires::parse);
                self.session_agreed(now, key, session, true);
                if !refresh {
                    self.events.push_back(Event::ReofferAnswered { key, sdp });
                }
            }
            408 | 481 => self.end_call(now, key, EndReason::Lost, None),
            status if !refresh => {
                self.events
                    .push_back(Event::ReofferRejected { key, status });
            }
            // Their refusal still shows that they live: try again at half time.
            _ => {
                if let Some(interval) = call.session_interval {
                    self.timers.cancel(&mut call.session_timer);
                    call.session_timer = Some(
                        self.timers
                            .set(now + interval / 2, Timer::SessionRefresh(key)),
                    );
                }
            }
        }
    }

    /// re-INVITE or UPDATE.
    pub(crate) fn their_reoffer(&mut self, now: Instant, key: DialogKey, id: u64) {
        let (Some(tx), Some(call)) = (self.servers.get(&id), self.calls.get_mut(&key)) else {
            return;
        };
        let update = !tx.invite();
        let offer = tx.request.sdp();
        if call.state == CallState::Leaving {
            self.respond_plain(now, id, 481, "");
            return;
        }
        let negotiates = !update || offer.is_some();
        // Glare (RFC 3261 section 14.2, RFC 3311 section 5.2).
        if negotiates && call.our_offer.is_some() {
            self.respond_plain(now, id, 491, "");
            return;
        }
        let busy =
            call.their_offer.is_some() || call.answer.is_some() || call.state == CallState::Ringing;
        if negotiates && busy {
            let wait = self
                .chance
                .between(Duration::ZERO, Duration::from_secs(10))
                .as_secs();
            self.respond_with(now, id, 500, HeaderName::RetryAfter, wait.to_string());
            return;
        }
        let headers = &tx.request.headers;
        if let Some(target) = contact_of(headers) {
            call.remote_target = target;
        }
        if headers.value(HeaderName::Allow).is_some() {
            call.peer_update = headers.has_token(HeaderName::Allow, "UPDATE");
        }
        // What the path is may change with the phone's address.
        if tx.source.transport == call.flow.transport {
            call.flow = tx.source;
        }
        let unchanged = offer.is_some() && offer == call.remote_sdp;
        let local = call.local_sdp.clone();
        if self.session_too_short(&tx.request.headers) {
            let least = self.config.min_se.as_secs().to_string();
            self.respond_with(now, id, 422, HeaderName::MinSe, least);
            return;
        }
        if !negotiates {
            self.send_answer(now, key, id, None);
            return;
        }
        if let (true, Some(sdp)) = (unchanged, local) {
            // Only the session timer wants this.
            self.send_answer(now, key, id, Some(&sdp));
            return;
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.their_offer = Some(id);
        }
        if !update {
            self.respond_plain(now, id, 100, "");
        }
        self.events.push_back(Event::Reoffered { key, offer });
    }

    /// Agrees to [`Event::Reoffered`].
    pub fn answer_reoffer(&mut self, now: Instant, key: DialogKey, sdp: String) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(id) = call.their_offer.take() else {
            return;
        };
        let offer = self.servers.get(&id).and_then(|tx| tx.request.sdp());
        call.answer_in_ack = offer.is_none();
        if offer.is_some() {
            call.remote_sdp = offer;
        }
        call.local_sdp = Some(sdp.clone());
        self.send_answer(now, key, id, Some(&sdp));
    }

    /// Refuses [`Event::Reoffered`], usually with 488; the session goes on as it was.
    pub fn reject_reoffer(&mut self, now: Instant, key: DialogKey, status: u16) {
        let Some(id) = self.calls.get_mut(&key).and_then(|c| c.their_offer.take()) else {
            return;
        };
        let status = if (300..700).contains(&status) {
            status
        } else {
            488
        };
        self.respond_plain(now, id, status, "");
    }

    pub(crate) fn their_bye(&mut self, now: Instant, key: DialogKey, id: u64) {
        self.respond_plain(now, id, 200, "");
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let told = call.state == CallState::Leaving;
        let pending = [
            call.their_offer.take(),
            call.invite_tx.filter(|_| !call.outgoing),
        ];
        // BYE before our answer ends the INVITE too (RFC 3261 section 15.1.2).
        if let (CallState::Inviting, Some(tx)) = (call.state, call.invite_tx) {
            self.cancel_client(now, tx, None);
        }
        self.drop_call(key);
        for id in pending.into_iter().flatten() {
            self.respond_plain(now, id, 487, "");
        }
        if !told {
            self.events.push_back(Event::Ended {
                key,
                reason: EndReason::HungUpThere,
            });
        }
    }

    pub(crate) fn their_info(&mut self, now: Instant, key: DialogKey, id: u64) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let content_type = tx
            .request
            .headers
            .value(HeaderName::ContentType)
            .unwrap_or("")
            .to_owned();
        let body = tx.request.body.clone();
        let digit = digit_of(&content_type, &body);
        self.respond_plain(now, id, 200, "");
        if self
            .calls
            .get(&key)
            .is_some_and(|c| c.state != CallState::Leaving)
        {
            self.events.push_back(Event::Info {
                key,
                content_type,
                body,
                digit,
            });
        }
    }

    /// Sends INFO, for DTMF towards peers without RFC 4733.
    pub fn info(&mut self, now: Instant, key: DialogKey, content_type: &str, body: Vec<u8>) {
        if self
            .calls
            .get(&key)
            .is_none_or(|c| c.state != CallState::Up)
            || content_type.contains(['\r', '\n'])
        {
            return;
        }
        if let Some((mut request, flow)) = self.request_inside(key, Method::Info) {
            request.headers.push(HeaderName::ContentType, content_type);
            request.body = body;
            let credentials = self.calls.get(&key).and_then(|c| c.credentials.clone());
            self.start_client(now, request, flow, Purpose::Info(key), credentials);
        }
    }

    /// Asks the other side to call someone else instead (REFER, RFC 3515). The outcome comes as
    /// [`Event::ReferProgressed`].
    pub fn refer(&mut self, now: Instant, key: DialogKey, target: &str) {
        let Ok(target) = crate::message::Uri::parse(target) else {
            self.events
                .push_back(Event::ReferProgressed { key, status: 400 });
            return;
        };
        if self
            .calls
            .get(&key)
            .is_none_or(|c| c.state != CallState::Up)
        {
            return;
        }
        if let Some((mut request, flow)) = self.request_inside(key, Method::Refer) {
            request
                .headers
                .push(HeaderName::ReferTo, format!("<{target}>"));
            if let Some(call) = self.calls.get(&key) {
                request
                    .headers
                    .push(HeaderName::ReferredBy, call.contact.clone());
            }
            let credentials = self.calls.get(&key).and_then(|c| c.credentials.clone());
            self.start_client(now, request, flow, Purpose::Refer(key), credentials);
        }
    }

    /// NOTIFY about a transfer: its body is the status line of the new call (RFC 3515).
    pub(crate) fn their_notify(&mut self, now: Instant, key: DialogKey, id: u64) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let about_refer = tx
            .request
            .headers
            .value(HeaderName::Event)
            .is_some_and(|e| e.trim_start().to_ascii_lowercase().starts_with("refer"));
        if !about_refer {
            self.respond_plain(now, id, 489, "");
            return;
        }
        let body = String::from_utf8_lossy(&tx.request.body);
        let status = body
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|s| s.parse::<u16>().ok())
            .filter(|s| (100..700).contains(s));
        self.respond_plain(now, id, 200, "");
        if let Some(status) = status {
            self.events
                .push_back(Event::ReferProgressed { key, status });
        }
    }
}

/// The key in `Signal=5` or in a body of one character.
fn digit_of(content_type: &str, body: &[u8]) -> Option<char> {
    let kind = content_type.split(';').next().unwrap_or("").trim();
    let text = std::str::from_utf8(body).ok()?;
    let signal = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("signal")
                .then(|| value.trim())
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.trim()
    } else {
        return None;
    };
    // Events 10 and 11 are * and # (RFC 4733 table 3).
    let digit = match signal {
        "10" => '*',
        "11" => '#',
        one => {
            let mut chars = one.chars();
            let first = chars.next()?;
            if chars.next().is_some() {
                return None;
            }
            first.to_ascii_uppercase()
        }
    };
    matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D').then_some(digit)
}
