//! `…/Tokens`: where a page may ask for its way through NATs (contract 3.8). Sound needs none of it:
//! the server's own address is public and ICE-lite, so the list is empty. What a page then does with
//! the answer works the same.

use model::error_code::ErrorCode;
use serde_json::json;

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::render::Answer;

/// Seconds for which upstream's credentials are good, unless said otherwise.
const TTL: u64 = 86_400;

/// `POST …/Tokens`.
pub async fn create(ask: Ask) -> Reply {
    let ttl = ask
        .form
        .integer("Ttl", 1..=TTL, ErrorCode::INVALID_PARAMETER)?
        .unwrap_or(TTL);
    let created = rfc2822(ask.now);
    Ok(Answer::made(
        "Token",
        json!({
            "account_sid": ask.account_sid(),
            "username": ask.app.secret(),
            "password": ask.app.secret(),
            "ttl": ttl.to_string(),
            "ice_servers": [],
            "date_created": created,
            "date_updated": created,
        }),
    ))
}
