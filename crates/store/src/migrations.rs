//! The numbered steps of the schema, and how a database gets to the last of them.

use crate::connection::{Connection, Value};
use crate::error::Error;

/// Number and text, in order. A step that was released is never changed; a new one is added.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_first.sql")),
    (2, include_str!("../migrations/0002_wills.sql")),
    (3, include_str!("../migrations/0003_bindings.sql")),
    (4, include_str!("../migrations/0004_life.sql")),
    (5, include_str!("../migrations/0005_telemetry.sql")),
    (6, include_str!("../migrations/0006_requests.sql")),
    (7, include_str!("../migrations/0007_validations.sql")),
];

/// Brings a database to the newest step, each step in a transaction of its own.
pub(crate) fn run(connection: &mut Connection) -> Result<(), Error> {
    connection
        .script("CREATE TABLE IF NOT EXISTS migrations (step BIGINT NOT NULL PRIMARY KEY)")?;
    let found = connection.number("SELECT COALESCE(MAX(step), 0) FROM migrations", &[])?;
    let known = STEPS.last().map_or(0, |(step, _)| *step);
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    for (step, text) in STEPS.iter().filter(|(step, _)| *step > found) {
        connection.script("BEGIN IMMEDIATE")?;
        let done = connection.script(text).and_then(|()| {
            let sql = "INSERT INTO migrations (step) VALUES ($1)";
            connection.execute(sql, &[Value::number(*step)])?;
            connection.script("COMMIT")
        });
        if let Err(error) = done {
            let _ = connection.script("ROLLBACK");
            return Err(error);
        }
        tracing::info!(step, "the database has reached a new step of its schema");
    }
    Ok(())
}
