//! Wills: what is owed at the end of a live call, should the process not live to see it (D10).

use model::owed::Owed;
use model::sid::CallSid;

use crate::calls::Calls;
use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::{text, text_of};

const TABLE: &str = "wills";

/// Keeps the newest will of each call, or strikes it; a call that has ended gets none.
pub(crate) fn keep(
    connection: &mut Connection,
    wills: Vec<(CallSid, Option<Owed>)>,
) -> Result<(), Error> {
    for (call, will) in wills {
        let Some(will) = will else {
            strike(connection, call)?;
            continue;
        };
        // An unchanged will is not written again.
        connection.execute(
            "INSERT INTO wills (call, record) \
             SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM calls WHERE sid = $1 AND final = FALSE) \
             ON CONFLICT (call) DO UPDATE SET record = excluded.record \
             WHERE wills.record <> excluded.record",
            &[Value::text(call), Value::text(text_of(TABLE, &will)?)],
        )?;
    }
    Ok(())
}

/// Strikes the will of a call, if it has one.
pub(crate) fn strike(connection: &mut Connection, call: CallSid) -> Result<(), Error> {
    let sql = "DELETE FROM wills WHERE call = $1";
    connection.execute(sql, &[Value::text(call)])?;
    Ok(())
}

impl Calls<'_> {
    /// What is owed at the end of a live call that ends by the death of the process. Whoever ends
    /// such a call puts it into the [`Change`](crate::Change) that does.
    pub async fn will(&self, call: CallSid) -> Result<Option<Owed>, Error> {
        let sql = "SELECT record FROM wills WHERE call = $1";
        self.0.peek(|connection| {
            connection.first(sql, &[Value::text(call)], |row| {
                serde_json::from_str(text(row, 0)?).map_err(|fault| Error::Unreadable {
                    table: TABLE,
                    fault: fault.to_string(),
                })
            })
        })
    }
}
