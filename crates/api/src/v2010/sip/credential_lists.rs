//! `…/SIP/CredentialLists` and their `Credentials`.

use axum::extract::Path;
use model::credential_list::{Credential, CredentialList};
use model::error_code::ErrorCode;
use model::pii::Pii;
use model::sid::{AccountSid, CredentialListSid, CredentialSid};
use serde_json::{Value, json};

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::{Refusal, coded};
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list of lists.
const LISTS: Listing = Listing {
    key: "credential_lists",
    elements: "CredentialLists",
    element: "CredentialList",
};

/// Names of the list of members.
const CREDENTIALS: Listing = Listing {
    key: "credentials",
    elements: "Credentials",
    element: "Credential",
};

/// Longest name of a list.
const MAX_NAME: usize = 64;
/// Longest user name.
const MAX_USERNAME: usize = 32;
/// Shortest and longest password.
const PASSWORD: std::ops::RangeInclusive<usize> = 12..=128;

type ListPath = Path<(AccountSid, CredentialListSid)>;
type MemberPath = Path<(AccountSid, CredentialListSid, CredentialSid)>;

/// `POST …/SIP/CredentialLists`.
pub async fn create(ask: Ask) -> Reply {
    let list = CredentialList {
        sid: CredentialListSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        friendly_name: name(&ask)?,
        created: ask.now,
        updated: ask.now,
    };
    coded(
        ask.app.store.credential_lists().insert(list.clone()).await,
        ErrorCode::CREDENTIAL_LIST_VALIDATION,
        ErrorCode::CREDENTIAL_LIST_IN_USE,
        ErrorCode::TOO_MANY_CREDENTIAL_LISTS,
    )?;
    Ok(Answer::made("CredentialList", wire(&ask, &list)))
}

/// `GET …/SIP/CredentialLists`.
pub async fn list(ask: Ask) -> Reply {
    let request = page::wanted(&ask)?;
    let lists = ask.app.store.credential_lists();
    let found = lists.list(ask.account_sid(), &request).await?;
    page::list(&ask, LISTS, found, |list| wire(&ask, list))
}

/// `GET …/SIP/CredentialLists/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): ListPath) -> Reply {
    Ok(Answer::found(
        "CredentialList",
        wire(&ask, &existing(&ask, sid).await?),
    ))
}

/// `POST …/SIP/CredentialLists/{sid}`.
pub async fn update(ask: Ask, Path((_, sid)): ListPath) -> Reply {
    let (name, now) = (name(&ask)?, ask.now);
    let lists = ask.app.store.credential_lists();
    let changed = lists
        .update(ask.account_sid(), sid, move |list| {
            list.friendly_name = name;
            list.updated = now;
        })
        .await?;
    let list = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("CredentialList", wire(&ask, &list)))
}

/// `DELETE …/SIP/CredentialLists/{sid}`: not while a domain consults it (21241).
pub async fn delete(ask: Ask, Path((_, sid)): ListPath) -> Reply {
    let removed = coded(
        ask.app
            .store
            .credential_lists()
            .remove(ask.account_sid(), sid)
            .await,
        ErrorCode::CONFLICT,
        ErrorCode::CREDENTIAL_LIST_IN_USE,
        ErrorCode::TOO_MANY_CREDENTIAL_LISTS,
    )?;
    if removed {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

/// `POST …/SIP/CredentialLists/{list}/Credentials`.
pub async fn create_member(ask: Ask, Path((_, list)): ListPath) -> Reply {
    existing(&ask, list).await?;
    let username = ask.form.text("Username").unwrap_or_default();
    let legal = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'&=+$,;?/@".contains(&b))
    };
    if username.is_empty() || username.len() > MAX_USERNAME || !legal(username) {
        return Err(Refusal::new(
            ErrorCode::CREDENTIAL_VALIDATION,
            format!("Username must be 1 to {MAX_USERNAME} characters of a SIP user name"),
        ));
    }
    let credential = Credential {
        sid: CredentialSid::from_bytes(ask.app.draw()),
        account: ask.account_sid(),
        list,
        username: username.to_owned(),
        password: Pii(password(&ask)?.ok_or(ErrorCode::CREDENTIAL_VALIDATION)?),
        created: ask.now,
        updated: ask.now,
    };
    coded(
        ask.app.store.credentials().insert(credential.clone()).await,
        ErrorCode::CREDENTIAL_VALIDATION,
        ErrorCode::CONFLICT,
        ErrorCode::TOO_MANY_CREDENTIALS,
    )?;
    Ok(Answer::made("Credential", member_wire(&ask, &credential)))
}

/// `GET …/SIP/CredentialLists/{list}/Credentials`.
pub async fn list_members(ask: Ask, Path((_, list)): ListPath) -> Reply {
    existing(&ask, list).await?;
    let request = page::wanted(&ask)?;
    let members = ask.app.store.credentials();
    let found = members.list(ask.account_sid(), list, &request).await?;
    page::list(&ask, CREDENTIALS, found, |member| member_wire(&ask, member))
}

/// `GET …/SIP/CredentialLists/{list}/Credentials/{sid}`.
pub async fn fetch_member(ask: Ask, Path((_, list, sid)): MemberPath) -> Reply {
    let member = existing_member(&ask, list, sid).await?;
    Ok(Answer::found("Credential", member_wire(&ask, &member)))
}

/// `POST …/SIP/CredentialLists/{list}/Credentials/{sid}`: a new password.
pub async fn update_member(ask: Ask, Path((_, list, sid)): MemberPath) -> Reply {
    existing_member(&ask, list, sid).await?;
    let (password, now) = (password(&ask)?, ask.now);
    let members = ask.app.store.credentials();
    let changed = members
        .update(ask.account_sid(), sid, move |member| {
            if let Some(password) = password {
                member.password = Pii(password);
            }
            member.updated = now;
        })
        .await?;
    let member = changed.ok_or_else(|| not_found(&ask.path))?;
    Ok(Answer::found("Credential", member_wire(&ask, &member)))
}

/// `DELETE …/SIP/CredentialLists/{list}/Credentials/{sid}`.
pub async fn delete_member(ask: Ask, Path((_, list, sid)): MemberPath) -> Reply {
    existing_member(&ask, list, sid).await?;
    ask.app
        .store
        .credentials()
        .remove(ask.account_sid(), sid)
        .await?;
    Ok(Answer::Nothing)
}

/// A list of this account.
pub(super) async fn existing(ask: &Ask, sid: CredentialListSid) -> Result<CredentialList, Refusal> {
    let found = ask
        .app
        .store
        .credential_lists()
        .find(ask.account_sid(), sid)
        .await?;
    found.ok_or_else(|| not_found(&ask.path))
}

async fn existing_member(
    ask: &Ask,
    list: CredentialListSid,
    sid: CredentialSid,
) -> Result<Credential, Refusal> {
    let found = ask
        .app
        .store
        .credentials()
        .find(ask.account_sid(), sid)
        .await?;
    found
        .filter(|member| member.list == list)
        .ok_or_else(|| not_found(&ask.path))
}

fn name(ask: &Ask) -> Result<String, Refusal> {
    match ask.form.text("FriendlyName") {
        Some(name) if name.chars().count() <= MAX_NAME => Ok(name.to_owned()),
        _ => Err(Refusal::new(
            ErrorCode::CREDENTIAL_LIST_VALIDATION,
            format!("FriendlyName must be 1 to {MAX_NAME} characters"),
        )),
    }
}

/// A password with a digit and letters of both kinds (21243).
fn password(ask: &Ask) -> Result<Option<String>, Refusal> {
    let Some(text) = ask.form.text("Password") else {
        return Ok(None);
    };
    let strong = PASSWORD.contains(&text.chars().count())
        && text.chars().any(|c| c.is_ascii_digit())
        && text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_lowercase);
    if !strong {
        return Err(Refusal::new(
            ErrorCode::CREDENTIAL_VALIDATION,
            "Password must be at least 12 characters with a digit, an upper and a lower case letter",
        ));
    }
    Ok(Some(text.to_owned()))
}

fn wire(ask: &Ask, list: &CredentialList) -> Value {
    let sid = list.sid;
    json!({
        "sid": sid,
        "account_sid": list.account,
        "friendly_name": list.friendly_name,
        "date_created": rfc2822(list.created),
        "date_updated": rfc2822(list.updated),
        "subresource_uris": {
            "credentials": ask.uri(format_args!("/SIP/CredentialLists/{sid}/Credentials")),
        },
        "uri": ask.uri(format_args!("/SIP/CredentialLists/{sid}")),
    })
}

fn member_wire(ask: &Ask, member: &Credential) -> Value {
    json!({
        "sid": member.sid,
        "account_sid": member.account,
        "credential_list_sid": member.list,
        "username": member.username,
        "date_created": rfc2822(member.created),
        "date_updated": rfc2822(member.updated),
        "uri": ask.uri(format_args!(
            "/SIP/CredentialLists/{}/Credentials/{}", member.list, member.sid
        )),
    })
}
