//! The numbered steps of the schema, and how a database gets to the last of them.

use sqlx::{Connection as _, Row as _};

use crate::error::Error;
use crate::writer::Connection;

/// Number and text, in order. A step that was released is never changed; a new one is added.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_first.sql")),
    (2, include_str!("../migrations/0002_wills.sql")),
    (3, include_str!("../migrations/0003_bindings.sql")),
    (4, include_str!("../migrations/0004_life.sql")),
];

/// Brings a database to the newest step, each step in a transaction of its own.
pub(crate) async fn run(connection: &mut Connection) -> Result<(), Error> {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (step BIGINT NOT NULL PRIMARY KEY)")
        .execute(&mut *connection)
        .await?;
    let found: i64 = sqlx::query("SELECT COALESCE(MAX(step), 0) FROM migrations")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let known = STEPS.last().map_or(0, |(step, _)| *step);
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    for (step, text) in STEPS.iter().filter(|(step, _)| *step > found) {
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO migrations (step) VALUES ($1)")
            .bind(step)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(step, "the database has reached a new step of its schema");
    }
    Ok(())
}
