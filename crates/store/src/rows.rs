//! How records become rows, and lists become pages: the SQL that all aggregates share.

use model::now::Wall;
use model::page::{Cursor, Page, PageRequest, Side};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, query::Query};

use crate::error::Error;
use crate::writer::Connection;

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
}

/// A statement with numbered places, its values following one by one.
pub(crate) fn statement(
    sql: String,
    values: impl IntoIterator<Item = Value>,
) -> Query<'static, Sqlite, SqliteArguments> {
    // Safe: every text below is put together of constants; values are always bound.
    values.into_iter().fold(
        sqlx::query(AssertSqlSafe(sql)),
        |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
        },
    )
}

/// A record that is kept as a row: what is searched in columns, everything in `record`.
pub(crate) trait Record:
    Serialize + DeserializeOwned + Send + Sync + Unpin + 'static
{
    /// Its table; it has the columns `sid`, `account`, `created`, `record`.
    const TABLE: &'static str;
    /// Further columns.
    const SEARCHED: &'static [&'static str] = &[];
    /// How many there may be within `Record::room`.
    const LIMIT: u64 = 10_000;

    /// Value of `sid`: unique, letters and digits.
    fn sid(&self) -> String;
    /// Value of `account`.
    fn account(&self) -> String;
    /// Value of `created`.
    fn created(&self) -> Wall;
    /// Values of the further columns, in their order.
    fn searched(&self) -> Vec<Value> {
        Vec::new()
    }
    /// The rows that count against the limit: those of the account, unless said otherwise.
    fn room(&self) -> Filters {
        Filters::default().eq("account", self.account())
    }
    /// What else must be done, or forbids it, when the record with this `sid` is removed.
    fn removing(
        _connection: &mut Connection,
        _sid: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
}

/// From when until when, both included; nothing means without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The first moment.
    pub from: Option<Wall>,
    /// The last moment.
    pub until: Option<Wall>,
}

/// Conditions, all of which must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters(Vec<(&'static str, &'static str, Value)>);

impl Filters {
    /// The column has this value.
    pub(crate) fn eq(mut self, column: &'static str, value: impl ToString) -> Self {
        self.0.push((column, "=", Value::text(value)));
        self
    }

    /// The column has this value, if there is one to ask for.
    pub(crate) fn eq_if(self, column: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.eq(column, value),
            None => self,
        }
    }

    /// The flag is as asked for, if it is asked for.
    pub(crate) fn flag_if(mut self, column: &'static str, value: Option<bool>) -> Self {
        if let Some(value) = value {
            self.0.push((column, "=", Value::Flag(value)));
        }
        self
    }

    /// The column is within a range of time.
    pub(crate) fn within(mut self, column: &'static str, range: Range) -> Self {
        for (comparison, bound) in [(">=", range.from), ("<=", range.until)] {
            if let Some(Wall(micros)) = bound {
                self.0
                    .push((column, comparison, Value::Number(Some(micros))));
            }
        }
        self
    }

    /// The column contains a text, in which `*` stands for anything.
    pub(crate) fn like_if(mut self, column: &'static str, pattern: Option<&str>) -> Self {
        if let Some(pattern) = pattern {
            let mut like = String::from("%");
            for letter in pattern.chars().take(64) {
                match letter {
                    '*' => like.push('%'),
                    '%' | '_' | '\\' => like.extend(['\\', letter]),
                    _ => like.push(letter),
                }
            }
            like.push('%');
            self.0.push((column, "LIKE", Value::text(like)));
        }
        self
    }

    /// The condition, its places numbered from `first`; `TRUE` if there is none.
    fn sql(&self, first: usize) -> String {
        let mut sql = String::from("TRUE");
        for (index, (column, comparison, _)) in self.0.iter().enumerate() {
            sql += &format!(" AND {column} {comparison} ${}", first + index);
            if *comparison == "LIKE" {
                sql += " ESCAPE '\\'";
            }
        }
        sql
    }

    fn values(&self) -> Vec<Value> {
        self.0.iter().map(|(_, _, value)| value.clone()).collect()
    }
}

/// The record in the first column of a row.
pub(crate) fn read<R: Record>(row: &SqliteRow) -> Result<R, Error> {
    let text: &str = row.try_get(0)?;
    serde_json::from_str(text).map_err(|fault| Error::Unreadable {
        table: R::TABLE,
        fault: fault.to_string(),
    })
}

/// The text under which a record is kept.
pub(crate) fn text_of<T: Serialize>(table: &'static str, record: &T) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|fault| Error::Unreadable {
        table,
        fault: fault.to_string(),
    })
}

/// All columns of a record and their values.
pub(crate) fn columns<R: Record>(record: &R) -> Result<(Vec<&'static str>, Vec<Value>), Error> {
    let mut names = vec!["sid", "account", "created", "record"];
    names.extend(R::SEARCHED);
    let mut values = vec![
        Value::text(record.sid()),
        Value::text(record.account()),
        Value::Number(Some(record.created().0)),
        Value::text(text_of(R::TABLE, record)?),
    ];
    values.extend(record.searched());
    Ok((names, values))
}

/// `$1, $2, ...`
fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// `INSERT INTO ... VALUES (...)` for these columns.
pub(crate) fn insertion(table: &str, names: &[&str]) -> String {
    let places = places(names.len());
    format!(
        "INSERT INTO {table} ({}) VALUES ({places})",
        names.join(", ")
    )
}

/// Adds a record, if there is room for it.
pub(crate) async fn insert<R: Record>(
    connection: &mut Connection,
    record: &R,
) -> Result<(), Error> {
    let room = record.room();
    if count::<R>(connection, &room).await? >= R::LIMIT {
        return Err(Error::Full {
            what: R::TABLE,
            limit: R::LIMIT,
        });
    }
    append(connection, record).await
}

/// Adds a record to a table that is bounded otherwise.
pub(crate) async fn append<R: Record>(
    connection: &mut Connection,
    record: &R,
) -> Result<(), Error> {
    let (names, values) = columns(record)?;
    statement(insertion(R::TABLE, &names), values)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a record over the one with its `sid`.
pub(crate) async fn replace<R: Record>(
    connection: &mut Connection,
    record: &R,
) -> Result<(), Error> {
    let (names, values) = columns(record)?;
    let sets: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("{name} = ${}", index + 1))
        .collect();
    let sql = format!("UPDATE {} SET {} WHERE sid = $1", R::TABLE, sets.join(", "));
    statement(sql, values).execute(connection).await?;
    Ok(())
}

/// The one record that fits.
pub(crate) async fn find<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<Option<R>, Error> {
    let sql = format!("SELECT record FROM {} WHERE {}", R::TABLE, filters.sql(1));
    let row = statement(sql, filters.values())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Everything that fits, oldest first, up to `R::LIMIT`.
pub(crate) async fn all<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<Vec<R>, Error> {
    let sql = format!(
        "SELECT record FROM {} WHERE {} ORDER BY created, sid LIMIT {}",
        R::TABLE,
        filters.sql(1),
        R::LIMIT
    );
    let rows = statement(sql, filters.values())
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// How many fit.
pub(crate) async fn count<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<u64, Error> {
    let sql = format!("SELECT COUNT(*) FROM {} WHERE {}", R::TABLE, filters.sql(1));
    let count: i64 = statement(sql, filters.values())
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    Ok(count.max(0) as u64)
}

/// Changes the record that fits, and returns it as it is now.
pub(crate) async fn update<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
    change: impl FnOnce(&mut R) + Send,
) -> Result<Option<R>, Error> {
    let Some(mut record) = find::<R>(connection, filters).await? else {
        return Ok(None);
    };
    change(&mut record);
    replace(connection, &record).await?;
    Ok(Some(record))
}

/// Removes the record that fits, with what belongs to it; says whether there was one.
pub(crate) async fn remove<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<bool, Error> {
    let Some(record) = find::<R>(connection, filters).await? else {
        return Ok(false);
    };
    R::removing(connection, &record.sid()).await?;
    delete(connection, R::TABLE, filters).await?;
    Ok(true)
}

/// Deletes every row that fits; says how many there were.
pub(crate) async fn delete(
    connection: &mut Connection,
    table: &'static str,
    filters: &Filters,
) -> Result<u64, Error> {
    let sql = format!("DELETE FROM {table} WHERE {}", filters.sql(1));
    let done = statement(sql, filters.values()).execute(connection).await?;
    Ok(done.rows_affected())
}

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As the API lists nearly everything.
    NewestFirst,
    /// As it lists the events of a call.
    OldestFirst,
}

/// The statement that reads a page.
pub(crate) fn page_statement<R: Record>(
    filters: &Filters,
    order: Order,
    request: &PageRequest,
) -> (String, Vec<Value>) {
    let before = matches!(&request.cursor, Some(cursor) if cursor.side == Side::Before);
    // Reading back from a boundary, the nearest come first; they are turned round afterwards.
    let descending = (order == Order::NewestFirst) != before;
    let (comparison, direction) = if descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let mut values = filters.values();
    let mut condition = filters.sql(1);
    if let Some(cursor) = &request.cursor {
        let place = values.len() + 1;
        condition += &format!(
            " AND (created, sid) {comparison} (${place}, ${})",
            place + 1
        );
        values.push(Value::Number(Some(cursor.created.0)));
        values.push(Value::text(&cursor.key));
    }
    let sql = format!(
        "SELECT record, created, sid FROM {} WHERE {condition} \
         ORDER BY created {direction}, sid {direction} LIMIT {}",
        R::TABLE,
        usize::from(request.size.items()) + 1
    );
    (sql, values)
}

/// One page of what fits.
pub(crate) async fn page<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
    order: Order,
    request: &PageRequest,
) -> Result<Page<R>, Error> {
    let (sql, values) = page_statement::<R>(filters, order, request);
    let mut rows = statement(sql, values).fetch_all(&mut *connection).await?;
    let size = usize::from(request.size.items());
    let more = rows.len() > size;
    rows.truncate(size);
    let side = request.cursor.as_ref().map(|cursor| cursor.side);
    if side == Some(Side::Before) {
        rows.reverse();
    }
    let boundary = |row: Option<&SqliteRow>, side| -> Result<Option<Cursor>, Error> {
        row.map(|row| {
            Ok(Cursor {
                side,
                created: Wall(row.try_get(1)?),
                key: row.try_get(2)?,
            })
        })
        .transpose()
    };
    let following = side == Some(Side::Before) || more;
    let preceding = match side {
        None => false,
        Some(Side::After) => true,
        Some(Side::Before) => more,
    };
    let total = match request.counted {
        true => Some(count::<R>(connection, filters).await?),
        false => None,
    };
    Ok(Page {
        total,
        next: boundary(rows.last().filter(|_| following), Side::After)?,
        previous: boundary(rows.first().filter(|_| preceding), Side::Before)?,
        items: rows.iter().map(read).collect::<Result<_, _>>()?,
    })
}

/// The next number of a counter, after setting `count` of them aside: the first of those.
pub(crate) async fn numbers(
    connection: &mut Connection,
    counter: &'static str,
    count: usize,
) -> Result<i64, Error> {
    let last: i64 =
        sqlx::query("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value")
            .bind(count as i64)
            .bind(counter)
            .fetch_one(connection)
            .await?
            .try_get(0)?;
    Ok(last - count as i64 + 1)
}
