//! `…/Tokens`: where a page may ask for its way through NATs (contract 3.8). Sound needs none of it:
//! the server's own address is public and ICE-lite, for UDP and TCP, so that the list is empty unless
//! the operator has servers. What a page then does with the answer works the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use model::error_code::ErrorCode;
use serde_json::{Value, json};
use sha1::Sha1;

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
    let settings = &ask.app.settings;
    // TURN servers that share a secret with us take a name that begins with its end, and the HMAC of
    // that name (draft-uberti-behave-turn-rest-00 section 2.2).
    let (username, password) = match &settings.turn_secret {
        Some(secret) => {
            let end = ask.now.0.div_euclid(1_000_000).saturating_add_unsigned(ttl);
            let username = format!("{end}:{}", ask.account_sid());
            let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(username.as_bytes());
            (username, BASE64.encode(mac.finalize().into_bytes()))
        }
        None => (ask.app.secret(), ask.app.secret()),
    };
    let server = |address: &String| {
        // Older SDKs read `url`.
        let mut server = json!({ "url": address, "urls": address });
        if address.starts_with("turn") {
            server["username"] = json!(username);
            server["credential"] = json!(password);
        }
        server
    };
    let ice_servers: Vec<Value> = settings.ice_servers.iter().map(server).collect();
    Ok(Answer::made(
        "Token",
        json!({
            "account_sid": ask.account_sid(),
            "username": username,
            "password": password,
            "ttl": ttl.to_string(),
            "ice_servers": ice_servers,
            "date_created": created,
            "date_updated": created,
        }),
    ))
}
