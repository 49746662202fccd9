//! Who is reachable where (RFC 3261 section 10).

use crate::endpoint::Endpoint;
use crate::event::Event;
use crate::flow::{ConnectionId, Flow};
use crate::header::NameAddr;
use crate::message::{HeaderName, Uri};
use crate::timers::{Timer, TimerId};
use std::time::{Duration, Instant};

/// One contact of an address of record.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The contact as the phone wrote it; the Request-URI of calls to it.
    pub contact: Uri,
    /// The path it registered over; the destination of calls to it.
    pub flow: Flow,
    /// When it ends.
    pub expires_at: Instant,
    /// The Call-ID of the registration.
    pub call_id: String,
    /// The CSeq number of the registration.
    pub cseq: u32,
    /// Its User-Agent.
    pub user_agent: Option<String>,
}

/// The bindings of one address of record, newest first, and the timer of each.
#[derive(Default)]
pub(crate) struct Bound {
    bindings: Vec<Binding>,
    timers: Vec<(u64, Option<TimerId>)>,
}

/// One Contact of a REGISTER.
struct Wanted {
    contact: Uri,
    expires: Duration,
}

impl Endpoint {
    /// Where an address of record (`user@host`) is reachable now, newest first.
    pub fn bindings(&self, aor: &str) -> &[Binding] {
        self.bindings.get(aor).map_or(&[], |b| &b.bindings)
    }

    /// Puts back a binding from before a restart; one that is over is not.
    pub fn restore_binding(&mut self, now: Instant, aor: &str, binding: Binding) {
        if binding.expires_at > now
            && (self.bindings.contains_key(aor)
                || self.bindings.len() < self.config.limits.registrations)
        {
            self.bind(aor, binding);
        }
    }

    /// Takes all contacts away, as when an account is closed; [`Event::Unregistered`] follows.
    pub fn remove_bindings(&mut self, _now: Instant, aor: &str) {
        while let Some(contact) = self.bindings(aor).first().map(|b| b.contact.clone()) {
            self.unbind(aor, &contact, false);
        }
    }

    pub(crate) fn register(&mut self, now: Instant, id: u64, user: Option<String>) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let headers = &tx.request.headers;
        let to = &tx.essentials.to.uri;
        if !matches!(to.scheme.as_str(), "sip" | "sips" | "tel") {
            self.respond_plain(now, id, 400, "");
            return;
        }
        let aor = to.aor();
        let (call_id, cseq) = (tx.essentials.call_id.clone(), tx.essentials.cseq.number);
        let user_agent = headers.value(HeaderName::UserAgent).map(str::to_owned);
        let source = tx.source;
        let header_expires = headers
            .value(HeaderName::Expires)
            .and_then(|e| e.parse().ok())
            .map(Duration::from_secs);
        let contacts: Vec<String> = headers
            .list(HeaderName::Contact)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if contacts.iter().any(|c| c == "*") {
            // RFC 3261 section 10.3 step 6: alone, and only to end everything.
            if contacts.len() != 1 || header_expires != Some(Duration::ZERO) {
                self.respond_plain(now, id, 400, "");
                return;
            }
            if !self.newer(&aor, None, &call_id, cseq) {
                self.respond_plain(now, id, 500, "");
                return;
            }
            self.remove_bindings(now, &aor);
            self.list_bindings(now, id, &aor);
            return;
        }
        let mut wanted = Vec::new();
        for contact in &contacts {
            let Ok(contact) = NameAddr::parse(contact) else {
                self.respond_plain(now, id, 400, "");
                return;
            };
            let expires = contact
                .params
                .value("expires")
                .and_then(|e| e.parse().ok())
                .map(Duration::from_secs)
                .or(header_expires)
                .unwrap_or(self.config.default_expires)
                .min(self.config.max_expires);
            if expires > Duration::ZERO && expires < self.config.min_expires {
                let least = self.config.min_expires.as_secs().to_string();
                self.respond_with(now, id, 423, HeaderName::MinExpires, least);
                return;
            }
            if !self.newer(&aor, Some(&contact.uri), &call_id, cseq) {
                self.respond_plain(now, id, 500, "");
                return;
            }
            wanted.push(Wanted {
                contact: contact.uri,
                expires,
            });
        }
        // All or nothing (RFC 3261 section 10.3 step 7): room is looked for before anything moves.
        let known = self.bindings(&aor);
        let added = wanted
            .iter()
            .filter(|w| {
                w.expires > Duration::ZERO && !known.iter().any(|b| b.contact.same(&w.contact))
            })
            .count();
        if known.len() + added > self.config.limits.contacts {
            self.respond_plain(now, id, 403, "Too Many Contacts");
            return;
        }
        if added > 0
            && !self.bindings.contains_key(&aor)
            && self.bindings.len() >= self.config.limits.registrations
        {
            let after = self.config.limits.retry_after.to_string();
            self.respond_with(now, id, 503, HeaderName::RetryAfter, after);
            return;
        }
        for Wanted { contact, expires } in wanted {
            if expires.is_zero() {
                self.unbind(&aor, &contact, false);
                continue;
            }
            let new = self.bind(
                &aor,
                Binding {
                    contact: contact.clone(),
                    flow: source,
                    expires_at: now + expires,
                    call_id: call_id.clone(),
                    cseq,
                    user_agent: user_agent.clone(),
                },
            );
            self.events.push_back(Event::Registered {
                aor: aor.clone(),
                contact,
                flow: source,
                expires,
                user: user.clone(),
                user_agent: user_agent.clone(),
                new,
            });
        }
        self.list_bindings(now, id, &aor);
    }

    /// A request of the same registration with a lower number was overtaken
    /// (RFC 3261 section 10.3 step 7).
    fn newer(&self, aor: &str, contact: Option<&Uri>, call_id: &str, cseq: u32) -> bool {
        self.bindings(aor)
            .iter()
            .filter(|b| contact.is_none_or(|c| b.contact.same(c)))
            .all(|b| b.call_id != call_id || b.cseq < cseq)
    }

    fn list_bindings(&mut self, now: Instant, id: u64, aor: &str) {
        let Some(mut response) = self.response_for(id, 200, "") else {
            return;
        };
        for binding in self.bindings(aor) {
            let left = binding.expires_at.saturating_duration_since(now).as_secs();
            response.headers.push(
                HeaderName::Contact,
                format!("<{}>;expires={left}", binding.contact),
            );
        }
        self.respond(now, id, response);
    }

    /// True when the contact was not bound before.
    fn bind(&mut self, aor: &str, binding: Binding) -> bool {
        let number = self.next_id();
        let timer = self
            .timers
            .set(binding.expires_at, Timer::Binding(aor.to_owned(), number));
        let bound = self.bindings.entry(aor.to_owned()).or_default();
        let before = bound
            .bindings
            .iter()
            .position(|b| b.contact.same(&binding.contact));
        if let Some(at) = before {
            bound.bindings.remove(at);
            let (_, mut old) = bound.timers.remove(at);
            self.timers.cancel(&mut old);
        }
        bound.bindings.insert(0, binding);
        bound.timers.insert(0, (number, Some(timer)));
        before.is_none()
    }

    fn unbind(&mut self, aor: &str, contact: &Uri, expired: bool) {
        let Some(bound) = self.bindings.get_mut(aor) else {
            return;
        };
        let Some(at) = bound.bindings.iter().position(|b| b.contact.same(contact)) else {
            return;
        };
        let binding = bound.bindings.remove(at);
        let (_, mut timer) = bound.timers.remove(at);
        self.timers.cancel(&mut timer);
        if bound.bindings.is_empty() {
            self.bindings.remove(aor);
        }
        self.events.push_back(Event::Unregistered {
            aor: aor.to_owned(),
            contact: binding.contact,
            expired,
        });
    }

    pub(crate) fn binding_expired(&mut self, aor: &str, number: u64) {
        let contact = self.bindings.get(aor).and_then(|bound| {
            let at = bound.timers.iter().position(|(n, _)| *n == number)?;
            Some(bound.bindings[at].contact.clone())
        });
        if let Some(contact) = contact {
            self.unbind(aor, &contact, true);
        }
    }

    /// Contacts registered over a connection cannot be reached without it (RFC 5626 section 4.2.2).
    pub(crate) fn connection_lost(&mut self, _now: Instant, id: ConnectionId) {
        let mut lost: Vec<(String, Uri)> = self
            .bindings
            .iter()
            .flat_map(|(aor, bound)| {
                bound
                    .bindings
                    .iter()
                    .filter(|b| b.flow.connection == Some(id))
                    .map(|b| (aor.clone(), b.contact.clone()))
            })
            .collect();
        lost.sort_by(|a, b| a.0.cmp(&b.0));
        for (aor, contact) in lost {
            self.unbind(&aor, &contact, false);
        }
    }
}
