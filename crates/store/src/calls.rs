//! Calls, and the one transaction that keeps a change together with what it causes.

use model::alert::Alert;
use model::call::{CallRecord, CallStatus};
use model::event::Event;
use model::now::Wall;
use model::owed::Owed;
use model::page::{Page, PageRequest};
use model::sid::{AccountSid, CallSid};
use model::validation::ValidationRequest;

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::owed::{IdempotencyToken, Outstanding};
use crate::queued_calls::QueuedCall;
use crate::requests::KeyedRequest;
use crate::rows::{self, Filters, Order, Range, Record};
use crate::store::Store;
use crate::writer::Haste;

impl Record for CallRecord {
    const TABLE: &'static str = "calls";
    const SEARCHED: &'static [&'static str] = &[
        "called", "caller", "parent", "status", "final", "started", "ended",
    ];

    fn sid(&self) -> String {
        self.sid.to_string()
    }
    fn account(&self) -> String {
        self.account.to_string()
    }
    fn created(&self) -> Wall {
        self.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![
            Value::text(&self.to),
            Value::text(&self.from),
            Value::Text(self.parent.map(|parent| parent.to_string())),
            Value::text(self.status),
            Value::Flag(self.status.is_final()),
            Value::Number(self.started.map(|time| time.0)),
            Value::Number(self.ended.map(|time| time.0)),
        ]
    }
    fn removing(connection: &mut Connection, sid: &str) -> Result<(), Error> {
        for table in ["events", "alerts", "telemetry"] {
            rows::delete(connection, table, &Filters::default().eq("call", sid))?;
        }
        Ok(())
    }
}

/// Which calls a list shows.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Those to this party, as the record has it.
    pub to: Option<String>,
    /// Those from this party, as the record has it.
    pub from: Option<String>,
    /// Those that this call's `Dial` made.
    pub parent: Option<CallSid>,
    /// Those that stand there.
    pub status: Option<CallStatus>,
    /// Those that started then.
    pub started: Range,
    /// Those that ended then.
    pub ended: Range,
}

impl CallFilter {
    fn filters(&self, account: AccountSid) -> Filters {
        Filters::default()
            .eq("account", account)
            .eq_if("called", self.to.as_ref())
            .eq_if("caller", self.from.as_ref())
            .eq_if("parent", self.parent)
            .eq_if("status", self.status)
            .within("started", self.started)
            .within("ended", self.ended)
    }
}

/// What happened, and everything that follows from it: written in one transaction, so that a
/// status without its callback cannot exist, nor the other way round (D10).
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Calls as they are now; made if they are new.
    pub calls: Vec<CallRecord>,
    /// Callbacks that are owed from now on, in their order, each with a fresh token.
    pub owed: Vec<(Owed, IdempotencyToken)>,
    /// Callbacks that arrived, or never will: owed no more, so that the next of their streams may
    /// follow. By their places in the outbox.
    pub struck: Vec<i64>,
    /// For each live call what is owed if the process dies now, or that nothing is; the newest
    /// counts. A call that ends loses its will without being named here.
    pub wills: Vec<(CallSid, Option<Owed>)>,
    /// HTTP exchanges, in the order of time.
    pub events: Vec<Event>,
    /// What went wrong.
    pub alerts: Vec<Alert>,
    /// Calls that begin to wait for their turn.
    pub queued: Vec<QueuedCall>,
    /// Calls that wait no longer: begun, or given up.
    pub dequeued: Vec<CallSid>,
    /// Requests that named themselves, and made one of these calls. `Taken` if one of that name is
    /// known: then nothing of the change is written.
    pub requests: Vec<KeyedRequest>,
    /// Validation requests that one of these calls is to ask the code of.
    pub validations: Vec<ValidationRequest>,
}

/// Calls.
pub struct Calls<'a>(pub(crate) &'a Store);

impl Store {
    /// Calls.
    pub fn calls(&self) -> Calls<'_> {
        Calls(self)
    }
}

impl Calls<'_> {
    /// Writes a change, all of it or nothing, and returns when it is on disk: only then may its
    /// effects leave (rule 4 of the design).
    ///
    /// A call that reached its final status keeps it, whatever a late change says.
    pub async fn save(&self, change: Change) -> Result<(), Error> {
        self.0
            .write(move |connection| apply(connection, change).map(drop))
            .await
    }

    /// Hands a change to the writer without waiting. `then` is called on the writer's thread when
    /// the change is on disk, or lost; it must be quick. It is given the callbacks that are owed
    /// because of the change, so that nobody needs to read them again. Changes that are handed over
    /// one after the other are written in that order.
    ///
    /// What hardly anybody can be held up by (exchanges, and callbacks that arrived) may wait some
    /// milliseconds for company.
    pub fn hand_over(
        &self,
        change: Change,
        then: impl FnOnce(Result<Vec<Outstanding>, Error>) + Send + 'static,
    ) {
        let idle = change.calls.is_empty()
            && change.owed.is_empty()
            && change.queued.is_empty()
            && change.dequeued.is_empty();
        let haste = if idle { Haste::Leisure } else { Haste::Now };
        self.0.queue().change(change, haste, Box::new(then));
    }

    /// The one with this identifier, if the account has it.
    pub async fn find(
        &self,
        account: AccountSid,
        sid: CallSid,
    ) -> Result<Option<CallRecord>, Error> {
        let filters = Filters::default().eq("sid", sid).eq("account", account);
        self.0.peek(|connection| rows::find(connection, &filters))
    }

    /// The calls of an account, newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        filter: &CallFilter,
        request: &PageRequest,
    ) -> Result<Page<CallRecord>, Error> {
        let filters = filter.filters(account);
        self.0.page(filters, Order::NewestFirst, request).await
    }

    /// Removes a call with its events and alerts; whether there was one. `Running` if it has not
    /// ended (20009). What is still owed about it is owed no more: who removed it must not hear of
    /// it again (B12).
    pub async fn remove(&self, account: AccountSid, sid: CallSid) -> Result<bool, Error> {
        let filters = Filters::default().eq("sid", sid).eq("account", account);
        self.0
            .write(
                move |connection| match rows::find::<CallRecord>(connection, &filters)? {
                    Some(call) if !call.status.is_final() => Err(Error::Running),
                    Some(call) => {
                        crate::owed::withdraw(connection, &call)?;
                        rows::remove::<CallRecord>(connection, &filters)
                    }
                    None => Ok(false),
                },
            )
            .await
    }

    /// Calls that were running when the process died, oldest first: to be ended by whoever
    /// starts. Those that still wait for their turn are not among them; they go on waiting.
    ///
    /// Ask before new calls begin, and again after ending these, until none is left.
    pub async fn interrupted(&self, limit: u16) -> Result<Vec<CallRecord>, Error> {
        let values = [Value::number(limit.into())];
        self.0
            .read(move |connection| connection.all(INTERRUPTED, &values, rows::read))
            .await
    }

    /// Forgets up to `limit` calls that ended before a time, with their events and alerts, and as
    /// many events and alerts of that age that belong to no call; returns how many calls.
    pub async fn forget_before(&self, time: Wall, limit: u16) -> Result<u64, Error> {
        self.0
            .write(move |connection| {
                let values = [Value::number(time.0), Value::number(limit.into())];
                let old = connection.all(
                    "SELECT sid FROM calls WHERE final = TRUE AND ended < $1 \
                     ORDER BY ended LIMIT $2",
                    &values,
                    |row| Ok(row.get::<_, String>(0)?),
                )?;
                for sid in &old {
                    CallRecord::removing(connection, sid)?;
                    rows::delete(connection, "calls", &Filters::default().eq("sid", sid))?;
                }
                for sql in [
                    "DELETE FROM events WHERE sid IN (SELECT sid FROM events AS e \
                     WHERE created < $1 AND NOT EXISTS \
                     (SELECT 1 FROM calls WHERE calls.sid = e.call) LIMIT $2)",
                    "DELETE FROM alerts WHERE sid IN (SELECT sid FROM alerts AS a \
                     WHERE created < $1 AND NOT EXISTS \
                     (SELECT 1 FROM calls WHERE calls.sid = a.call) LIMIT $2)",
                    "DELETE FROM telemetry WHERE sid IN (SELECT sid FROM telemetry AS t \
                     WHERE created < $1 AND NOT EXISTS \
                     (SELECT 1 FROM calls WHERE calls.sid = t.call) LIMIT $2)",
                ] {
                    connection.execute(sql, &values)?;
                }
                Ok(old.len() as u64)
            })
            .await
    }
}

const INTERRUPTED: &str = "SELECT record FROM calls WHERE final = FALSE AND NOT EXISTS \
     (SELECT 1 FROM queued_calls WHERE queued_calls.call = calls.sid) \
     ORDER BY created, sid LIMIT $1";

/// Writes a change, within a transaction. Returns the callbacks that are owed because of it.
pub(crate) fn apply(
    connection: &mut Connection,
    change: Change,
) -> Result<Vec<Outstanding>, Error> {
    crate::requests::append(connection, change.requests)?;
    for call in &change.calls {
        save(connection, call)?;
        if call.status.is_final() {
            crate::wills::strike(connection, call.sid)?;
        }
    }
    crate::wills::keep(connection, change.wills)?;
    crate::events::append(connection, change.events)?;
    for alert in &change.alerts {
        rows::append(connection, alert)?;
    }
    crate::owed::strike_all(connection, change.struck)?;
    let owed = crate::owed::append(connection, change.owed)?;
    crate::validations::append(connection, change.validations)?;
    crate::queued_calls::append(connection, change.queued)?;
    crate::queued_calls::remove(connection, change.dequeued)?;
    Ok(owed)
}

/// Makes or overwrites a call, unless that would change a final status.
fn save(connection: &mut Connection, call: &CallRecord) -> Result<(), Error> {
    let sid = Value::text(call.sid);
    let old = connection.first(
        "SELECT status, final, started, ended FROM calls WHERE sid = $1",
        std::slice::from_ref(&sid),
        |row| {
            let status = rows::text(row, 0)? == call.status.to_string();
            let (ended, started): (bool, Option<i64>) = (row.get(1)?, row.get(2)?);
            Ok((status, ended, started, row.get::<_, Option<i64>>(3)?))
        },
    )?;
    let Some((same_status, over, started, ended)) = old else {
        return rows::append(connection, call);
    };
    if over && !same_status {
        tracing::warn!(call = %call.sid, status = %call.status, "a late change of an ended call was dropped");
        return Ok(());
    }
    // Who called whom, and when, never changes; and a column that is set to what it was would have
    // its indices written again.
    let mut sql = String::from("UPDATE calls SET record = $2");
    let mut values = vec![sid, Value::Text(Some(rows::text_of("calls", call)?))];
    let (now_started, now_ended) = (call.started.map(|t| t.0), call.ended.map(|t| t.0));
    for (differs, column, value) in [
        (!same_status, "status", Value::text(call.status)),
        (
            over != call.status.is_final(),
            "final",
            Value::Flag(call.status.is_final()),
        ),
        (
            started != now_started,
            "started",
            Value::Number(now_started),
        ),
        (ended != now_ended, "ended", Value::Number(now_ended)),
    ] {
        if differs {
            values.push(value);
            sql += &format!(", {column} = ${}", values.len());
        }
    }
    sql += " WHERE sid = $1";
    connection.execute(&sql, &values)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Location;
    use model::page::{Cursor, Side};

    /// What SQLite means to do for a statement, one line a step.
    async fn plan(store: &Store, sql: String, values: Vec<Value>) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let steps: Vec<String> = store
            .peek(|connection| connection.all(&sql, &values, |row| Ok(row.get(3)?)))
            .unwrap();
        steps.join("\n")
    }

    #[tokio::test]
    async fn every_list_of_calls_uses_an_index() {
        let (store, _writer) = Store::open(Location::Memory).await.unwrap();
        let cursor = |side| {
            Some(Cursor {
                side,
                created: Wall(5),
                key: "CA".into(),
            })
        };
        let range = Range {
            from: Some(Wall(1)),
            until: Some(Wall(9)),
        };
        let sid = CallSid::from_bytes([1; 16]);
        for (filter, sorted) in [
            (CallFilter::default(), true),
            (
                CallFilter {
                    to: Some("+1".into()),
                    ..Default::default()
                },
                true,
            ),
            (
                CallFilter {
                    from: Some("+1".into()),
                    ..Default::default()
                },
                true,
            ),
            (
                CallFilter {
                    parent: Some(sid),
                    ..Default::default()
                },
                true,
            ),
            (
                CallFilter {
                    status: Some(CallStatus::Queued),
                    ..Default::default()
                },
                true,
            ),
            (
                CallFilter {
                    started: range,
                    ..Default::default()
                },
                false,
            ),
            (
                CallFilter {
                    ended: range,
                    ..Default::default()
                },
                false,
            ),
        ] {
            for cursor in [None, cursor(Side::After), cursor(Side::Before)] {
                let request = PageRequest {
                    cursor,
                    ..PageRequest::default()
                };
                let filters = filter.filters(AccountSid::from_bytes([0; 16]));
                let (sql, values) =
                    rows::page_statement::<CallRecord>(&filters, Order::NewestFirst, &request);
                let plan = plan(&store, sql, values).await;
                assert!(
                    plan.contains("SEARCH calls USING INDEX calls_"),
                    "{filter:?}: {plan}"
                );
                assert!(!plan.contains("SCAN"), "{filter:?}: {plan}");
                if sorted {
                    assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
                }
            }
        }
    }

    #[tokio::test]
    async fn lists_of_events_and_alerts_use_an_index() {
        let (store, _writer) = Store::open(Location::Memory).await.unwrap();
        let account = Filters::default().eq("account", "AC");
        let of_call = account.clone().eq("call", "CA");
        let request = PageRequest::default();
        for (sql, values) in [
            rows::page_statement::<Alert>(&account, Order::NewestFirst, &request),
            rows::page_statement::<Alert>(&of_call, Order::NewestFirst, &request),
            crate::events::page_statement(&of_call, &request),
        ] {
            let steps = plan(&store, sql.clone(), values).await;
            assert!(steps.contains("SEARCH"), "{sql}: {steps}");
            assert!(!steps.contains("SCAN"), "{sql}: {steps}");
            assert!(!steps.contains("TEMP B-TREE"), "{sql}: {steps}");
        }
    }

    #[tokio::test]
    async fn interrupted_calls_and_due_callbacks_are_found_without_a_scan() {
        let (store, _writer) = Store::open(Location::Memory).await.unwrap();
        let steps = plan(&store, INTERRUPTED.into(), vec![Value::Number(Some(1))]).await;
        assert!(steps.contains("USING INDEX calls_running"), "{steps}");
        assert!(!steps.contains("TEMP B-TREE"), "{steps}");
        let steps = plan(
            &store,
            crate::owed::DUE.into(),
            vec![Value::Number(Some(1)), Value::Number(Some(1))],
        )
        .await;
        assert!(
            steps.contains("SEARCH owed USING INDEX owed_due"),
            "{steps}"
        );
        assert!(!steps.contains("TEMP B-TREE"), "{steps}");
    }
}
