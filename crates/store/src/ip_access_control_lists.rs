//! Lists of source addresses that may send calls.

use model::ip_access_control_list::{IpAccessControlList, IpAddress};
use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, IpAccessControlListSid, IpAddressSid};

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for IpAccessControlList {
    const TABLE: &'static str = "ip_access_control_lists";

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
        rows::delete(connection, "ip_addresses", &members)?;
        Ok(())
    }
}

impl Record for IpAddress {
    const TABLE: &'static str = "ip_addresses";
    const SEARCHED: &'static [&'static str] = &["list"];
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
        vec![Value::text(self.list)]
    }
    fn room(&self) -> Filters {
        Filters::default().eq("list", self.list)
    }
}

crate::aggregate::aggregate!(
    /// Lists of source addresses that may send calls. Removing one that a SIP domain consults is `InUse`.
    IpAccessControlLists, ip_access_control_lists: IpAccessControlList, by IpAccessControlListSid
);

impl IpAccessControlLists<'_> {
    /// The lists of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        request: &PageRequest,
    ) -> Result<Page<IpAccessControlList>, Error> {
        let filters = Filters::default().eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }
}

crate::aggregate::aggregate!(
    /// The addresses in the lists.
    IpAddresses, ip_addresses: IpAddress, by IpAddressSid
);

impl IpAddresses<'_> {
    /// The members of a list, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        list: IpAccessControlListSid,
        request: &PageRequest,
    ) -> Result<Page<IpAddress>, Error> {
        let filters = Filters::default().eq("list", list).eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }

    /// Every member of a list, oldest first.
    pub async fn all(&self, list: IpAccessControlListSid) -> Result<Vec<IpAddress>, Error> {
        let filters = Filters::default().eq("list", list);
        self.0.peek(|connection| rows::all(connection, &filters))
    }
}
