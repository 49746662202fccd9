//! Who may: challenges, passwords, and the engine's decision.

use super::Endpoint;
use crate::digest::{self, DigestFields, Secret};
use crate::event::{Admission, ChallengeId, Event, RequestFacts};
use crate::invite::add_headers;
use crate::message::{HeaderName, Method};
use crate::timers::Timer;
use std::net::IpAddr;
use std::time::Instant;

/// What a nonce turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nonce {
    Fresh,
    /// Too old, from before a restart, or used already: right but not any more.
    Stale,
}

impl Endpoint {
    /// Tells the engine of a request that needs its decision.
    pub(super) fn ask_admission(&mut self, now: Instant, id: u64) {
        let source = match self.servers.get(&id) {
            Some(tx) => tx.source.remote.ip(),
            None => return,
        };
        let credentials = self.credentials_of(id);
        if let Some(fields) = &credentials
            && self.judge_nonce(now, source, fields) == Nonce::Stale
        {
            self.challenge(now, id, true);
            return;
        }
        let limit = self.config.t1 * 64;
        let end = self.timers.set(now + limit, Timer::Undecided(id));
        let Some(tx) = self.servers.get_mut(&id) else {
            return;
        };
        tx.undecided = true;
        tx.end = Some(end);
        let facts = facts_of(tx);
        self.events.push_back(Event::AuthenticationNeeded {
            challenge: ChallengeId(id),
            username: credentials.and_then(|f| f.value("username").map(str::to_owned)),
            facts: Box::new(facts),
        });
    }

    /// Decides about a request of [`Event::AuthenticationNeeded`]. A decision that comes too
    /// late, or twice, does nothing.
    pub fn admit(&mut self, now: Instant, challenge: ChallengeId, admission: Admission) {
        let id = challenge.0;
        match self.servers.get_mut(&id) {
            Some(tx) if tx.undecided => {
                tx.undecided = false;
                self.timers.cancel(&mut tx.end);
            }
            _ => return,
        }
        match admission {
            Admission::Allow => self.admitted(now, id, None),
            Admission::Challenge => self.challenge(now, id, false),
            Admission::Verify(secret) => self.verify(now, id, &secret),
            Admission::Refuse {
                status,
                reason,
                headers,
            } => {
                let status = if (300..700).contains(&status) {
                    status
                } else {
                    500
                };
                if let Some(mut response) = self.response_for(id, status, &reason) {
                    add_headers(&mut response.headers, &headers);
                    self.respond(now, id, response);
                }
            }
            Admission::Ignore => self.end_server(id),
        }
    }

    /// The same for the common case: the secret of the user named, or `None` when there is no
    /// such user, which looks the same from outside as a wrong password.
    pub fn authenticate(&mut self, now: Instant, challenge: ChallengeId, secret: Option<Secret>) {
        let admission = match secret {
            Some(secret) => Admission::Verify(secret),
            None => Admission::Challenge,
        };
        self.admit(now, challenge, admission);
    }

    fn credentials_of(&self, id: u64) -> Option<DigestFields> {
        let tx = self.servers.get(&id)?;
        [HeaderName::Authorization, HeaderName::ProxyAuthorization]
            .into_iter()
            .flat_map(|name| tx.request.headers.values(name))
            .filter_map(DigestFields::parse)
            .find(|f| f.value("realm") == Some(self.config.realm.as_str()))
    }

    /// The secret is looked at first only when the counter is right, and the counter moves only
    /// when the secret was right: a stranger cannot use up a phone's nonce.
    fn verify(&mut self, now: Instant, id: u64, secret: &Secret) {
        let Some(fields) = self.credentials_of(id) else {
            self.challenge(now, id, false);
            return;
        };
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        let source = tx.source.remote.ip();
        // Only what we offered: otherwise the weaker one could always be chosen (RFC 8760 section 4).
        let offered = digest::Algorithm::parse(fields.value("algorithm"))
            .is_some_and(|algorithm| self.config.algorithms.contains(&algorithm));
        if !offered || !digest::verify(&fields, secret, tx.request.method.word()) {
            self.challenge(now, id, false);
            return;
        }
        // The password took a while to find; another request may have used the counter since.
        if self.judge_nonce(now, source, &fields) == Nonce::Stale {
            self.challenge(now, id, true);
            return;
        }
        let (Some(nonce), Some(count)) = (fields.value("nonce"), count_of(&fields)) else {
            self.challenge(now, id, false);
            return;
        };
        if !self.nonces.contains_key(nonce) {
            if self.nonces.len() >= self.config.limits.nonces {
                let after = self.config.limits.retry_after.to_string();
                self.respond_with(now, id, 503, HeaderName::RetryAfter, after);
                return;
            }
            // Kept for as long as the nonce itself would pass, counted from now: a little longer
            // than needed.
            self.timers.set(
                now + self.config.nonce_lifetime,
                Timer::Nonce(nonce.to_owned()),
            );
        }
        self.nonces.insert(nonce.to_owned(), count);
        let user = fields.value("username").map(str::to_owned);
        self.admitted(now, id, user);
    }

    fn challenge(&mut self, now: Instant, id: u64, stale: bool) {
        let Some(source) = self.servers.get(&id).map(|tx| tx.source.remote.ip()) else {
            return;
        };
        let nonce = self.new_nonce(now, source);
        let Some(mut response) = self.response_for(id, 401, "") else {
            return;
        };
        for &algorithm in &self.config.algorithms {
            response.headers.push(
                HeaderName::WwwAuthenticate,
                digest::challenge(&self.config.realm, &nonce, algorithm, stale),
            );
        }
        self.respond(now, id, response);
    }

    /// Age, a random part, and a proof that both are ours and were given to this address: nothing
    /// needs to be kept until it is used.
    fn new_nonce(&mut self, now: Instant, source: IpAddr) -> String {
        let age = self.since_epoch(now);
        let salt = self.chance.token(8);
        let proof = self.prove(age, &salt, source);
        format!("{age:x}-{salt}-{proof}")
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        self.epoch.map_or(0, |epoch| {
            now.saturating_duration_since(epoch).as_millis() as u64
        })
    }

    fn prove(&self, age: u64, salt: &str, source: IpAddr) -> String {
        self.chance.derive(&[
            b"nonce",
            &age.to_be_bytes(),
            salt.as_bytes(),
            source.to_string().as_bytes(),
        ])
    }

    fn judge_nonce(&self, now: Instant, source: IpAddr, fields: &DigestFields) -> Nonce {
        let judge = || -> Option<bool> {
            let nonce = fields.value("nonce")?;
            let mut parts = nonce.splitn(3, '-');
            let age = u64::from_str_radix(parts.next()?, 16).ok()?;
            let (salt, proof) = (parts.next()?, parts.next()?);
            if !digest::same(self.prove(age, salt, source).as_bytes(), proof.as_bytes()) {
                return None;
            }
            let old = self.since_epoch(now).saturating_sub(age);
            if u128::from(old) > self.config.nonce_lifetime.as_millis() {
                return None;
            }
            let last = self.nonces.get(nonce).copied().unwrap_or(0);
            Some(count_of(fields).is_none_or(|count| count > last))
        };
        match judge() {
            Some(true) => Nonce::Fresh,
            _ => Nonce::Stale,
        }
    }

    fn admitted(&mut self, now: Instant, id: u64, user: Option<String>) {
        let Some(tx) = self.servers.get(&id) else {
            return;
        };
        match tx.request.method {
            Method::Invite => self.invited(now, id, user),
            _ => self.register(now, id, user),
        }
    }
}

fn count_of(fields: &DigestFields) -> Option<u32> {
    u32::from_str_radix(fields.value("nc")?, 16).ok()
}

pub(crate) fn facts_of(tx: &crate::transaction::ServerTransaction) -> RequestFacts {
    RequestFacts {
        method: tx.request.method.clone(),
        request_uri: tx.request.uri.clone(),
        from: tx.essentials.from.clone(),
        to: tx.essentials.to.clone(),
        call_id: tx.essentials.call_id.clone(),
        flow: tx.source,
        headers: tx.request.headers.clone(),
    }
}
