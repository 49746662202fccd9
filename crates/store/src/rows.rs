//! How records become rows, and lists become pages: the SQL that all aggregates share.

use model::now::Wall;
use model::page::{Cursor, Page, PageRequest, Side};
use serde::{Serialize, de::DeserializeOwned};

use crate::connection::{Connection, Row, Value};
use crate::error::Error;

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
    fn removing(_connection: &mut Connection, _sid: &str) -> Result<(), Error> {
        Ok(())
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
pub(crate) fn read<R: Record>(row: &Row) -> Result<R, Error> {
    serde_json::from_str(text(row, 0)?).map_err(|fault| Error::Unreadable {
        table: R::TABLE,
        fault: fault.to_string(),
    })
}

/// A column that holds text, without copying it.
pub(crate) fn text<'r>(row: &'r Row, column: usize) -> Result<&'r str, Error> {
    let value = row.get_ref(column)?;
    value
        .as_str()
        .map_err(|fault| Error::Database(fault.to_string()))
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
pub(crate) fn insert<R: Record>(connection: &mut Connection, record: &R) -> Result<(), Error> {
    let room = record.room();
    if count::<R>(connection, &room)? >= R::LIMIT {
        return Err(Error::Full {
            what: R::TABLE,
            limit: R::LIMIT,
        });
    }
    append(connection, record)
}

/// Adds a record to a table that is bounded otherwise.
pub(crate) fn append<R: Record>(connection: &mut Connection, record: &R) -> Result<(), Error> {
    let (names, values) = columns(record)?;
    connection.execute(&insertion(R::TABLE, &names), &values)?;
    Ok(())
}

/// Writes a record over the one with its `sid`.
pub(crate) fn replace<R: Record>(connection: &mut Connection, record: &R) -> Result<(), Error> {
    let (names, values) = columns(record)?;
    let sets: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("{name} = ${}", index + 1))
        .collect();
    let sql = format!("UPDATE {} SET {} WHERE sid = $1", R::TABLE, sets.join(", "));
    connection.execute(&sql, &values)?;
    Ok(())
}

/// The one record that fits.
pub(crate) fn find<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<Option<R>, Error> {
    let sql = format!("SELECT record FROM {} WHERE {}", R::TABLE, filters.sql(1));
    connection.first(&sql, &filters.values(), read)
}

/// Everything that fits, oldest first, up to `R::LIMIT`.
pub(crate) fn all<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<Vec<R>, Error> {
    let sql = format!(
        "SELECT record FROM {} WHERE {} ORDER BY created, sid LIMIT {}",
        R::TABLE,
        filters.sql(1),
        R::LIMIT
    );
    connection.all(&sql, &filters.values(), read)
}

/// How many fit.
pub(crate) fn count<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<u64, Error> {
    let sql = format!("SELECT COUNT(*) FROM {} WHERE {}", R::TABLE, filters.sql(1));
    let count = connection.number(&sql, &filters.values())?;
    Ok(count.max(0) as u64)
}

/// Changes the record that fits, and returns it as it is now.
pub(crate) fn update<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
    change: impl FnOnce(&mut R) + Send,
) -> Result<Option<R>, Error> {
    let Some(mut record) = find::<R>(connection, filters)? else {
        return Ok(None);
    };
    change(&mut record);
    replace(connection, &record)?;
    Ok(Some(record))
}

/// Removes the record that fits, with what belongs to it; says whether there was one.
pub(crate) fn remove<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
) -> Result<bool, Error> {
    let Some(record) = find::<R>(connection, filters)? else {
        return Ok(false);
    };
    R::removing(connection, &record.sid())?;
    delete(connection, R::TABLE, filters)?;
    Ok(true)
}

/// Deletes every row that fits; says how many there were.
pub(crate) fn delete(
    connection: &mut Connection,
    table: &'static str,
    filters: &Filters,
) -> Result<u64, Error> {
    let sql = format!("DELETE FROM {table} WHERE {}", filters.sql(1));
    connection.execute(&sql, &filters.values())
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
    let before = matches!(&request.cursor, Some(cursor) if cursor.side != Side::After);
    // Reading back from a boundary, the nearest come first; they are turned round afterwards.
    let descending = (order == Order::NewestFirst) != before;
    let (comparison, direction) = if descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let mut values = filters.values();
    let mut condition = filters.sql(1);
    if let Some(cursor) = request.cursor.as_ref().filter(|c| c.side != Side::Last) {
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
        length(request) + 1
    );
    (sql, values)
}

/// How many items a page has at most.
fn length(request: &PageRequest) -> usize {
    let size = usize::from(request.size.items());
    match &request.cursor {
        Some(cursor) if cursor.side == Side::Last => {
            usize::try_from(cursor.created.0).map_or(size, |rest| rest.clamp(1, size))
        }
        _ => size,
    }
}

/// One page of what fits.
pub(crate) fn page<R: Record>(
    connection: &mut Connection,
    filters: &Filters,
    order: Order,
    request: &PageRequest,
) -> Result<Page<R>, Error> {
    let (sql, values) = page_statement::<R>(filters, order, request);
    let mut rows = connection.all(&sql, &values, |row| {
        Ok((read::<R>(row)?, Wall(row.get(1)?), row.get::<_, String>(2)?))
    })?;
    let size = length(request);
    let more = rows.len() > size;
    rows.truncate(size);
    let side = request.cursor.as_ref().map(|cursor| cursor.side);
    if matches!(side, Some(Side::Before | Side::Last)) {
        rows.reverse();
    }
    let boundary = |row: Option<&(R, Wall, String)>, side| {
        row.map(|(_, created, key)| Cursor {
            side,
            created: *created,
            key: key.clone(),
        })
    };
    let following = match side {
        None | Some(Side::After) => more,
        Some(Side::Before) => true,
        Some(Side::Last) => false,
    };
    let preceding = match side {
        None => false,
        Some(Side::After) => true,
        Some(Side::Before | Side::Last) => more,
    };
    let total = match request.counted {
        true => Some(count::<R>(connection, filters)?),
        false => None,
    };
    Ok(Page {
        total,
        next: boundary(rows.last().filter(|_| following), Side::After),
        previous: boundary(rows.first().filter(|_| preceding), Side::Before),
        items: rows.into_iter().map(|(record, _, _)| record).collect(),
    })
}

/// The next number of a counter, after setting `count` of them aside: the first of those.
pub(crate) fn numbers(
    connection: &mut Connection,
    counter: &'static str,
    count: usize,
) -> Result<i64, Error> {
    let sql = "UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value";
    let values = [Value::number(count as i64), Value::text(counter)];
    let last = connection.number(sql, &values)?;
    Ok(last - count as i64 + 1)
}
