//! The outbox: callbacks that are owed, in the order in which they must arrive (D10).

use std::fmt;

use model::call::CallRecord;
use model::now::Wall;
use model::owed::Owed;
use model::sid::CallSid;
use sqlx::Row as _;

use crate::error::Error;
use crate::rows::{self, text_of};
use crate::store::Store;
use crate::writer::Connection;

const TABLE: &str = "owed";

/// By which a receiver knows a repetition: the same on every attempt, also after our restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyToken([u8; 16]);

impl IdempotencyToken {
    /// A token of sixteen random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        IdempotencyToken(bytes)
    }
}

impl fmt::Display for IdempotencyToken {
    /// 32 hexadecimal digits in five groups.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for IdempotencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A callback that has not arrived yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// Its place in the outbox; it only grows.
    pub id: i64,
    /// What is owed.
    pub owed: Owed,
    /// Text of its [`IdempotencyToken`], for the header.
    pub token: String,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// When it may be tried.
    pub next_attempt: Wall,
}

/// Adds callbacks in their order; each may be tried from its creation on.
pub(crate) async fn append(
    connection: &mut Connection,
    owed: Vec<(Owed, IdempotencyToken)>,
) -> Result<(), Error> {
    if owed.is_empty() {
        return Ok(());
    }
    let first = rows::numbers(connection, TABLE, owed.len()).await?;
    for (id, (owed, token)) in (first..).zip(owed) {
        sqlx::query(
            "INSERT INTO owed (id, stream, head, token, attempts, next_attempt, record) \
             VALUES ($1, $2, NOT EXISTS (SELECT 1 FROM owed WHERE stream = $2), $3, 0, $4, $5)",
        )
        .bind(id)
        .bind(owed.stream.to_string())
        .bind(token.to_string())
        .bind(owed.created.0)
        .bind(text_of(TABLE, &owed)?)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(crate) const DUE: &str = "SELECT id, token, attempts, next_attempt, record FROM owed \
     WHERE head = TRUE AND next_attempt <= $1 ORDER BY next_attempt, id LIMIT $2";

/// The outbox; filled by [`Calls::save`](crate::Calls::save).
pub struct Outbox<'a>(&'a Store);

impl Store {
    /// The outbox: callbacks that are owed.
    pub fn outbox(&self) -> Outbox<'_> {
        Outbox(self)
    }
}

impl Outbox<'_> {
    /// Whose time has come: of each stream only the first, the longest due before the others.
    ///
    /// A callback stays due while it is being delivered; ask for more than are under way.
    pub async fn due(&self, now: Wall, limit: u16) -> Result<Vec<Outstanding>, Error> {
        let rows = sqlx::query(DUE)
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.reader().await?)
            .await?;
        rows.iter()
            .map(|row| {
                let record: &str = row.try_get(4)?;
                Ok(Outstanding {
                    id: row.try_get(0)?,
                    token: row.try_get(1)?,
                    attempts: row.try_get::<i64, _>(2)?.clamp(0, u32::MAX.into()) as u32,
                    next_attempt: Wall(row.try_get(3)?),
                    owed: serde_json::from_str(record).map_err(|fault| Error::Unreadable {
                        table: TABLE,
                        fault: fault.to_string(),
                    })?,
                })
            })
            .collect()
    }

    /// When the next one may be tried; `None` if nothing is owed.
    pub async fn next_due(&self) -> Result<Option<Wall>, Error> {
        let row = sqlx::query("SELECT MIN(next_attempt) FROM owed WHERE head = TRUE")
            .fetch_one(&mut *self.0.reader().await?)
            .await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(Wall))
    }

    /// How many are owed.
    pub async fn count(&self) -> Result<u64, Error> {
        let row = sqlx::query("SELECT COUNT(*) FROM owed")
            .fetch_one(&mut *self.0.reader().await?)
            .await?;
        Ok(row.try_get::<i64, _>(0)?.max(0) as u64)
    }

    /// How many of one stream are owed.
    pub async fn count_of(&self, stream: CallSid) -> Result<u64, Error> {
        let row = sqlx::query("SELECT COUNT(*) FROM owed WHERE stream = $1")
            .bind(stream.to_string())
            .fetch_one(&mut *self.0.reader().await?)
            .await?;
        Ok(row.try_get::<i64, _>(0)?.max(0) as u64)
    }

    /// It arrived: the next of its stream may follow. Whether it was still owed.
    pub async fn delivered(&self, id: i64) -> Result<bool, Error> {
        self.0
            .write(move |connection| Box::pin(async move { strike(connection, id).await }))
            .await
    }

    /// It will never arrive, and is owed no more: the next of its stream may follow.
    pub async fn give_up(&self, id: i64) -> Result<bool, Error> {
        self.delivered(id).await
    }

    /// It was tried in vain, and may be tried again then. Whether it was still owed.
    pub async fn postpone(&self, id: i64, next_attempt: Wall) -> Result<bool, Error> {
        self.0
            .write(move |connection| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "UPDATE owed SET attempts = attempts + 1, next_attempt = $1 WHERE id = $2",
                    )
                    .bind(next_attempt.0)
                    .bind(id)
                    .execute(connection)
                    .await?;
                    Ok(done.rows_affected() > 0)
                })
            })
            .await
    }
}

/// Takes one out, and makes the next of its stream the head.
/// Strikes what is owed about a call, in its own stream or that of the call whose `Dial` made it.
pub(crate) async fn withdraw(connection: &mut Connection, call: &CallRecord) -> Result<(), Error> {
    for stream in [Some(call.sid), call.parent].into_iter().flatten() {
        let rows = sqlx::query("SELECT id, record FROM owed WHERE stream = $1")
            .bind(stream.to_string())
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            // One that cannot be read is nobody's; it must not keep the call from going.
            let owed: Option<Owed> = serde_json::from_str(row.try_get(1)?).ok();
            if owed.is_some_and(|owed| owed.call == call.sid) {
                strike(connection, row.try_get(0)?).await?;
            }
        }
    }
    Ok(())
}

async fn strike(connection: &mut Connection, id: i64) -> Result<bool, Error> {
    let row = sqlx::query("DELETE FROM owed WHERE id = $1 RETURNING stream")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        return Ok(false);
    };
    let stream: String = row.try_get(0)?;
    sqlx::query(
        "UPDATE owed SET head = TRUE WHERE id = (SELECT MIN(id) FROM owed WHERE stream = $1)",
    )
    .bind(stream)
    .execute(connection)
    .await?;
    Ok(true)
}
