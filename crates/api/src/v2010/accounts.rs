//! `/2010-04-01/Accounts`: an account and its subaccounts (contract 3.1).

use model::account::{Account, AccountStatus};
use model::error_code::ErrorCode;
use model::pii::Pii;
use model::sid::AccountSid;
use serde_json::{Value, json};
use store::AccountFilter;

use crate::ask::{Ask, Reply};
use crate::browsers::Revoked;
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

/// Names of the list.
const ACCOUNTS: Listing = Listing {
    key: "accounts",
    elements: "Accounts",
    element: "Account",
};

/// Longest name.
const MAX_NAME: usize = 64;

/// `POST /2010-04-01/Accounts`: a subaccount of the caller's account.
pub async fn create(ask: Ask) -> Reply {
    ask.main_only()?;
    if ask.caller.account.is_subaccount() {
        return Err(ErrorCode::SUBACCOUNT_OF_SUBACCOUNT.into());
    }
    let friendly_name = match name(&ask)? {
        Some(name) => name,
        None => format!("SubAccount Created at {}", crate::date::iso8601(ask.now)),
    };
    let account = Account {
        sid: AccountSid::from_bytes(ask.app.draw()),
        owner: ask.caller.account.sid,
        friendly_name,
        status: AccountStatus::Active,
        auth_token: Pii(ask.app.secret()),
        secondary_auth_token: None,
        created: ask.now,
        updated: ask.now,
    };
    ask.app.store.accounts().insert(account.clone()).await?;
    Ok(Answer::made("Account", wire(&account)))
}

/// `GET /2010-04-01/Accounts`: the caller's account and its subaccounts, by `FriendlyName` and
/// `Status`.
pub async fn list(ask: Ask) -> Reply {
    ask.main_only()?;
    let status = match ask.query.text("Status") {
        None => None,
        Some(text) => Some(text.parse().map_err(|()| invalid_status())?),
    };
    let filter = AccountFilter {
        friendly_name: ask.query.text("FriendlyName").map(str::to_owned),
        status,
    };
    let request = page::wanted(&ask)?;
    let mut found = ask
        .app
        .store
        .accounts()
        .list(ask.caller.account.sid, &filter, &request)
        .await?;
    // A subaccount belongs to its owner, so it is not in the list of those that it owns.
    if ask.caller.account.is_subaccount() && request.cursor.is_none() {
        found.items.push(ask.caller.account.clone());
        found.total = found.total.map(|total| total + 1);
    }
    page::list(&ask, ACCOUNTS, found, wire)
}

/// `GET /2010-04-01/Accounts/{sid}`.
pub async fn fetch(ask: Ask) -> Reply {
    ask.main_only()?;
    Ok(Answer::found("Account", wire(&ask.account)))
}

/// `POST /2010-04-01/Accounts/{sid}`: name and status. Only the owner changes the status of a
/// subaccount, nobody that of a main account, and closed is for ever.
pub async fn update(ask: Ask) -> Reply {
    ask.main_only()?;
    let name = name(&ask)?;
    let status: Option<AccountStatus> = match ask.form.text("Status") {
        None => None,
        Some(text) => Some(text.parse().map_err(|()| invalid_status())?),
    };
    if let Some(status) = status.filter(|status| *status != ask.account.status) {
        if !ask.account.is_subaccount() {
            return Err(ErrorCode::SUBACCOUNT_STATUS_MAIN.into());
        }
        if ask.caller.account.sid != ask.account.owner {
            return Err(ErrorCode::SUBACCOUNT_STATUS_FORBIDDEN.into());
        }
        if ask.account.status == AccountStatus::Closed && status != AccountStatus::Closed {
            return Err(ErrorCode::SUBACCOUNT_STATUS_CLOSED.into());
        }
    }
    let now = ask.now;
    let changed = ask
        .app
        .store
        .accounts()
        .update(ask.account.sid, move |account| {
            if let Some(name) = name {
                account.friendly_name = name;
            }
            // Decided again here: somebody may have closed it in the meantime.
            if let Some(status) = status
                && account.status != AccountStatus::Closed
            {
                account.status = status;
            }
            account.updated = now;
        })
        .await?;
    let account = changed.ok_or_else(|| not_found(&ask.path))?;
    if status.is_some() {
        let active = account.status == AccountStatus::Active;
        ask.app.live.activate(account.sid, active).await;
    }
    if account.status != AccountStatus::Active {
        ask.app.browsers.revoke(Revoked::Account(account.sid)).await;
    }
    Ok(Answer::found("Account", wire(&account)))
}

fn invalid_status() -> Refusal {
    Refusal::new(
        ErrorCode::SUBACCOUNT_STATUS_INVALID,
        "Status must be active, suspended or closed",
    )
}

fn name(ask: &Ask) -> Result<Option<String>, Refusal> {
    match ask.form.text("FriendlyName") {
        Some(name) if name.chars().count() > MAX_NAME => Err(Refusal::new(
            ErrorCode::INVALID_FRIENDLY_NAME,
            format!("FriendlyName must not exceed {MAX_NAME} characters"),
        )),
        name => Ok(name.map(str::to_owned)),
    }
}

/// The record as it is shown. The token is for the account itself and its owner, which is everyone
/// who can come here.
fn wire(account: &Account) -> Value {
    let base = format!("/2010-04-01/Accounts/{}", account.sid);
    let below = |name: &str| format!("{base}/{name}.json");
    json!({
        "sid": account.sid,
        "owner_account_sid": account.owner,
        "friendly_name": account.friendly_name,
        "status": account.status,
        "type": "Full",
        "auth_token": *account.auth_token,
        "date_created": rfc2822(account.created),
        "date_updated": rfc2822(account.updated),
        "uri": format!("{base}.json"),
        "subresource_uris": {
            "addresses": below("Addresses"),
            "conferences": below("Conferences"),
            "signing_keys": below("SigningKeys"),
            "transcriptions": below("Transcriptions"),
            "connect_apps": below("ConnectApps"),
            "sip": below("SIP"),
            "authorized_connect_apps": below("AuthorizedConnectApps"),
            "usage": below("Usage"),
            "keys": below("Keys"),
            "applications": below("Applications"),
            "recordings": below("Recordings"),
            "short_codes": below("SMS/ShortCodes"),
            "calls": below("Calls"),
            "notifications": below("Notifications"),
            "incoming_phone_numbers": below("IncomingPhoneNumbers"),
            "queues": below("Queues"),
            "messages": below("Messages"),
            "outgoing_caller_ids": below("OutgoingCallerIds"),
            "available_phone_numbers": below("AvailablePhoneNumbers"),
            "balance": below("Balance"),
        },
    })
}
