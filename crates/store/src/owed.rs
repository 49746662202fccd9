//! The outbox: callbacks that are owed, in the order in which they must arrive (D10).

use std::fmt;

use model::call::CallRecord;
use model::now::Wall;
use model::owed::Owed;
use model::sid::CallSid;

use crate::connection::{Connection, Row, Value};
use crate::error::Error;
use crate::rows::{self, text, text_of};
use crate::store::Store;
use crate::writer::Haste;

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

/// Adds callbacks in their order, and returns them as they are now kept; each may be tried from its
/// creation on.
pub(crate) fn append(
    connection: &mut Connection,
    owed: Vec<(Owed, IdempotencyToken)>,
) -> Result<Vec<Outstanding>, Error> {
    if owed.is_empty() {
        return Ok(Vec::new());
    }
    let first = rows::numbers(connection, TABLE, owed.len())?;
    let mut kept = Vec::with_capacity(owed.len());
    for (id, (owed, token)) in (first..).zip(owed) {
        let outstanding = Outstanding {
            id,
            token: token.to_string(),
            attempts: 0,
            next_attempt: owed.created,
            owed,
        };
        let values = [
            Value::number(id),
            Value::text(outstanding.owed.stream),
            Value::text(&outstanding.token),
            Value::number(outstanding.next_attempt.0),
            Value::Text(Some(text_of(TABLE, &outstanding.owed)?)),
        ];
        connection.execute(
            "INSERT INTO owed (id, stream, head, token, attempts, next_attempt, record) \
             VALUES ($1, $2, NOT EXISTS (SELECT 1 FROM owed WHERE stream = $2), $3, 0, $4, $5)",
            &values,
        )?;
        kept.push(outstanding);
    }
    Ok(kept)
}

pub(crate) const DUE: &str = "SELECT id, token, attempts, next_attempt, record FROM owed \
     WHERE head = TRUE AND next_attempt <= $1 ORDER BY next_attempt, id LIMIT $2";

/// Whether a callback that is known outside the outbox may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the first of its stream, and was tried as often as is known outside.
    Next,
    /// It is owed, but another of its stream comes first, or its next attempt is not due.
    Later,
    /// It is owed no more.
    Gone,
}

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
        let values = [Value::number(now.0), Value::number(limit.into())];
        self.0.peek(|connection| connection.all(DUE, &values, read))
    }

    /// How a callback stands that was handed over when it was written down, or read a while ago:
    /// to be asked before it leaves. What is known outside is only a copy.
    pub fn standing(&self, id: i64, attempts: u32) -> Result<Standing, Error> {
        let sql = "SELECT head AND attempts = $2 FROM owed WHERE id = $1";
        let values = [Value::number(id), Value::number(attempts.into())];
        let read = |row: &Row| Ok(row.get::<_, bool>(0)?);
        let found = self
            .0
            .peek(|connection| connection.first(sql, &values, read))?;
        Ok(match found {
            Some(true) => Standing::Next,
            Some(false) => Standing::Later,
            None => Standing::Gone,
        })
    }

    /// When the next one may be tried; `None` if nothing is owed.
    pub async fn next_due(&self) -> Result<Option<Wall>, Error> {
        let sql = "SELECT MIN(next_attempt) FROM owed WHERE head = TRUE";
        let read = |row: &Row| Ok(row.get::<_, Option<i64>>(0)?);
        let next = self.0.peek(|connection| connection.first(sql, &[], read))?;
        Ok(next.flatten().map(Wall))
    }

    /// How many are owed.
    pub async fn count(&self) -> Result<u64, Error> {
        let sql = "SELECT COUNT(*) FROM owed";
        let count = self.0.read(|connection| connection.number(sql, &[]));
        Ok(count.await?.max(0) as u64)
    }

    /// How many of one stream are owed.
    pub async fn count_of(&self, stream: CallSid) -> Result<u64, Error> {
        let sql = "SELECT COUNT(*) FROM owed WHERE stream = $1";
        let values = [Value::text(stream)];
        let count = self.0.peek(|connection| connection.number(sql, &values))?;
        Ok(count.max(0) as u64)
    }

    /// It arrived: the next of its stream may follow. Whether it was still owed.
    pub async fn delivered(&self, id: i64) -> Result<bool, Error> {
        // Only the next of its stream waits for that, and can wait some milliseconds.
        self.0
            .queue()
            .work(Haste::Leisure, move |connection| strike(connection, id))
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
                let sql =
                    "UPDATE owed SET attempts = attempts + 1, next_attempt = $1 WHERE id = $2";
                let values = [Value::number(next_attempt.0), Value::number(id)];
                Ok(connection.execute(sql, &values)? > 0)
            })
            .await
    }
}

/// Strikes callbacks that arrived, or never will.
pub(crate) fn strike_all(connection: &mut Connection, ids: Vec<i64>) -> Result<(), Error> {
    ids.into_iter()
        .try_for_each(|id| strike(connection, id).map(drop))
}

fn read(row: &Row) -> Result<Outstanding, Error> {
    Ok(Outstanding {
        id: row.get(0)?,
        token: row.get(1)?,
        attempts: row.get::<_, i64>(2)?.clamp(0, u32::MAX.into()) as u32,
        next_attempt: Wall(row.get(3)?),
        owed: serde_json::from_str(text(row, 4)?).map_err(|fault| Error::Unreadable {
            table: TABLE,
            fault: fault.to_string(),
        })?,
    })
}

/// Strikes what is owed about a call, in its own stream or that of the call whose `Dial` made it.
pub(crate) fn withdraw(connection: &mut Connection, call: &CallRecord) -> Result<(), Error> {
    for stream in [Some(call.sid), call.parent].into_iter().flatten() {
        let sql = "SELECT id, record FROM owed WHERE stream = $1";
        let all = connection.all(sql, &[Value::text(stream)], |row| {
            // One that cannot be read is nobody's; it must not keep the call from going.
            let owed: Option<Owed> = serde_json::from_str(text(row, 1)?).ok();
            Ok((row.get(0)?, owed))
        })?;
        for (id, owed) in all {
            if owed.is_some_and(|owed| owed.call == call.sid) {
                strike(connection, id)?;
            }
        }
    }
    Ok(())
}

/// Takes one out, and makes the next of its stream the head.
fn strike(connection: &mut Connection, id: i64) -> Result<bool, Error> {
    let sql = "DELETE FROM owed WHERE id = $1 RETURNING stream";
    let read = |row: &Row| Ok(row.get::<_, String>(0)?);
    let Some(stream) = connection.first(sql, &[Value::number(id)], read)? else {
        return Ok(false);
    };
    connection.execute(
        "UPDATE owed SET head = TRUE WHERE id = (SELECT MIN(id) FROM owed WHERE stream = $1)",
        &[Value::text(stream)],
    )?;
    Ok(true)
}
