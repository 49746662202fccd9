//! `/2010-04-01`: the version itself, where a client finds everything else (contract 1.1).

use serde_json::json;

use crate::ask::{Ask, Reply};
use crate::render::Answer;

/// `GET /2010-04-01`.
pub async fn fetch(_: Ask) -> Reply {
    Ok(Answer::found(
        "Version",
        json!({
            "name": "2010-04-01",
            "uri": "/2010-04-01.json",
            "subresource_uris": { "accounts": "/2010-04-01/Accounts.json" },
        }),
    ))
}
