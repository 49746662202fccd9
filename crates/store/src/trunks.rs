//! Trunks to carriers.

use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, TrunkSid};
use model::trunk::Trunk;

use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for Trunk {
    const TABLE: &'static str = "trunks";

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
    /// Trunks to carriers.
    Trunks, trunks: Trunk, by TrunkSid
);

impl Trunks<'_> {
    /// All of them, of all accounts, oldest first: routing chooses among them.
    pub async fn all(&self) -> Result<Vec<Trunk>, Error> {
        self.0
            .peek(|connection| rows::all(connection, &Filters::default()))
    }

    /// The trunks of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        request: &PageRequest,
    ) -> Result<Page<Trunk>, Error> {
        let filters = Filters::default().eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }
}
