//! REST calls that wait for their turn: first in, first out, account by account.

use model::now::Wall;
use model::sid::{AccountSid, CallSid};
use sqlx::Row as _;

use crate::error::Error;
use crate::rows;
use crate::store::Store;
use crate::writer::Connection;

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
pub(crate) async fn append(
    connection: &mut Connection,
    queued: Vec<QueuedCall>,
) -> Result<(), Error> {
    for call in queued {
        let waiting: i64 = sqlx::query("SELECT COUNT(*) FROM queued_calls WHERE account = $1")
            .bind(call.account.to_string())
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        if waiting.max(0) as u64 >= LIMIT {
            return Err(Error::Full {
                what: TABLE,
                limit: LIMIT,
            });
        }
        let id = rows::numbers(connection, TABLE, 1).await?;
        sqlx::query(
            "INSERT INTO queued_calls (id, account, call, created, payload) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(call.account.to_string())
        .bind(call.call.to_string())
        .bind(call.created.0)
        .bind(call.payload)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Takes calls out, wherever they stand.
pub(crate) async fn remove(connection: &mut Connection, calls: Vec<CallSid>) -> Result<(), Error> {
    for call in calls {
        sqlx::query("DELETE FROM queued_calls WHERE call = $1")
            .bind(call.to_string())
            .execute(&mut *connection)
            .await?;
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
        let rows = sqlx::query(
            "SELECT call, created, payload FROM queued_calls WHERE account = $1 \
             ORDER BY id LIMIT $2",
        )
        .bind(account.to_string())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.reader().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(QueuedCall {
                    account,
                    call: parse(row.try_get(0)?)?,
                    created: Wall(row.try_get(1)?),
                    payload: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// The accounts that have waiting calls, and how many: to go on with after a start.
    pub async fn accounts(&self) -> Result<Vec<(AccountSid, u64)>, Error> {
        let rows = sqlx::query(
            "SELECT account, COUNT(*) FROM queued_calls GROUP BY account ORDER BY account",
        )
        .fetch_all(&mut *self.0.reader().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let waiting: i64 = row.try_get(1)?;
                Ok((parse(row.try_get(0)?)?, waiting.max(0) as u64))
            })
            .collect()
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
