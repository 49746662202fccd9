//! The HTTP exchanges about calls.

use model::event::Event;
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, CallSid};
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};
use crate::store::Store;

/// An event as it is kept: with its number.
#[derive(Serialize, Deserialize)]
struct Row {
    number: i64,
    event: Event,
}

impl Record for Row {
    const TABLE: &'static str = "events";
    const SEARCHED: &'static [&'static str] = &["call"];

    fn sid(&self) -> String {
        format!("{:019}", self.number)
    }
    fn account(&self) -> String {
        self.event.account.to_string()
    }
    fn created(&self) -> Wall {
        self.event.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![Value::text(self.event.call)]
    }
}

/// Adds events in their order.
pub(crate) fn append(connection: &mut Connection, events: Vec<Event>) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let first = rows::numbers(connection, "events", events.len())?;
    for (number, event) in (first..).zip(events) {
        rows::append(connection, &Row { number, event })?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) fn page_statement(filters: &Filters, request: &PageRequest) -> (String, Vec<Value>) {
    rows::page_statement::<Row>(filters, Order::OldestFirst, request)
}

/// The HTTP exchanges about calls.
pub struct Events<'a>(&'a Store);

impl Store {
    /// The HTTP exchanges about calls.
    pub fn events(&self) -> Events<'_> {
        Events(self)
    }
}

impl Events<'_> {
    /// Adds one that stands alone; one that belongs to a change goes with it.
    pub async fn insert(&self, event: Event) -> Result<(), Error> {
        self.0
            .write(move |connection| append(connection, vec![event]))
            .await
    }

    /// The exchanges about a call, in the order of time.
    pub async fn list(
        &self,
        account: AccountSid,
        call: CallSid,
        request: &PageRequest,
    ) -> Result<Page<Event>, Error> {
        let filters = Filters::default().eq("call", call).eq("account", account);
        let page: Page<Row> = self.0.page(filters, Order::OldestFirst, request).await?;
        Ok(Page {
            items: page.items.into_iter().map(|row| row.event).collect(),
            next: page.next,
            previous: page.previous,
            total: page.total,
        })
    }
}
