//! `…/SIP/IpAccessControlLists` and their `IpAddresses`.

use std::net::IpAddr;

use axum::extract::Path;
use model::error_code::ErrorCode;
use model::ip_access_control_list::{IpAccessControlList, IpAddress, IpNetwork};
use model::sid::{AccountSid, IpAccessControlListSid, IpAddressSid};
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list of lists.
const LISTS: Listing = Listing {
    key: "ip_access_control_lists",
    elements: "IpAccessControlLists",
    element: "IpAccessControlList",
};

/// Names of the list of members.
const ADDRESSES: Listing = Listing {
    key: "ip_addresses",
    elements: "IpAddresses",
    element: "IpAddress",
};

/// Longest name.
const MAX_NAME: usize = 64;

type ListPath = Path<(AccountSid, IpAccessControlListSid)>;
type MemberPath = Path<(AccountSid, IpAccessControlListSid, IpAddressSid)>;

/// `POST …/SIP/IpAccessControlLists`.
pub async fn create(ask: Ask) -> Reply {
    let list = IpAccessControlList {
        sid: IpAccessControlListSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        friendly_name: required(&ask)?,
        created: ask.now,
        updated: ask.now,
    };
    coded(
        ask.app
            .store
            .ip_access_control_lists()
            .insert(list.clone())
            .await,
        ErrorCode::ACL_VALIDATION,
        ErrorCode::ACL_IN_USE,
        ErrorCode::ACL_VALIDATION,
    )?;
    Ok(Answer::made("IpAccessControlList", wire(&ask, &list)))
}

/// `GET …/SIP/IpAccessControlLists`.
pub async fn list(ask: Ask) -> Reply {
    let request = page::wanted(&ask)?;
    let lists = ask.app.store.ip_access_control_lists();
    let found = lists.list(ask.account_sid(), &request).await?;
    page::list(&ask, LISTS, found, |list| wire(&ask, list))
}

/// `GET …/SIP/IpAccessControlLists/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): ListPath) -> Reply {
    let list = existing(&ask, sid).await?;
    Ok(Answer::found("IpAccessControlList", wire(&ask, &list)))
}

/// `POST …/SIP/IpAccessControlLists/{sid}`.
pub async fn update(ask: Ask, Path((_, sid)): ListPath) -> Reply {
    let (name, now) = (required(&ask)?, ask.now);
    let lists = ask.app.store.ip_access_control_lists();
    let changed = lists
        .update(ask.account_sid(), sid, move |list| {
            list.friendly_name = name;
            list.updated = now;
        })
        .await?;
    let list = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("IpAccessControlList", wire(&ask, &list)))
}

/// `DELETE …/SIP/IpAccessControlLists/{sid}`: not while a domain consults it (21236).
pub async fn delete(ask: Ask, Path((_, sid)): ListPath) -> Reply {
    let removed = coded(
        ask.app
            .store
            .ip_access_control_lists()
            .remove(ask.account_sid(), sid)
            .await,
        ErrorCode::CONFLICT,
        ErrorCode::ACL_IN_USE,
        ErrorCode::ACL_VALIDATION,
    )?;
    if removed {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

/// `POST …/SIP/IpAccessControlLists/{list}/IpAddresses`.
pub async fn create_member(ask: Ask, Path((_, list)): ListPath) -> Reply {
    existing(&ask, list).await?;
    let address = address(&ask)?
        .ok_or_else(|| Refusal::new(ErrorCode::ACL_VALIDATION, "IpAddress is required"))?;
    let member = IpAddress {
        sid: IpAddressSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        list,
        friendly_name: required(&ask)?,
        network: network(&ask, address, None)?,
        created: ask.now,
        updated: ask.now,
    };
    coded(
        ask.app.store.ip_addresses().insert(member.clone()).await,
        ErrorCode::ACL_VALIDATION,
        ErrorCode::CONFLICT,
        ErrorCode::TOO_MANY_ADDRESSES,
    )?;
    Ok(Answer::made("IpAddress", member_wire(&ask, &member)))
}

/// `GET …/SIP/IpAccessControlLists/{list}/IpAddresses`.
pub async fn list_members(ask: Ask, Path((_, list)): ListPath) -> Reply {
    existing(&ask, list).await?;
    let request = page::wanted(&ask)?;
    let members = ask.app.store.ip_addresses();
    let found = members.list(ask.account_sid(), list, &request).await?;
    page::list(&ask, ADDRESSES, found, |member| member_wire(&ask, member))
}

/// `GET …/SIP/IpAccessControlLists/{list}/IpAddresses/{sid}`.
pub async fn fetch_member(ask: Ask, Path((_, list, sid)): MemberPath) -> Reply {
    let member = existing_member(&ask, list, sid).await?;
    Ok(Answer::found("IpAddress", member_wire(&ask, &member)))
}

/// `POST …/SIP/IpAccessControlLists/{list}/IpAddresses/{sid}`.
pub async fn update_member(ask: Ask, Path((_, list, sid)): MemberPath) -> Reply {
    let member = existing_member(&ask, list, sid).await?;
    let address = address(&ask)?.unwrap_or_else(|| member.network.address());
    let network = network(&ask, address, Some(member.network.prefix()))?;
    let (name, now) = (optional(&ask)?, ask.now);
    let members = ask.app.store.ip_addresses();
    let changed = members
        .update(ask.account_sid(), sid, move |member| {
            if let Some(name) = name {
                member.friendly_name = name;
            }
            member.network = network;
            member.updated = now;
        })
        .await?;
    let member = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("IpAddress", member_wire(&ask, &member)))
}

/// `DELETE …/SIP/IpAccessControlLists/{list}/IpAddresses/{sid}`.
pub async fn delete_member(ask: Ask, Path((_, list, sid)): MemberPath) -> Reply {
    existing_member(&ask, list, sid).await?;
    ask.app
        .store
        .ip_addresses()
        .remove(ask.account_sid(), sid)
        .await?;
    Ok(Answer::Nothing)
}

/// A list of this account.
pub(super) async fn existing(
    ask: &Ask,
    sid: IpAccessControlListSid,
) -> Result<IpAccessControlList, Refusal> {
    let lists = ask.app.store.ip_access_control_lists();
    let found = lists.find(ask.account_sid(), sid).await?;
    found.ok_or_else(|| not_found(&ask.path))
}

async fn existing_member(
    ask: &Ask,
    list: IpAccessControlListSid,
    sid: IpAddressSid,
) -> Result<IpAddress, Refusal> {
    let found = ask
        .app
        .store
        .ip_addresses()
        .find(ask.account_sid(), sid)
        .await?;
    found
        .filter(|member| member.list == list)
        .ok_or_else(|| not_found(&ask.path))
}

fn optional(ask: &Ask) -> Result<Option<String>, Refusal> {
    match ask.form.text("FriendlyName") {
        Some(name) if name.chars().count() > MAX_NAME => Err(unnamed()),
        name => Ok(name.map(str::to_owned)),
    }
}

fn required(ask: &Ask) -> Result<String, Refusal> {
    optional(ask)?.ok_or_else(unnamed)
}

fn unnamed() -> Refusal {
    Refusal::new(
        ErrorCode::ACL_VALIDATION,
        format!("FriendlyName must be 1 to {MAX_NAME} characters"),
    )
}

fn address(ask: &Ask) -> Result<Option<IpAddr>, Refusal> {
    ask.form
        .text("IpAddress")
        .map(|text| {
            text.trim()
                .parse()
                .map_err(|_| Refusal::new(ErrorCode::ACL_VALIDATION, "IpAddress is not an address"))
        })
        .transpose()
}

/// The address with `CidrPrefixLength`, else what it had before, else all of its bits.
fn network(ask: &Ask, address: IpAddr, before: Option<u8>) -> Result<IpNetwork, Refusal> {
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = ask.form.integer(
        "CidrPrefixLength",
        0..=u64::from(width),
        ErrorCode::ACL_VALIDATION,
    )?;
    let prefix = prefix
        .and_then(|prefix| u8::try_from(prefix).ok())
        .or(before)
        .unwrap_or(width)
        .min(width);
    IpNetwork::new(address, prefix).map_err(|_| ErrorCode::ACL_VALIDATION.into())
}

fn wire(ask: &Ask, list: &IpAccessControlList) -> Value {
    let sid = list.sid;
    json!({
        "sid": sid,
        "account_sid": list.account,
        "friendly_name": list.friendly_name,
        "date_created": rfc2822(list.created),
        "date_updated": rfc2822(list.updated),
        "subresource_uris": {
            "ip_addresses": ask.uri(format_args!("/SIP/IpAccessControlLists/{sid}/IpAddresses")),
        },
        "uri": ask.uri(format_args!("/SIP/IpAccessControlLists/{sid}")),
    })
}

fn member_wire(ask: &Ask, member: &IpAddress) -> Value {
    json!({
        "sid": member.sid,
        "account_sid": member.account,
        "ip_access_control_list_sid": member.list,
        "friendly_name": member.friendly_name,
        "ip_address": member.network.address().to_string(),
        "cidr_prefix_length": member.network.prefix(),
        "date_created": rfc2822(member.created),
        "date_updated": rfc2822(member.updated),
        "uri": ask.uri(format_args!(
            "/SIP/IpAccessControlLists/{}/IpAddresses/{}", member.list, member.sid
        )),
    })
}
