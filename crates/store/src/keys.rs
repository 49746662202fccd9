//! API keys, also seen as signing keys.

use model::account::ApiKey;
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, KeySid};

use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for ApiKey {
    const TABLE: &'static str = "api_keys";

    fn sid(&self) -> String {
        self.sid.to_string()
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn created(&self) -> Wall {
        self.created
    }
}

crate::aggregate::aggregate!(
    /// API keys, also seen as signing keys.
    Keys, keys: ApiKey, by KeySid
);

impl Keys<'_> {
    /// The one with this identifier, whoever has it: authentication begins here.
    pub async fn find_anywhere(&self, sid: KeySid) -> Result<Option<ApiKey>, Error> {
        let filters = Filters::default().eq("sid", sid);
        self.0.peek(|connection| rows::find(connection, &filters))
    }

    /// The keys of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        request: &PageRequest,
    ) -> Result<Page<ApiKey>, Error> {
        let filters = Filters::default().eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }
}
