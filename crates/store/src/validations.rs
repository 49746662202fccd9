//! Validation requests whose call is not over. There is one for each such call at most, and calls
//! are bounded.

use model::phone_number::OutgoingCallerId;
use model::sid::CallSid;
use model::validation::ValidationRequest;

use crate::caller_ids::CallerIds;
use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::owed::IdempotencyToken;
use crate::rows::{self, Filters, text, text_of};

const TABLE: &str = "validations";

/// Writes requests down.
pub(crate) fn append(
    connection: &mut Connection,
    validations: Vec<ValidationRequest>,
) -> Result<(), Error> {
    for request in validations {
        connection.execute(
            "INSERT INTO validations (call, record) VALUES ($1, $2)",
            &[
                Value::text(request.call),
                Value::text(text_of(TABLE, &request)?),
            ],
        )?;
    }
    Ok(())
}

fn find(connection: &mut Connection, call: CallSid) -> Result<Option<ValidationRequest>, Error> {
    let sql = "SELECT record FROM validations WHERE call = $1";
    connection.first(sql, &[Value::text(call)], |row| {
        serde_json::from_str(text(row, 0)?).map_err(|fault| Error::Unreadable {
            table: TABLE,
            fault: fault.to_string(),
        })
    })
}

impl CallerIds<'_> {
    /// The request whose code this call asks for, while it is open.
    pub async fn validation(&self, call: CallSid) -> Result<Option<ValidationRequest>, Error> {
        self.0.peek(|connection| find(connection, call))
    }

    /// Ends a request, in one step with what follows: the number counts as the account's if
    /// `verified`, and the outcome is owed. Whether the request was open; if not, nothing happens.
    ///
    /// A number that the account verified meanwhile keeps the identifier it has.
    pub async fn conclude(
        &self,
        call: CallSid,
        verified: Option<OutgoingCallerId>,
        token: IdempotencyToken,
        now: model::now::Wall,
    ) -> Result<bool, Error> {
        self.0
            .write(move |connection| {
                let Some(request) = find(connection, call)? else {
                    return Ok(false);
                };
                let sql = "DELETE FROM validations WHERE call = $1";
                connection.execute(sql, &[Value::text(call)])?;
                let mut sid = None;
                if let Some(id) = verified {
                    let same = Filters::default()
                        .eq("account", id.account)
                        .eq("phone_number", &id.phone_number);
                    sid = match rows::find::<OutgoingCallerId>(connection, &same)? {
                        Some(known) => Some(known.sid),
                        None => {
                            rows::insert(connection, &id)?;
                            Some(id.sid)
                        }
                    };
                }
                let owed = request.report(sid, now).map(|owed| (owed, token));
                crate::owed::append(connection, owed.into_iter().collect())?;
                Ok(true)
            })
            .await
    }
}
