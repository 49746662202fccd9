//! Who asks: HTTP Basic with an account and its token, or with a key and its secret.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::account::{Account, AccountStatus, KeyClass};
use model::error_code::ErrorCode;
use model::sid::{AccountSid, KeySid};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::error::Refusal;

/// Who asks, and what they may touch.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account that the credentials belong to.
    pub account: Account,
    /// The class of the key; tokens may do what main keys may.
    pub class: KeyClass,
}

/// Finds out who asks. Unknown names and wrong secrets are refused alike (20003), and secrets are
/// compared in constant time.
pub async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let (name, secret) = basic(headers).ok_or(ErrorCode::PERMISSION_DENIED)?;
    let caller = if let Ok(sid) = name.parse::<KeySid>() {
        let key = app
            .store
            .keys()
            .find_anywhere(sid)
            .await?
            .filter(|key| same(&key.secret, &secret))
            .ok_or(ErrorCode::PERMISSION_DENIED)?;
        let account = app.store.accounts().find(key.account).await?;
        Caller {
            account: account.ok_or(ErrorCode::PERMISSION_DENIED)?,
            class: key.class,
        }
    } else {
        let sid: AccountSid = name.parse().map_err(|_| ErrorCode::PERMISSION_DENIED)?;
        let account = app
            .store
            .accounts()
            .find(sid)
            .await?
            .filter(|account| {
                let secondary = account.secondary_auth_token.as_ref();
                // Both are always compared: which one it was must not show in the time.
                same(&account.auth_token, &secret)
                    | secondary.is_some_and(|token| same(token, &secret))
            })
            .ok_or(ErrorCode::PERMISSION_DENIED)?;
        Caller {
            account,
            class: KeyClass::Main,
        }
    };
    active(app, &caller.account).await?;
    Ok(caller)
}

/// The account that a path names: the caller's own, or one of its subaccounts. Any other does not
/// exist for the caller.
pub async fn reachable(
    app: &App,
    caller: &Caller,
    sid: AccountSid,
) -> Result<Option<Account>, Refusal> {
    if sid == caller.account.sid {
        return Ok(Some(caller.account.clone()));
    }
    let account = app.store.accounts().find(sid).await?;
    Ok(account.filter(|account| account.owner == caller.account.sid))
}

/// A suspended or closed account is refused (20005), and with it those it owns.
async fn active(app: &App, account: &Account) -> Result<(), Refusal> {
    if account.status != AccountStatus::Active {
        return Err(ErrorCode::ACCOUNT_INACTIVE.into());
    }
    if account.is_subaccount() {
        let owner = app.store.accounts().find(account.owner).await?;
        if owner.is_none_or(|owner| owner.status != AccountStatus::Active) {
            return Err(ErrorCode::ACCOUNT_INACTIVE.into());
        }
    }
    Ok(())
}

/// Whether two secrets are the same, in a time that depends on their lengths only.
fn same(ours: &str, theirs: &str) -> bool {
    !ours.is_empty() && bool::from(ours.as_bytes().ct_eq(theirs.as_bytes()))
}

/// User name and password of RFC 7617.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, secret) = decoded.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}
