//! REST calls that wait for their turn: first in, first out, account by account.

use model::now::Wall;
use model::sid::{AccountSid, CallSid};

use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{self, text};
use crate::store::Store;

const TABLE: &str = "queued_calls";

/// How many calls of one account may wait.
const LIMIT: u64 = 20_000;

/// A call that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedCall {
    /// Whose turn is counted.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// Since when.
    pub created: Wall,
    /// What is needed to begin it; opaque here.
    pub payload: String,
}

/// Adds calls at the end.
pub(crate) fn append(connection: &mut Connection, queued: Vec<QueuedCall>) -> Result<(), Error> {
    for call in queued {
        let account = Value::text(call.account);
        let sql = "SELECT COUNT(*) FROM queued_calls WHERE account = $1";
        let waiting = connection.number(sql, std::slice::from_ref(&account))?;
        if waiting.max(0) as u64 >= LIMIT {
            return Err(Error::Full {
                what: TABLE,
                limit: LIMIT,
            });
        }
        let values = [
            Value::number(rows::numbers(connection, TABLE, 1)?),
            account,
            Value::text(call.call),
            Value::number(call.created.0),
            Value::Text(Some(call.payload)),
        ];
        connection.execute(
            "INSERT INTO queued_calls (id, account, call, created, payload) \
             VALUES ($1, $2, $3, $4, $5)",
            &values,
        )?;
    }
    Ok(())
}

/// Takes calls out, wherever they stand.
pub(crate) fn remove(connection: &mut Connection, calls: Vec<CallSid>) -> Result<(), Error> {
    for call in calls {
        let sql = "DELETE FROM queued_calls WHERE call = $1";
        connection.execute(sql, &[Value::text(call)])?;
    }
    Ok(())
}

/// REST calls that wait for their turn; filled and emptied by
/// [`Calls::save`](crate::Calls::save).
pub struct QueuedCalls<'a>(&'a Store);

impl Store {
    /// REST calls that wait for their turn.
    pub fn queued_calls(&self) -> QueuedCalls<'_> {
        QueuedCalls(self)
    }
}

impl QueuedCalls<'_> {
    /// The first `limit` calls of an account, in the order of their turn.
    pub async fn first(&self, account: AccountSid, limit: u16) -> Result<Vec<QueuedCall>, Error> {
        let sql = "SELECT call, created, payload FROM queued_calls WHERE account = $1 \
                   ORDER BY id LIMIT $2";
        let values = [Value::text(account), Value::number(limit.into())];
        self.0
            .read(move |connection| {
                connection.all(sql, &values, |row| {
                    Ok(QueuedCall {
                        account,
                        call: parse(text(row, 0)?)?,
                        created: Wall(row.get(1)?),
                        payload: row.get(2)?,
                    })
                })
            })
            .await
    }

    /// The accounts that have waiting calls, and how many: to go on with after a start.
    pub async fn accounts(&self) -> Result<Vec<(AccountSid, u64)>, Error> {
        let sql = "SELECT account, COUNT(*) FROM queued_calls GROUP BY account ORDER BY account";
        self.0
            .read(move |connection| {
                connection.all(sql, &[], |row| {
                    let waiting: i64 = row.get(1)?;
                    Ok((parse(text(row, 0)?)?, waiting.max(0) as u64))
                })
            })
            .await
    }
}

/// An identifier that we wrote ourselves.
fn parse<T: std::str::FromStr<Err = model::sid::SidError>>(text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|fault: model::sid::SidError| Error::Unreadable {
            table: TABLE,
            fault: fault.to_string(),
        })
}
