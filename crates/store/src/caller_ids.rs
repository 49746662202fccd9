//! The numbers that accounts proved to be theirs.

use model::now::Wall;
use model::page::{Page, PageRequest};
use model::phone_number::{OutgoingCallerId, PhoneNumber};
use model::sid::{AccountSid, PhoneNumberSid};

use crate::connection::Value;
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for OutgoingCallerId {
    const TABLE: &'static str = "caller_ids";
    const SEARCHED: &'static [&'static str] = &["phone_number", "friendly_name"];

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
            Value::text(&self.phone_number),
            Value::text(&self.friendly_name),
        ]
    }
}

/// Which verified numbers a list shows.
#[derive(Debug, Clone, Default)]
pub struct CallerIdFilter {
    /// This one.
    pub phone_number: Option<PhoneNumber>,
    /// Those of this name.
    pub friendly_name: Option<String>,
}

crate::aggregate::aggregate!(
    /// The numbers that accounts proved to be theirs.
    CallerIds, caller_ids: OutgoingCallerId, by PhoneNumberSid
);

impl CallerIds<'_> {
    /// The verified number of an account, if it verified this one.
    pub async fn find_by_number(
        &self,
        account: AccountSid,
        number: &PhoneNumber,
    ) -> Result<Option<OutgoingCallerId>, Error> {
        let filters = Filters::default()
            .eq("account", account)
            .eq("phone_number", number);
        self.0.peek(|connection| rows::find(connection, &filters))
    }

    /// The verified numbers of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        filter: &CallerIdFilter,
        request: &PageRequest,
    ) -> Result<Page<OutgoingCallerId>, Error> {
        let filters = Filters::default()
            .eq("account", account)
            .eq_if("phone_number", filter.phone_number.as_ref())
            .eq_if("friendly_name", filter.friendly_name.as_ref());
        self.0.page(filters, Order::NewestFirst, request).await
    }
}
