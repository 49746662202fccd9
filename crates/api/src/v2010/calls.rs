//! `…/Calls`: begin, look up, change and forget calls (contract 3.2).

use axum::extract::Path;
use model::call::{CallRecord, CallStatus};
use model::error_code::ErrorCode;
use model::phone_number::formatted;
use model::sid::{AccountSid, CallSid};
use serde_json::{Value, json};
use store::CallFilter;

use crate::ask::{Ask, Reply};
use crate::date::rfc2822;
use crate::error::Refusal;
use crate::page;
use crate::render::{Answer, Listing};
use crate::router::not_found;

pub mod create;
pub mod endpoint;
pub mod events;
pub mod update;
pub mod user_defined_message_subscriptions;
pub mod user_defined_messages;

pub use create::create;
pub use update::update;

/// Names of the list.
const CALLS: Listing = Listing {
    key: "calls",
    elements: "Calls",
    element: "Call",
};

/// `GET …/Calls/{sid}`.
pub async fn fetch(ask: Ask, Path((_, sid)): Path<(AccountSid, CallSid)>) -> Reply {
    Ok(Answer::found(
        "Call",
        wire(&ask, &existing(&ask, sid).await?),
    ))
}

/// `GET …/Calls`: newest first, by `To`, `From`, `ParentCallSid`, `Status`, `StartTime`, `EndTime`.
pub async fn list(ask: Ask) -> Reply {
    let query = &ask.query;
    let parent = match query.text("ParentCallSid") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Refusal::new(ErrorCode::INVALID_SID, "ParentCallSid is not a call's SID")
        })?),
    };
    let status = match query.text("Status") {
        None => None,
        Some(text) => Some(text.parse::<CallStatus>().map_err(|()| {
            Refusal::new(
                ErrorCode::INVALID_PARAMETER,
                "Status is not one of a call's",
            )
        })?),
    };
    let filter = CallFilter {
        to: query.text("To").map(endpoint::filter),
        from: query.text("From").map(endpoint::filter),
        parent,
        status,
        started: query.range("StartTime")?,
        ended: query.range("EndTime")?,
    };
    let request = page::wanted(&ask)?;
    let found = ask
        .app
        .store
        .calls()
        .list(ask.account_sid(), &filter, &request)
        .await?;
    page::list(&ask, CALLS, found, |call| wire(&ask, call))
}

/// `DELETE …/Calls/{sid}`: 204; a call that still runs stays (20009).
pub async fn delete(ask: Ask, Path((_, sid)): Path<(AccountSid, CallSid)>) -> Reply {
    if ask.app.store.calls().remove(ask.account_sid(), sid).await? {
        Ok(Answer::Nothing)
    } else {
        Err(not_found(&ask.path))
    }
}

/// A call of this account.
pub(crate) async fn existing(ask: &Ask, sid: CallSid) -> Result<CallRecord, Refusal> {
    let call = ask.app.store.calls().find(ask.account_sid(), sid).await?;
    call.ok_or_else(|| not_found(&ask.path))
}

/// The record as it is shown.
pub(crate) fn wire(ask: &Ask, call: &CallRecord) -> Value {
    let sid = call.sid;
    let below = |name: &str| ask.uri(format_args!("/Calls/{sid}/{name}"));
    json!({
        "sid": sid,
        "date_created": rfc2822(call.created),
        "date_updated": rfc2822(call.updated),
        "parent_call_sid": call.parent,
        "account_sid": call.account,
        "to": call.to,
        "to_formatted": formatted(&call.to),
        "from": call.from,
        "from_formatted": formatted(&call.from),
        "phone_number_sid": call.phone_number,
        "status": call.status,
        "start_time": call.started.map(rfc2822),
        "end_time": call.ended.map(rfc2822),
        "duration": call.duration_secs().map(|seconds| seconds.to_string()),
        "price": null,
        "price_unit": "USD",
        "direction": call.direction,
        "answered_by": call.answered_by,
        "annotation": null,
        "api_version": "2010-04-01",
        "forwarded_from": call.forwarded_from,
        "group_sid": null,
        "caller_name": call.caller_name,
        "queue_time": call.queue_time_ms.to_string(),
        "trunk_sid": call.trunk,
        "uri": ask.uri(format_args!("/Calls/{sid}")),
        "subresource_uris": {
            "notifications": below("Notifications"),
            "recordings": below("Recordings"),
            "feedback": below("Feedback"),
            "feedback_summaries": ask.uri(format_args!("/Calls/FeedbackSummary")),
            "payments": below("Payments"),
            "events": below("Events"),
            "siprec": below("Siprec"),
            "streams": below("Streams"),
            "transcriptions": below("Transcriptions"),
            "user_defined_message_subscriptions": below("UserDefinedMessageSubscriptions"),
            "user_defined_messages": below("UserDefinedMessages"),
        },
    })
}

/// A call that is not where the change needs it to be.
pub(crate) fn not_in_progress(sid: CallSid) -> Refusal {
    Refusal::new(
        ErrorCode::CALL_NOT_IN_PROGRESS,
        format!("Call {sid} is not in progress"),
    )
}
