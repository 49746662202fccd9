//! Calls that a crash cut short: ended at the next start, at the last moment they are known to have
//! lived, with a reason (docs/compat/rest-calls.md, rest-calls-18).
//!
//! What their programs would have done next is not done: nobody is on the line any more. Neither the
//! action of a `Dial` nor a document is asked for; the report of the end says why.

use model::call::CallRecord;
use model::now::Wall;
use store::{Change, IdempotencyToken, Store};
use voice::will;

use crate::alerts;
use crate::clock;

/// Calls ended in one transaction at most.
const GROUP: u16 = 500;

/// Ends calls that the last run left open, and executes their wills. To be done before new calls can
/// begin: they would be taken for open ones.
pub async fn end(store: &Store) -> anyhow::Result<()> {
    let now = clock::now().wall;
    let lived = store.calls().lived_until().await?;
    loop {
        let mut interrupted = store.calls().interrupted(GROUP).await?;
        if interrupted.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            calls = interrupted.len(),
            "calls that the last run left open are ended"
        );
        // Children end before the `Dial` that made them.
        interrupted.sort_by_key(|call| call.parent.is_none());
        let mut change = Change::default();
        for mut call in interrupted {
            call.status = will::status(&call);
            let ended = last_alive(&call, lived, now);
            call.ended = Some(ended);
            call.updated = ended;
            match store.calls().will(call.sid).await {
                Ok(Some(owed)) => change.owed.push((
                    will::execute(owed, &call),
                    IdempotencyToken::from_bytes(rand::random()),
                )),
                Ok(None) => {}
                // One that cannot be read must not keep the system from starting.
                Err(error) => {
                    tracing::error!(call = %call.sid, %error, "the end of a call will not be reported")
                }
            }
            change.alerts.push(alerts::of_interrupted(&call, now));
            change.calls.push(call);
        }
        store.calls().save(change).await?;
    }
}

/// The down time is no part of a call: it ended when it was last known to live, not now.
fn last_alive(call: &CallRecord, lived: Option<Wall>, now: Wall) -> Wall {
    let lived = lived.unwrap_or(call.updated);
    // A clock that was set back must not make a call end before it began.
    lived.min(now).max(call.updated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::call::{CallStatus, Direction};
    use model::sid::{AccountSid, CallSid};

    #[test]
    fn a_call_ends_when_it_was_last_known_to_live() {
        let second = |n: i64| Wall(n * 1_000_000);
        let sid = CallSid::from_bytes([1; 16]);
        let account = AccountSid::from_bytes([2; 16]);
        let call = CallRecord {
            status: CallStatus::InProgress,
            updated: second(20),
            started: Some(second(20)),
            answered: Some(second(20)),
            ..CallRecord::new(sid, account, Direction::Inbound, second(10))
        };
        let now = second(3_600);
        for (lived, ended) in [
            (None, 20),
            // The pulse of an earlier life, before this call.
            (Some(15), 20),
            (Some(33), 33),
            // The clock was set back meanwhile.
            (Some(9_999), 3_600),
        ] {
            assert_eq!(last_alive(&call, lived.map(second), now), second(ended));
        }
    }
}
