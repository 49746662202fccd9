//! Wills: what is owed at the end of a live call, should the process not live to see it (D10).

use model::owed::Owed;
use model::sid::CallSid;
use sqlx::Row as _;

use crate::calls::Calls;
use crate::error::Error;
use crate::rows::text_of;
use crate::writer::Connection;

const TABLE: &str = "wills";

/// Keeps the newest will of each call, or strikes it; a call that has ended gets none.
pub(crate) async fn keep(
    connection: &mut Connection,
    wills: Vec<(CallSid, Option<Owed>)>,
) -> Result<(), Error> {
    for (call, will) in wills {
        let Some(will) = will else {
            strike(connection, call).await?;
            continue;
        };
        // An unchanged will is not written again.
        sqlx::query(
            "INSERT INTO wills (call, record) \
             SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM calls WHERE sid = $1 AND final = FALSE) \
             ON CONFLICT (call) DO UPDATE SET record = excluded.record \
             WHERE wills.record <> excluded.record",
        )
        .bind(call.to_string())
        .bind(text_of(TABLE, &will)?)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Strikes the will of a call, if it has one.
pub(crate) async fn strike(connection: &mut Connection, call: CallSid) -> Result<(), Error> {
    sqlx::query("DELETE FROM wills WHERE call = $1")
        .bind(call.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

impl Calls<'_> {
    /// What is owed at the end of a live call that ends by the death of the process. Whoever ends
    /// such a call puts it into the [`Change`](crate::Change) that does.
    pub async fn will(&self, call: CallSid) -> Result<Option<Owed>, Error> {
        let row = sqlx::query("SELECT record FROM wills WHERE call = $1")
            .bind(call.to_string())
            .fetch_optional(&mut *self.0.reader().await?)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let will = serde_json::from_str(row.try_get(0)?);
        will.map(Some).map_err(|fault| Error::Unreadable {
            table: TABLE,
            fault: fault.to_string(),
        })
    }
}
