//! What went wrong: notifications of calls, monitor alerts.

use model::alert::{Alert, Level};
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, CallSid, NotificationSid};

use crate::connection::Value;
use crate::error::Error;
use crate::rows::{self, Filters, Order, Range, Record};
use crate::store::Store;

impl Record for Alert {
    const TABLE: &'static str = "alerts";
    const SEARCHED: &'static [&'static str] = &["call", "level"];

    fn sid(&self) -> String {
        self.sid.to_string()
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn created(&self) -> Wall {
        self.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![
            Value::Text(self.call.map(|call| call.to_string())),
            Value::text(self.level),
        ]
    }
}

/// Which alerts a list shows.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Those about this call.
    pub call: Option<CallSid>,
    /// Those as bad as this.
    pub level: Option<Level>,
    /// Those of this time.
    pub created: Range,
}

/// What went wrong: notifications of calls, monitor alerts.
pub struct Alerts<'a>(&'a Store);

impl Store {
    /// What went wrong: notifications of calls, monitor alerts.
    pub fn alerts(&self) -> Alerts<'_> {
        Alerts(self)
    }
}

impl Alerts<'_> {
    /// Adds one that stands alone; one that belongs to a change goes with it.
    pub async fn insert(&self, alert: Alert) -> Result<(), Error> {
        self.0
            .write(move |connection| rows::append(connection, &alert))
            .await
    }

    /// The one with this identifier, if the account has it.
    pub async fn find(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Result<Option<Alert>, Error> {
        let filters = Filters::default().eq("sid", sid).eq("account", account);
        self.0.peek(|connection| rows::find(connection, &filters))
    }

    /// The alerts of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        filter: &AlertFilter,
        request: &PageRequest,
    ) -> Result<Page<Alert>, Error> {
        let filters = Filters::default()
            .eq("account", account)
            .eq_if("call", filter.call)
            .eq_if("level", filter.level)
            .within("created", filter.created);
        self.0.page(filters, Order::NewestFirst, request).await
    }

    /// Removes one; whether there was one.
    pub async fn remove(&self, account: AccountSid, sid: NotificationSid) -> Result<bool, Error> {
        let filters = Filters::default().eq("sid", sid).eq("account", account);
        self.0
            .write(move |connection| rows::remove::<Alert>(connection, &filters))
            .await
    }
}
