//! The call that asks for the code of a validation request: what it says, and what follows from the
//! digits and from its end (docs/compat/rest-incoming-phone-numbers.md).
//!
//! Its document, its digits and its end go to [`URL`](model::validation::URL), which is here. Only
//! the call of an open request is answered: another call that names that address gets nothing, and
//! the digits are those that the engine heard.

use model::now::Wall;
use model::phone_number::OutgoingCallerId;
use model::sid::{CallSid, PhoneNumberSid};
use model::validation::{URL, ValidationRequest};
use store::{IdempotencyToken, Store};
use voice::effect::Fetch;
use voice::input::{DocumentKind, FetchFailure, Fetched};

use crate::clock;

/// How often the code may be keyed in.
const ATTEMPTS: u32 = 3;

/// Whether an address is that of validation requests.
pub fn is_ours(url: &str) -> bool {
    url.starts_with(URL)
}

/// The document that a call asks for.
pub async fn answer(store: &Store, fetch: &Fetch) -> Result<Fetched, FetchFailure> {
    let failed = |message: &str| FetchFailure {
        code: 11100,
        message: message.to_owned(),
    };
    let request = match store.caller_ids().validation(fetch.call).await {
        Ok(Some(request)) => request,
        Ok(None) => return Err(failed("The address is not one that can be asked")),
        Err(error) => {
            tracing::error!(%error, "a validation request cannot be read");
            return Err(failed("The validation request cannot be read"));
        }
    };
    let digits = fetch.parameters.iter().find(|(name, _)| name == "Digits");
    let attempt = attempt(&fetch.url);
    let verbs = match digits {
        None => ask("", attempt),
        Some((_, digits)) if *digits == request.code => {
            match conclude(store, fetch.call, Some(verified(&request))).await {
                Ok(_) => "<Say>Thank you. The number is verified.</Say>".to_owned(),
                Err(error) => {
                    tracing::error!(%error, "a verified number was not written down");
                    "<Say>The number cannot be verified now.</Say>".to_owned()
                }
            }
        }
        Some(_) if attempt < ATTEMPTS => ask("That is not the code. ", attempt + 1),
        Some(_) => "<Say>That is not the code. Goodbye.</Say>".to_owned(),
    };
    Ok(Fetched {
        url: fetch.url.clone(),
        kind: DocumentKind::Twiml,
        body: format!("<Response>{verbs}</Response>"),
    })
}

/// The call is over: a request that is still open has failed.
pub async fn over(store: &Store, call: CallSid) -> Result<(), store::Error> {
    conclude(store, call, None).await.map(drop)
}

async fn conclude(
    store: &Store,
    call: CallSid,
    verified: Option<OutgoingCallerId>,
) -> Result<bool, store::Error> {
    let token = IdempotencyToken::from_bytes(rand::random());
    let now = clock::now().wall;
    store
        .caller_ids()
        .conclude(call, verified, token, now)
        .await
}

fn verified(request: &ValidationRequest) -> OutgoingCallerId {
    let now: Wall = clock::now().wall;
    OutgoingCallerId {
        sid: PhoneNumberSid::from_bytes(rand::random()),
        account: request.account,
        phone_number: request.phone_number.clone(),
        friendly_name: request.friendly_name.clone(),
        created: now,
        updated: now,
    }
}

/// Asks for the code; who is silent is asked again.
fn ask(before: &str, attempt: u32) -> String {
    let gather = format!(
        "<Gather numDigits=\"6\" timeout=\"10\" action=\"{URL}?attempt={attempt}\"><Say>{before}\
         Somebody wants to show this telephone number as their own. If it was you, enter the \
         verification code of six digits now.</Say></Gather>"
    );
    format!("{gather}{gather}<Say>No code was entered. Goodbye.</Say>")
}

/// Which attempt an address belongs to.
fn attempt(url: &str) -> u32 {
    url.rsplit_once("attempt=")
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(1)
}
