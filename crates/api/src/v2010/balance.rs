//! `…/Balance`: nobody is charged, so there is none (contract 3.1).

use serde_json::json;

use crate::ask::{Ask, Reply};
use crate::render::Answer;

/// `GET …/Balance`: always nought.
pub async fn fetch(ask: Ask) -> Reply {
    Ok(Answer::found(
        "Balance",
        json!({
            "account_sid": ask.account_sid(),
            "balance": "0.00",
            "currency": "USD",
        }),
    ))
}
