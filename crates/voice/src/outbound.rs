//! REST calls that wait for their turn: one queue an account, one start every so often.
//!
//! ```text
//! no entry ── a call begins ──► entry, next start in 1/rate ── that time, nobody waits ──► no entry
//! ```
//!
//! `Dial` legs are exempt (contract 6.3).

use std::collections::BTreeMap;
use std::time::Instant;

use model::now::Now;
use model::sid::{AccountSid, CallSid};

use crate::deadline::{Deadline, Deadlines};
use crate::policy::Policy;

/// What is known of an account while it has calls, or has just begun one.
struct Account {
    /// Calls that live, queued ones included.
    calls: usize,
    /// Before this, no further call may start.
    next: Option<Instant>,
    /// Who waits, in order of arrival.
    waiting: BTreeMap<u64, CallSid>,
}

/// All accounts that have calls, or have just begun one.
#[derive(Default)]
pub(crate) struct Outbound {
    accounts: BTreeMap<AccountSid, Account>,
    arrivals: u64,
}

impl Outbound {
    /// Counts a call that begins to live.
    pub fn enter(&mut self, account: AccountSid) {
        self.accounts
            .entry(account)
            .or_insert(Account {
                calls: 0,
                next: None,
                waiting: BTreeMap::new(),
            })
            .calls += 1;
    }

    /// A call is over; `place` is its place in the queue, if it still had one.
    pub fn leave(&mut self, account: AccountSid, place: Option<u64>) {
        if let Some(entry) = self.accounts.get_mut(&account) {
            entry.calls = entry.calls.saturating_sub(1);
            if let Some(place) = place {
                entry.waiting.remove(&place);
            }
            self.tidy(account);
        }
    }

    /// Live calls of an account, queued ones included.
    pub fn calls(&self, account: AccountSid) -> usize {
        self.accounts.get(&account).map_or(0, |entry| entry.calls)
    }

    /// Puts a call at the end of its account's queue; the answer is its place.
    pub fn wait(
        &mut self,
        account: AccountSid,
        call: CallSid,
        now: Now,
        deadlines: &mut Deadlines,
    ) -> u64 {
        self.arrivals += 1;
        if let Some(entry) = self.accounts.get_mut(&account) {
            entry.waiting.insert(self.arrivals, call);
            let at = entry.next.unwrap_or(now.instant).max(now.instant);
            deadlines.set(Deadline::Turn(account), at);
        }
        self.arrivals
    }

    /// An account's turn has come: who may start.
    pub fn turn(
        &mut self,
        account: AccountSid,
        now: Now,
        policy: &Policy,
        deadlines: &mut Deadlines,
    ) -> Option<CallSid> {
        let entry = self.accounts.get_mut(&account)?;
        let call = entry.waiting.pop_first().map(|(_, call)| call);
        if call.is_some() {
            let next = now.instant + policy.turn();
            entry.next = Some(next);
            deadlines.set(Deadline::Turn(account), next);
        } else {
            entry.next = None;
            self.tidy(account);
        }
        call
    }

    fn tidy(&mut self, account: AccountSid) {
        let idle = |entry: &Account| entry.calls == 0 && entry.next.is_none();
        if self.accounts.get(&account).is_some_and(idle) {
            self.accounts.remove(&account);
        }
    }

    pub fn len(&self) -> usize {
        self.accounts.len()
    }
}
