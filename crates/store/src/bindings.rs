//! Registrations, to be put back after a restart.

use model::binding::Binding;
use model::now::Wall;
use sqlx::Row as _;

use crate::error::Error;
use crate::rows::text_of;
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
                Box::pin(async move {
                    for change in changes {
                        match change {
                            BindingChange::Put(binding) => {
                                sqlx::query(
                                    "INSERT INTO bindings (aor, contact, expires, record) \
                                     VALUES ($1, $2, $3, $4) \
                                     ON CONFLICT (aor, contact) DO UPDATE \
                                     SET expires = excluded.expires, record = excluded.record",
                                )
                                .bind(&binding.aor)
                                .bind(&binding.contact)
                                .bind(binding.expires.0)
                                .bind(text_of(TABLE, &binding)?)
                                .execute(&mut *connection)
                                .await?;
                            }
                            BindingChange::Remove { aor, contact } => {
                                sqlx::query("DELETE FROM bindings WHERE aor = $1 AND contact = $2")
                                    .bind(aor)
                                    .bind(contact)
                                    .execute(&mut *connection)
                                    .await?;
                            }
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Those that end after `then`, the one that ends last at the end; the others are removed.
    pub async fn after(&self, then: Wall) -> Result<Vec<Binding>, Error> {
        self.0
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM bindings WHERE expires <= $1")
                        .bind(then.0)
                        .execute(&mut *connection)
                        .await?;
                    Ok(())
                })
            })
            .await?;
        let rows = sqlx::query("SELECT record FROM bindings ORDER BY expires, aor, contact")
            .fetch_all(&mut *self.0.reader().await?)
            .await?;
        rows.iter()
            .map(|row| {
                serde_json::from_str(row.try_get(0)?).map_err(|fault| Error::Unreadable {
                    table: TABLE,
                    fault: fault.to_string(),
                })
            })
            .collect()
    }
}
