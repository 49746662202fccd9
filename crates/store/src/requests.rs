//! Requests that named themselves, so that asking again makes nothing new (race B9).

use model::now::Wall;
use model::sid::{AccountSid, CallSid};

use crate::calls::Calls;
use crate::connection::{Connection, Value};
use crate::error::Error;
use crate::rows::text;

const TABLE: &str = "requests";

/// How long a request is known, in microseconds: a day, as callbacks are owed for.
const LIFE: i64 = 86_400_000_000;

/// A request that made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Who asked.
    pub account: AccountSid,
    /// The name that was given to the request.
    pub key: String,
    /// What was asked, to tell another request under the same name.
    pub body: String,
    /// What came of it.
    pub call: CallSid,
    /// When.
    pub created: Wall,
}

/// Writes requests down; `Taken` if one of that name is known already.
pub(crate) fn append(
    connection: &mut Connection,
    requests: Vec<KeyedRequest>,
) -> Result<(), Error> {
    for request in requests {
        let old = Value::number(request.created.0 - LIFE);
        connection.execute("DELETE FROM requests WHERE created < $1", &[old])?;
        let (account, key) = (Value::text(request.account), Value::text(&request.key));
        let known = connection.number(
            "SELECT COUNT(*) FROM requests WHERE account = $1 AND key = $2",
            &[account.clone(), key.clone()],
        )?;
        if known > 0 {
            return Err(Error::Taken);
        }
        connection.execute(
            "INSERT INTO requests (account, key, body, call, created) \
             VALUES ($1, $2, $3, $4, $5)",
            &[
                account,
                key,
                Value::Text(Some(request.body)),
                Value::text(request.call),
                Value::number(request.created.0),
            ],
        )?;
    }
    Ok(())
}

impl Calls<'_> {
    /// The request of this name that an account made less than a day ago.
    pub async fn requested(
        &self,
        account: AccountSid,
        key: &str,
        now: Wall,
    ) -> Result<Option<KeyedRequest>, Error> {
        let sql = "SELECT body, call, created FROM requests \
                   WHERE account = $1 AND key = $2 AND created >= $3";
        let values = [
            Value::text(account),
            Value::text(key),
            Value::number(now.0 - LIFE),
        ];
        let key = key.to_owned();
        self.0.peek(move |connection| {
            connection.first(sql, &values, |row| {
                let call = text(row, 1)?.parse();
                let call = call.map_err(|fault: model::sid::SidError| Error::Unreadable {
                    table: TABLE,
                    fault: fault.to_string(),
                })?;
                Ok(KeyedRequest {
                    account,
                    key: key.clone(),
                    body: text(row, 0)?.to_owned(),
                    call,
                    created: Wall(row.get(2)?),
                })
            })
        })
    }
}
