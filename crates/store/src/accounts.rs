//! Accounts and subaccounts.

use model::account::{Account, AccountStatus};
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::AccountSid;

use crate::error::Error;
use crate::rows::{self, Filters, Order, Record, Value};
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
        let filters = Filters::default().eq("sid", sid);
        rows::find(&mut *self.0.reader().await?, &filters).await
    }

    /// The account that was made first: the operator's own, if there is any.
    pub async fn oldest(&self) -> Result<Option<Account>, Error> {
        let all: Vec<Account> =
            rows::all(&mut *self.0.reader().await?, &Filters::default()).await?;
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
        let mut reader = self.0.reader().await?;
        rows::page(&mut reader, &filters, Order::NewestFirst, request).await
    }

    /// Adds an account; `Full` if its owner has too many.
    pub async fn insert(&self, account: Account) -> Result<(), Error> {
        self.0
            .write(move |connection| {
                Box::pin(async move { rows::insert(connection, &account).await })
            })
            .await
    }

    /// Changes an account as a single step, and returns it as it is now. One that is closed by
    /// the change loses its numbers, so that others can have them.
    pub async fn update(
        &self,
        sid: AccountSid,
        change: impl FnOnce(&mut Account) + Send + 'static,
    ) -> Result<Option<Account>, Error> {
        self.0
            .write(move |connection| {
                Box::pin(async move {
                    let filters = Filters::default().eq("sid", sid);
                    let account = rows::update::<Account>(connection, &filters, change).await?;
                    if account
                        .as_ref()
                        .is_some_and(|account| account.status == AccountStatus::Closed)
                    {
                        let theirs = Filters::default().eq("account", sid);
                        rows::delete(connection, "phone_numbers", &theirs).await?;
                    }
                    Ok(account)
                })
            })
            .await
    }
}
