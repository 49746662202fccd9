//! Session timers (RFC 4028): a call whose other side vanished must not live for ever.

use crate::dialog::CallState;
use crate::endpoint::Endpoint;
use crate::event::{DialogKey, EndReason};
use crate::header::{Refresher, SessionExpires};
use crate::message::{HeaderName, Headers, Method, Response};
use crate::timers::Timer;
use crate::transaction::Purpose;
use std::time::{Duration, Instant};

impl Endpoint {
    /// Whether a request asks for less than we take; the answer is 422 then.
    pub(crate) fn session_too_short(&self, headers: &Headers) -> bool {
        headers
            .value(HeaderName::SessionExpires)
            .and_then(SessionExpires::parse)
            .is_some_and(|s| s.interval < self.config.min_se)
    }

    /// Writes our side of the agreement into a 2xx and gives the agreement.
    pub(crate) fn session_answer(
        &self,
        request: &Headers,
        response: &mut Response,
    ) -> Option<SessionExpires> {
        if self.config.session_expires.is_zero() {
            return None;
        }
        let wanted = request
            .value(HeaderName::SessionExpires)
            .and_then(SessionExpires::parse);
        let supported = request.has_token(HeaderName::Supported, "timer")
            || request.has_token(HeaderName::Require, "timer");
        if !supported && wanted.is_none() {
            return None;
        }
        let least = request
            .value(HeaderName::MinSe)
            .and_then(SessionExpires::parse)
            .map_or(self.config.min_se, |m| m.interval.max(self.config.min_se));
        let interval = match wanted {
            Some(wanted) => wanted
                .interval
                .min(self.config.session_expires)
                .max(least.min(wanted.interval)),
            None => self.config.session_expires.max(least),
        };
        let refresher = match wanted.and_then(|w| w.refresher) {
            Some(refresher) if supported => refresher,
            _ => Refresher::Uas,
        };
        let word = match refresher {
            Refresher::Uac => {
                response.headers.push(HeaderName::Require, "timer");
                "uac"
            }
            Refresher::Uas => "uas",
        };
        response.headers.push(
            HeaderName::SessionExpires,
            format!("{};refresher={word}", interval.as_secs()),
        );
        Some(SessionExpires {
            interval,
            refresher: Some(refresher),
        })
    }

    /// Starts the timer by an agreement; `asked`: the request was ours.
    pub(crate) fn session_agreed(
        &mut self,
        now: Instant,
        key: DialogKey,
        agreed: Option<SessionExpires>,
        asked: bool,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        self.timers.cancel(&mut call.session_timer);
        call.session_interval = agreed.map(|a| a.interval);
        let Some(agreed) = agreed else {
            return;
        };
        // A foolishly short interval must not make us send requests all the time.
        let interval = agreed.interval.max(Duration::from_secs(10));
        call.we_refresh = match agreed.refresher {
            Some(Refresher::Uac) => asked,
            Some(Refresher::Uas) => !asked,
            None => asked,
        };
        call.session_timer = Some(if call.we_refresh {
            self.timers
                .set(now + interval / 2, Timer::SessionRefresh(key))
        } else {
            // RFC 4028 section 10.
            let early = (interval / 3).min(Duration::from_secs(32));
            self.timers
                .set(now + interval - early, Timer::SessionExpired(key))
        });
    }

    pub(crate) fn session_expired(&mut self, now: Instant, key: DialogKey) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.session_timer = None;
            self.end_call(now, key, EndReason::SessionExpired, None);
        }
    }

    pub(crate) fn session_refresh(&mut self, now: Instant, key: DialogKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.session_timer = None;
        if call.state != CallState::Up {
            return;
        }
        if call.our_offer.is_some() || call.their_offer.is_some() || call.answer.is_some() {
            // An offer under way refreshes too, or we come back.
            call.session_timer = Some(
                self.timers
                    .set(now + Duration::from_secs(5), Timer::SessionRefresh(key)),
            );
            return;
        }
        if call.peer_update {
            if let Some((mut request, flow)) = self.request_inside(key, Method::Update) {
                self.session_ask(key, &mut request.headers);
                let credentials = self.calls.get(&key).and_then(|c| c.credentials.clone());
                self.start_client(now, request, flow, Purpose::Update(key), credentials);
            }
        } else if let Some(sdp) = call.local_sdp.clone() {
            self.send_reoffer(now, key, sdp, true);
        }
    }

    /// What a refreshing request says; who refreshes stays as it was.
    pub(crate) fn session_ask(&self, key: DialogKey, headers: &mut Headers) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        headers.push(HeaderName::Supported, crate::options::SUPPORTED);
        if let Some(interval) = call.session_interval {
            let refresher = if call.we_refresh { "uac" } else { "uas" };
            headers.push(
                HeaderName::SessionExpires,
                format!("{};refresher={refresher}", interval.as_secs()),
            );
            headers.push(HeaderName::MinSe, self.config.min_se.as_secs().to_string());
        }
    }

    pub(crate) fn update_final(&mut self, now: Instant, key: DialogKey, response: &Response) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        match response.status {
            200..300 => {
                let session = response
                    .headers
                    .value(HeaderName::SessionExpires)
                    .and_then(SessionExpires::parse);
                self.session_agreed(now, key, session, true);
            }
            408 | 481 => self.end_call(now, key, EndReason::Lost, None),
            _ => {
                // They refuse UPDATE (or it crossed something): a re-INVITE comes next.
                call.peer_update = false;
                if call.state == CallState::Up && call.session_timer.is_none() {
                    call.session_timer = Some(
                        self.timers
                            .set(now + Duration::from_secs(5), Timer::SessionRefresh(key)),
                    );
                }
            }
        }
    }
}
