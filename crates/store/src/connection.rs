//! A connection: the one place that knows which database it is. PostgreSQL becomes a second arm
//! here.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, ToSql};

use crate::error::Error;

/// How long a statement waits for a lock that another connection holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Statements that stay prepared: more than there are different ones.
const PREPARED: usize = 256;

/// A row that was found; its columns are read by their place, from 0.
pub(crate) type Row<'r> = rusqlite::Row<'r>;

/// A value of a column.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// TEXT.
    Text(Option<String>),
    /// BIGINT.
    Number(Option<i64>),
    /// BOOLEAN.
    Flag(bool),
}

impl Value {
    /// The text of anything that has one.
    pub(crate) fn text(value: impl ToString) -> Value {
        Value::Text(Some(value.to_string()))
    }

    /// A number.
    pub(crate) fn number(value: i64) -> Value {
        Value::Number(Some(value))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::Number(Some(number)) => ValueRef::Integer(*number),
            Value::Flag(flag) => ValueRef::Integer((*flag).into()),
            Value::Text(None) | Value::Number(None) => ValueRef::Null,
        }))
    }
}

/// A connection. Statements are written with `$1`, `$2`, ... and stay prepared.
pub(crate) struct Connection(rusqlite::Connection);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one writer.
    Write,
    /// One of the readers.
    Read,
}

impl Connection {
    /// Opens a file, or memory of its own where there is none.
    pub(crate) fn open(path: Option<&Path>, purpose: Purpose) -> Result<Connection, Error> {
        // Each connection is used by one thread at a time: SQLite need not lock it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match path {
            Some(path) => rusqlite::Connection::open_with_flags(path, flags)?,
            None => rusqlite::Connection::open_in_memory_with_flags(flags)?,
        };
        connection.set_prepared_statement_cache_capacity(PREPARED);
        connection.busy_timeout(PATIENCE)?;
        if path.is_some() {
            connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What a savepoint may have to undo is kept in memory, not in a file made for it.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        match purpose {
            Purpose::Write => {
                // 16 MB each: the pages that every call changes stay at hand, and are carried over
                // from the log seldom.
                connection.pragma_update(None, "cache_size", -16_384)?;
                connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
            }
            Purpose::Read => connection.pragma_update(None, "query_only", true)?,
        }
        Ok(Connection(connection))
    }

    /// Lets go of what is kept in memory and can be read again.
    pub(crate) fn shrink(&mut self) {
        self.0.flush_prepared_statement_cache();
        // Fails only if the database does, which the next statement will tell.
        let _ = self.0.execute_batch("PRAGMA shrink_memory");
    }

    /// Runs statements that have no values and no rows.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Error> {
        Ok(self.0.execute_batch(sql)?)
    }

    /// Runs a statement that has no rows; says how many it changed.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    /// The first row, read.
    pub(crate) fn first<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        read: impl FnOnce(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        rows.next()?.map(read).transpose()
    }

    /// The number in the only row of a statement that always has one.
    pub(crate) fn number(&mut self, sql: &str, values: &[Value]) -> Result<i64, Error> {
        let found = self.first(sql, values, |row| Ok(row.get::<_, Option<i64>>(0)?))?;
        Ok(found.flatten().unwrap_or_default())
    }

    /// All rows, read.
    pub(crate) fn all<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        mut read: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }
}

/// Binds `$N` to the N-th value. To SQLite `$N` is a name, numbered by its first appearance.
fn bind(statement: &mut rusqlite::Statement, values: &[Value]) -> Result<(), Error> {
    for index in 1..=statement.parameter_count() {
        let place = statement
            .parameter_name(index)
            .and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let value = place.and_then(|place| values.get(place.checked_sub(1)?));
        let value = value.ok_or_else(|| Error::Database(format!("no value for place {index}")))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bound_by_their_number_not_by_their_order() {
        let mut connection = Connection::open(None, Purpose::Write).unwrap();
        let values = [Value::text("a"), Value::number(2), Value::Flag(true)];
        let row = connection
            .first("SELECT $3, $1, $2, $1", &values, |row| {
                Ok((
                    row.get::<_, bool>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, String>(3)?,
                ))
            })
            .unwrap();
        assert_eq!(row, Some((true, "a".into(), 2, "a".into())));
        assert!(connection.execute("SELECT $4", &values).is_err());
    }
}
