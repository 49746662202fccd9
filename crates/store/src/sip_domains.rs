//! SIP domains, and which lists they consult.

use model::now::Wall;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, SipDomainSid};
use model::sip_domain::{MappedList, MappingUse, SipDomain, SipDomainMapping};
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};

impl Record for SipDomain {
    const TABLE: &'static str = "sip_domains";
    const SEARCHED: &'static [&'static str] = &["domain_name"];

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
        vec![Value::text(self.domain_name.to_ascii_lowercase())]
    }
    fn removing(connection: &mut Connection, sid: &str) -> Result<(), Error> {
        let mappings = Filters::default().eq("domain", sid);
        rows::delete(connection, "sip_domain_mappings", &mappings)?;
        Ok(())
    }
}

/// Which kind of list a mapping names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingKind {
    /// User names and passwords.
    Credentials,
    /// Source addresses.
    IpAccessControl,
}

impl MappingKind {
    fn as_str(self) -> &'static str {
        match self {
            MappingKind::Credentials => "credentials",
            MappingKind::IpAccessControl => "ip",
        }
    }
}

/// A mapping as it is kept: with the account that the domain belongs to.
#[derive(Serialize, Deserialize)]
struct Row {
    account: AccountSid,
    mapping: SipDomainMapping,
}

/// Identifier of the list and its kind.
fn list_of(list: MappedList) -> (String, MappingKind) {
    match list {
        MappedList::Credentials(sid) => (sid.to_string(), MappingKind::Credentials),
        MappedList::IpAccessControl(sid) => (sid.to_string(), MappingKind::IpAccessControl),
    }
}

impl Record for Row {
    const TABLE: &'static str = "sip_domain_mappings";
    const SEARCHED: &'static [&'static str] = &["domain", "purpose", "kind"];
    const LIMIT: u64 = 1000;

    fn sid(&self) -> String {
        list_of(self.mapping.list).0
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn created(&self) -> Wall {
        self.mapping.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![
            Value::text(self.mapping.domain),
            Value::text(self.mapping.purpose),
            Value::text(list_of(self.mapping.list).1.as_str()),
        ]
    }
    fn room(&self) -> Filters {
        Filters::default().eq("domain", self.mapping.domain)
    }
}

/// Whether any domain consults this list.
pub(crate) fn consulted(connection: &mut Connection, list: &str) -> Result<bool, Error> {
    let filters = Filters::default().eq("sid", list);
    Ok(rows::count::<Row>(connection, &filters)? > 0)
}

crate::aggregate::aggregate!(
    /// SIP domains. A domain name that another has is `Taken`.
    SipDomains, sip_domains: SipDomain, by SipDomainSid
);

impl SipDomains<'_> {
    /// The domain of this name, whoever has it; case does not matter.
    pub async fn find_by_name(&self, name: &str) -> Result<Option<SipDomain>, Error> {
        let filters = Filters::default().eq("domain_name", name.to_ascii_lowercase());
        self.0.peek(|connection| rows::find(connection, &filters))
    }

    /// The domains of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        request: &PageRequest,
    ) -> Result<Page<SipDomain>, Error> {
        let filters = Filters::default().eq("account", account);
        self.0.page(filters, Order::NewestFirst, request).await
    }

    /// Lets a domain consult a list. `Taken` if it does already (21231). The caller has made sure
    /// that both belong to the account.
    pub async fn map(&self, account: AccountSid, mapping: SipDomainMapping) -> Result<(), Error> {
        let row = Row { account, mapping };
        self.0
            .write(move |connection| rows::insert(connection, &row))
            .await
    }

    /// Ends that; whether it was so.
    pub async fn unmap(
        &self,
        domain: SipDomainSid,
        purpose: MappingUse,
        list: MappedList,
    ) -> Result<bool, Error> {
        let filters = Filters::default()
            .eq("domain", domain)
            .eq("purpose", purpose)
            .eq("sid", list_of(list).0);
        self.0
            .write(move |connection| Ok(rows::delete(connection, Row::TABLE, &filters)? > 0))
            .await
    }

    /// Whether, and since when, a domain consults a list.
    pub async fn find_mapping(
        &self,
        domain: SipDomainSid,
        purpose: MappingUse,
        list: MappedList,
    ) -> Result<Option<SipDomainMapping>, Error> {
        let filters = Filters::default()
            .eq("domain", domain)
            .eq("purpose", purpose)
            .eq("sid", list_of(list).0);
        let row: Option<Row> = self.0.peek(|connection| rows::find(connection, &filters))?;
        Ok(row.map(|row| row.mapping))
    }

    /// The lists of one kind that a domain consults for one purpose, newest first.
    pub async fn list_mappings(
        &self,
        domain: SipDomainSid,
        purpose: MappingUse,
        kind: MappingKind,
        request: &PageRequest,
    ) -> Result<Page<SipDomainMapping>, Error> {
        let filters = Filters::default()
            .eq("domain", domain)
            .eq("purpose", purpose)
            .eq("kind", kind.as_str());
        let page: Page<Row> = self.0.page(filters, Order::NewestFirst, request).await?;
        Ok(Page {
            items: page.items.into_iter().map(|row| row.mapping).collect(),
            next: page.next,
            previous: page.previous,
            total: page.total,
        })
    }

    /// Every list that a domain consults, oldest first.
    pub async fn mappings(&self, domain: SipDomainSid) -> Result<Vec<SipDomainMapping>, Error> {
        let filters = Filters::default().eq("domain", domain);
        let rows: Vec<Row> = self.0.peek(|connection| rows::all(connection, &filters))?;
        Ok(rows.into_iter().map(|row| row.mapping).collect())
    }
}
