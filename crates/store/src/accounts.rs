//! Accounts and subaccounts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::account::{Account, AccountStatus};
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::AccountSid;

use crate::connection::Value;
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};
use crate::store::Store;

impl Record for Account {
    const TABLE: &'static str = "accounts";
    const SEARCHED: &'static [&'static str] = &["friendly_name", "status"];

    fn sid(&self) -> String {
        self.sid.to_string()
    }
    fn account(&self) -> String {
        self.owner.to_string()
    }
    fn created(&self) -> Wall {
        self.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![Value::text(&self.friendly_name), Value::text(self.status)]
    }
}

/// Which accounts a list shows.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Those of this name.
    pub friendly_name: Option<String>,
    /// Those in this status.
    pub status: Option<AccountStatus>,
}

/// Accounts and subaccounts.
pub struct Accounts<'a>(&'a Store);

impl Store {
    /// Accounts and subaccounts.
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }
}

impl Accounts<'_> {
    /// The one with this identifier, whoever owns it: authentication begins here.
    pub async fn find(&self, sid: AccountSid) -> Result<Option<Account>, Error> {
        // Every request and every webhook asks for its account: it is not read each time.
        let settled = match self.0.known().find(sid) {
            Ok(account) => return Ok(Some(account)),
            Err(settled) => settled,
        };
        let filters = Filters::default().eq("sid", sid);
        let found: Option<Account> = self.0.peek(|connection| rows::find(connection, &filters))?;
        if let Some(account) = &found {
            self.0.known().keep(account, settled);
        }
        Ok(found)
    }

    /// The account that was made first: the operator's own, if there is any.
    pub async fn oldest(&self) -> Result<Option<Account>, Error> {
        let all: Vec<Account> = self
            .0
            .peek(|connection| rows::all(connection, &Filters::default()))?;
        Ok(all.into_iter().next())
    }

    /// An account and its subaccounts, newest first.
    pub async fn list(
        &self,
        owner: AccountSid,
        filter: &AccountFilter,
        request: &PageRequest,
    ) -> Result<Page<Account>, Error> {
        let filters = Filters::default()
            .eq("account", owner)
            .eq_if("friendly_name", filter.friendly_name.as_ref())
            .eq_if("status", filter.status);
        self.0.page(filters, Order::NewestFirst, request).await
    }

    /// Adds an account; `Full` if its owner has too many.
    pub async fn insert(&self, account: Account) -> Result<(), Error> {
        self.0
            .write(move |connection| rows::insert(connection, &account))
            .await
    }

    /// Changes an account as a single step, and returns it as it is now. One that is closed by
    /// the change loses its numbers, so that others can have them.
    pub async fn update(
        &self,
        sid: AccountSid,
        change: impl FnOnce(&mut Account) + Send + 'static,
    ) -> Result<Option<Account>, Error> {
        let known = self.0.known().clone();
        self.0
            .write(move |connection| {
                known.change(sid);
                let filters = Filters::default().eq("sid", sid);
                let account = rows::update::<Account>(connection, &filters, change)?;
                if account
                    .as_ref()
                    .is_some_and(|account| account.status == AccountStatus::Closed)
                {
                    let theirs = Filters::default().eq("account", sid);
                    rows::delete(connection, "phone_numbers", &theirs)?;
                }
                Ok(account)
            })
            .await
    }
}

/// How many accounts are kept between look-ups.
const KNOWN: usize = 10_000;

/// Accounts as they are on the disk, so that they are not read for every request. Whoever changes
/// one says so before; the writer drops it between its commit and its answer.
#[derive(Default)]
pub(crate) struct Known(Mutex<Accounted>);

#[derive(Default)]
struct Accounted {
    accounts: HashMap<AccountSid, Account>,
    /// Accounts that the transaction under way changes.
    changing: Vec<AccountSid>,
    /// How many transactions changed any. What was read before the last of them is not kept.
    settled: u64,
}

impl Known {
    fn lock(&self) -> std::sync::MutexGuard<'_, Accounted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account, or what must still hold when it has been read.
    fn find(&self, sid: AccountSid) -> Result<Account, u64> {
        let known = self.lock();
        known.accounts.get(&sid).cloned().ok_or(known.settled)
    }

    /// Keeps what was read, unless an account was changed meanwhile.
    fn keep(&self, account: &Account, settled: u64) {
        let mut known = self.lock();
        if known.settled == settled {
            if known.accounts.len() >= KNOWN {
                known.accounts.clear();
            }
            known.accounts.insert(account.sid, account.clone());
        }
    }

    /// The transaction under way changes this account.
    fn change(&self, sid: AccountSid) {
        self.lock().changing.push(sid);
    }

    /// The transaction is over, whether it was committed or not.
    pub(crate) fn settle(&self) {
        let mut known = self.lock();
        if !known.changing.is_empty() {
            known.settled += 1;
            for sid in std::mem::take(&mut known.changing) {
                known.accounts.remove(&sid);
            }
        }
    }
}
