//! What was measured in calls: bounded for each call by number, and for all by age.

use std::time::Duration;

use model::now::Wall;
use model::sid::{AccountSid, CallSid};
use model::telemetry::Telemetry;
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{self, Filters, Record};
use crate::store::Store;
use crate::writer::Haste;

/// How long it is kept; with a call that is removed it goes earlier. Upstream keeps Insights for
/// 30 days.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// At most so many that are too old are deleted with one that is added.
const SWEEP: i64 = 64;

/// An entry as it is kept: with its number.
#[derive(Serialize, Deserialize)]
struct Row {
    number: i64,
    telemetry: Telemetry,
}

impl Record for Row {
    const TABLE: &'static str = "telemetry";
    const SEARCHED: &'static [&'static str] = &["call", "kind"];

    fn sid(&self) -> String {
        format!("{:019}", self.number)
    }
    fn account(&self) -> String {
        self.telemetry.account.to_string()
    }
    fn created(&self) -> Wall {
        self.telemetry.created
    }
    fn searched(&self) -> Vec<Value> {
        vec![
            Value::text(self.telemetry.call),
            Value::text(self.telemetry.kind.as_str()),
        ]
    }
}

/// What was measured in calls.
pub struct TelemetryOfCalls<'a>(&'a Store);

impl Store {
    /// What was measured in calls.
    pub fn telemetry(&self) -> TelemetryOfCalls<'_> {
        TelemetryOfCalls(self)
    }
}

impl TelemetryOfCalls<'_> {
    /// Adds entries, except those about a call that the account does not have, and those of which
    /// the call has enough; says how many were added.
    pub async fn append(&self, entries: Vec<Telemetry>) -> Result<usize, Error> {
        if entries.is_empty() {
            return Ok(0);
        }
        // Whoever sends them has other things to do than to wait.
        self.0
            .queue()
            .work(Haste::Leisure, move |connection| {
                append(connection, entries)
            })
            .await
    }

    /// Everything of a call, in the order in which it came.
    pub async fn of_call(
        &self,
        account: AccountSid,
        call: CallSid,
    ) -> Result<Vec<Telemetry>, Error> {
        let filters = Filters::default().eq("call", call).eq("account", account);
        let rows: Vec<Row> = self
            .0
            .read(move |connection| rows::all(connection, &filters))
            .await?;
        Ok(rows.into_iter().map(|row| row.telemetry).collect())
    }
}

fn append(connection: &mut Connection, entries: Vec<Telemetry>) -> Result<usize, Error> {
    let mut added = 0;
    for telemetry in entries {
        let sql = "SELECT COUNT(*) FROM calls WHERE sid = $1 AND account = $2";
        let values = [Value::text(telemetry.call), Value::text(telemetry.account)];
        if connection.number(sql, &values)? == 0 {
            continue;
        }
        let room = Filters::default()
            .eq("call", telemetry.call)
            .eq("kind", telemetry.kind.as_str());
        if rows::count::<Row>(connection, &room)? >= telemetry.kind.most() {
            continue;
        }
        let oldest = telemetry.created.0 - KEPT.as_micros() as i64;
        let number = rows::numbers(connection, "telemetry", 1)?;
        rows::append(connection, &Row { number, telemetry })?;
        connection.execute(
            "DELETE FROM telemetry WHERE sid IN \
             (SELECT sid FROM telemetry WHERE created < $1 ORDER BY created LIMIT $2)",
            &[Value::number(oldest), Value::number(SWEEP)],
        )?;
        added += 1;
    }
    Ok(added)
}
