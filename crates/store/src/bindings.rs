//! Registrations, to be put back after a restart.

use model::binding::Binding;
use model::now::Wall;

use crate::connection::Value;
use crate::error::Error;
use crate::rows::{text, text_of};
use crate::store::Store;

const TABLE: &str = "bindings";

/// A registration that is new or different, or one that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindingChange {
    /// Write this, over what is known of the same contact.
    Put(Binding),
    /// Forget it.
    Remove {
        /// The address of record.
        aor: String,
        /// The contact.
        contact: String,
    },
}

/// Registrations.
pub struct Bindings<'a>(&'a Store);

impl Store {
    /// Registrations.
    pub fn bindings(&self) -> Bindings<'_> {
        Bindings(self)
    }
}

impl Bindings<'_> {
    /// Writes changes in their order, all or none.
    pub async fn save(&self, changes: Vec<BindingChange>) -> Result<(), Error> {
        self.0
            .write(move |connection| {
                for change in changes {
                    match change {
                        BindingChange::Put(binding) => {
                            let values = [
                                Value::text(&binding.aor),
                                Value::text(&binding.contact),
                                Value::number(binding.expires.0),
                                Value::Text(Some(text_of(TABLE, &binding)?)),
                            ];
                            connection.execute(
                                "INSERT INTO bindings (aor, contact, expires, record) \
                                 VALUES ($1, $2, $3, $4) \
                                 ON CONFLICT (aor, contact) DO UPDATE \
                                 SET expires = excluded.expires, record = excluded.record",
                                &values,
                            )?;
                        }
                        BindingChange::Remove { aor, contact } => {
                            connection.execute(
                                "DELETE FROM bindings WHERE aor = $1 AND contact = $2",
                                &[Value::Text(Some(aor)), Value::Text(Some(contact))],
                            )?;
                        }
                    }
                }
                Ok(())
            })
            .await
    }

    /// Those that end after `then`, the one that ends last at the end; the others are removed.
    pub async fn after(&self, then: Wall) -> Result<Vec<Binding>, Error> {
        self.0
            .write(move |connection| {
                let sql = "DELETE FROM bindings WHERE expires <= $1";
                connection.execute(sql, &[Value::number(then.0)])?;
                connection.all(
                    "SELECT record FROM bindings ORDER BY expires, aor, contact",
                    &[],
                    |row| {
                        serde_json::from_str(text(row, 0)?).map_err(|fault| Error::Unreadable {
                            table: TABLE,
                            fault: fault.to_string(),
                        })
                    },
                )
            })
            .await
    }
}
