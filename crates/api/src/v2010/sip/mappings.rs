//! Which lists a SIP domain consults: the older, unnamed mappings, `Auth/Calls` (the same storage),
//! and `Auth/Registrations`.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use model::error_code::ErrorCode;
use model::page::Page;
use model::sid::{AccountSid, SipDomainSid};
use model::sip_domain::{MappedList, MappingUse, SipDomainMapping};
use serde_json::{Value, json};
use store::MappingKind;

use super::{credential_lists, domains, ip_access_control_lists};
use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// One kind of mapping under one path.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    path: &'static str,
    purpose: MappingUse,
    kind: MappingKind,
    listing: Listing,
}

const fn mapping(
    path: &'static str,
    purpose: MappingUse,
    kind: MappingKind,
    key: &'static str,
) -> Mapping {
    let (elements, element) = match kind {
        MappingKind::Credentials => ("CredentialListMappings", "CredentialListMapping"),
        MappingKind::IpAccessControl => {
            ("IpAccessControlListMappings", "IpAccessControlListMapping")
        }
    };
    Mapping {
        path,
        purpose,
        kind,
        listing: Listing {
            key,
            elements,
            element,
        },
    }
}

/// All of them. The lists under `Auth` have the key `contents`.
pub(crate) const TABLE: &[Mapping] = &[
    mapping(
        "/CredentialListMappings",
        MappingUse::Calls,
        MappingKind::Credentials,
        "credential_list_mappings",
    ),
    mapping(
        "/IpAccessControlListMappings",
        MappingUse::Calls,
        MappingKind::IpAccessControl,
        "ip_access_control_list_mappings",
    ),
    mapping(
        "/Auth/Calls/CredentialListMappings",
        MappingUse::Calls,
        MappingKind::Credentials,
        "contents",
    ),
    mapping(
        "/Auth/Calls/IpAccessControlListMappings",
        MappingUse::Calls,
        MappingKind::IpAccessControl,
        "contents",
    ),
    mapping(
        "/Auth/Registrations/CredentialListMappings",
        MappingUse::Registrations,
        MappingKind::Credentials,
        "contents",
    ),
];

type Domain = Path<(AccountSid, SipDomainSid)>;
type Item = Path<(AccountSid, SipDomainSid, String)>;

/// The two routes of a mapping.
pub(crate) fn routes(router: Router, base: &str, of: Mapping) -> Router {
    let path = format!("{base}{}", of.path);
    router
        .route(
            &path,
            get(move |ask: Ask, Path((_, domain)): Domain| list(ask, domain, of))
                .post(move |ask: Ask, Path((_, domain)): Domain| create(ask, domain, of)),
        )
        .route(
            &format!("{path}/{{sid}}"),
            get(move |ask: Ask, Path((_, domain, sid)): Item| fetch(ask, domain, sid, of))
                .delete(move |ask: Ask, Path((_, domain, sid)): Item| delete(ask, domain, sid, of)),
        )
}

/// Mapping the same list twice is refused (21231).
async fn create(ask: Ask, domain: SipDomainSid, of: Mapping) -> Reply {
    domains::existing(&ask, domain).await?;
    let name = match of.kind {
        MappingKind::Credentials => "CredentialListSid",
        MappingKind::IpAccessControl => "IpAccessControlListSid",
    };
    let text = ask.form.text(name).unwrap_or_default();
    let refused = || {
        Refusal::new(
            ErrorCode::DOMAIN_VALIDATION,
            format!("{name} must name a list of this account"),
        )
    };
    let list = mapped(of, text).ok_or_else(refused)?;
    let friendly_name = list_name(&ask, list).await.map_err(|_| refused())?;
    let mapping = SipDomainMapping {
        domain,
        purpose: of.purpose,
        list,
        created: ask.now,
    };
    coded(
        ask.app
            .store
            .sip_domains()
            .map(ask.account_sid(), mapping)
            .await,
        ErrorCode::DOMAIN_VALIDATION,
        ErrorCode::CONFLICT,
        ErrorCode::DOMAIN_VALIDATION,
    )?;
    Ok(Answer::made(
        of.listing.element,
        wire(&ask, &mapping, &friendly_name, of),
    ))
}

async fn list(ask: Ask, domain: SipDomainSid, of: Mapping) -> Reply {
    domains::existing(&ask, domain).await?;
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .sip_domains()
        .list_mappings(domain, of.purpose, of.kind, &request)
        .await?;
    let mut items = Vec::with_capacity(found.items.len());
    for mapping in found.items {
        let name = list_name(&ask, mapping.list).await?;
        items.push((mapping, name));
    }
    let found = Page {
        items,
        next: found.next,
        previous: found.previous,
        total: found.total,
    };
    page::list(&ask, of.listing, found, |(mapping, name)| {
        wire(&ask, mapping, name, of)
    })
}

async fn fetch(ask: Ask, domain: SipDomainSid, sid: String, of: Mapping) -> Reply {
    domains::existing(&ask, domain).await?;
    let list = mapped(of, &sid).ok_or_else(|| not_found(&ask.path))?;
    let domains = ask.app.store.sip_domains();
    let found = domains.find_mapping(domain, of.purpose, list).await?;
    let mapping = found.ok_or_else(|| not_found(&ask.path))?;
    let name = list_name(&ask, list).await?;
    Ok(Answer::found(
        of.listing.element,
        wire(&ask, &mapping, &name, of),
    ))
}

async fn delete(ask: Ask, domain: SipDomainSid, sid: String, of: Mapping) -> Reply {
    domains::existing(&ask, domain).await?;
    let list = mapped(of, &sid).ok_or_else(|| not_found(&ask.path))?;
    if ask
        .app
        .store
        .sip_domains()
        .unmap(domain, of.purpose, list)
        .await?
    {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

fn mapped(of: Mapping, text: &str) -> Option<MappedList> {
    match of.kind {
        MappingKind::Credentials => text.parse().ok().map(MappedList::Credentials),
        MappingKind::IpAccessControl => text.parse().ok().map(MappedList::IpAccessControl),
    }
}

/// The name of a list of this account.
async fn list_name(ask: &Ask, list: MappedList) -> Result<String, Refusal> {
    match list {
        MappedList::Credentials(sid) => {
            Ok(credential_lists::existing(ask, sid).await?.friendly_name)
        }
        MappedList::IpAccessControl(sid) => Ok(ip_access_control_lists::existing(ask, sid)
            .await?
            .friendly_name),
    }
}

fn wire(ask: &Ask, mapping: &SipDomainMapping, friendly_name: &str, of: Mapping) -> Value {
    let domain = mapping.domain;
    let sid = match mapping.list {
        MappedList::Credentials(sid) => sid.to_string(),
        MappedList::IpAccessControl(sid) => sid.to_string(),
    };
    json!({
        "sid": sid,
        "account_sid": ask.account_sid(),
        "domain_sid": domain,
        "friendly_name": friendly_name,
        "date_created": rfc2822(mapping.created),
        "date_updated": rfc2822(mapping.created),
        "uri": ask.uri(format_args!("/SIP/Domains/{domain}{}/{sid}", of.path)),
    })
}
