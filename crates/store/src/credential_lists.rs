//! Lists of SIP user names and passwords.

use model::credential_list::{Credential, CredentialList};
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, CredentialListSid, CredentialSid};

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for CredentialList {
    const TABLE: &'static str = "credential_lists";

    fn sid(&self) -> String {
        self.sid.to_string()
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn created(&self) -> Wall {
        self.created
    }
    fn removing(connection: &mut Connection, sid: &str) -> Result<(), Error> {
        if crate::sip_domains::consulted(connection, sid)? {
            return Err(Error::InUse("a SIP domain consults this list"));
        }
        let members = Filters::default().eq("list", sid);
        rows::delete(connection, "credentials", &members)?;
        Ok(())
    }
}

impl Record for Credential {
    const TABLE: &'static str = "credentials";
    const SEARCHED: &'static [&'static str] = &["list", "username"];
    const LIMIT: u64 = 1000;

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
        vec![Value::text(self.list), Value::text(&self.username)]
    }
    fn room(&self) -> Filters {
        Filters::default().eq("list", self.list)
    }
}

crate::aggregate::aggregate!(
    /// Lists of SIP user names and passwords. Removing one that a SIP domain consults is `InUse`.
    CredentialLists, credential_lists: CredentialList, by CredentialListSid
);

impl CredentialLists<'_> {
    /// The lists of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        request: &PageRequest,
    ) -> Result<Page<CredentialList>, Error> {
        let filters = Filters::default().eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }
}

crate::aggregate::aggregate!(
    /// The user names and passwords in the lists.
    Credentials, credentials: Credential, by CredentialSid
);

impl Credentials<'_> {
    /// The members of a list, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        list: CredentialListSid,
        request: &PageRequest,
    ) -> Result<Page<Credential>, Error> {
        let filters = Filters::default().eq("list", list).eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }

    /// Every member of a list, oldest first.
    pub async fn all(&self, list: CredentialListSid) -> Result<Vec<Credential>, Error> {
        let filters = Filters::default().eq("list", list);
        self.0.peek(|connection| rows::all(connection, &filters))
    }
}
