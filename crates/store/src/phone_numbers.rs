//! The numbers that accounts own.

use model::now::Wall;
use model::page::{Page, PageRequest};
use model::phone_number::{IncomingPhoneNumber, NumberType, PhoneNumber};
use model::sid::{AccountSid, PhoneNumberSid};

use crate::connection::Value;
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for IncomingPhoneNumber {
    const TABLE: &'static str = "phone_numbers";
    const SEARCHED: &'static [&'static str] =
        &["phone_number", "friendly_name", "number_type", "beta"];

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
            Value::text(self.number_type),
            Value::Flag(self.beta),
        ]
    }
}

/// Which numbers a list shows.
#[derive(Debug, Clone, Default)]
pub struct PhoneNumberFilter {
    /// Those that contain this; `*` stands for anything.
    pub phone_number: Option<String>,
    /// Those of this name.
    pub friendly_name: Option<String>,
    /// Those that are new to the platform, or are not.
    pub beta: Option<bool>,
    /// Those of this type: the lists `Local`, `Mobile`, `TollFree`.
    pub number_type: Option<NumberType>,
}

crate::aggregate::aggregate!(
    /// The numbers that accounts own.
    PhoneNumbers, phone_numbers: IncomingPhoneNumber, by PhoneNumberSid
);

impl PhoneNumbers<'_> {
    /// The owned number that is called, whoever owns it.
    pub async fn find_by_number(
        &self,
        number: &PhoneNumber,
    ) -> Result<Option<IncomingPhoneNumber>, Error> {
        let filters = Filters::default().eq("phone_number", number);
        self.0.peek(|connection| rows::find(connection, &filters))
    }

    /// The numbers of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        filter: &PhoneNumberFilter,
        request: &PageRequest,
    ) -> Result<Page<IncomingPhoneNumber>, Error> {
        let filters = Filters::default()
            .eq("account", account)
            .like_if("phone_number", filter.phone_number.as_deref())
            .eq_if("friendly_name", filter.friendly_name.as_ref())
            .eq_if("number_type", filter.number_type)
            .flag_if("beta", filter.beta);
        self.0.page(filters, Order::NewestFirst, request).await
    }
}
