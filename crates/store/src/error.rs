//! What can go wrong, by who must act.

use std::path::PathBuf;

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The asker chose something that another record has already: a number, a domain name.
    #[error("taken: another record has this value")]
    Taken,
    /// The asker wants to remove what another record still refers to.
    #[error("in use: {0}")]
    InUse(&'static str),
    /// The asker wants to remove a call that is still running.
    #[error("the call is still running")]
    Running,
    /// The asker has as many as there may be.
    #[error("full: no more than {limit} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// The operator must end the other process, or choose another directory.
    #[error("{} is in use by another switchboard{owner}: stop it, or give this one a data directory of its own", path.display())]
    Locked {
        /// The file that is locked.
        path: PathBuf,
        /// Who holds it, as far as is known: ` (process 123)`.
        owner: String,
    },
    /// The operator must install a newer version.
    #[error(
        "the database was written by a newer version: it is at migration {found}, this version knows {known}"
    )]
    TooNew {
        /// The newest migration in the database.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// The operator must look: the disk is full, the file unreadable, ...
    #[error("database: {0}")]
    Database(String),
    /// We have a fault: a record does not read back.
    #[error("a record of {table} cannot be read: {fault}")]
    Unreadable {
        /// Where it is.
        table: &'static str,
        /// What the reader said.
        fault: String,
    },
    /// The process is ending: nothing is written any more.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi;
        let code = error.sqlite_error().map(|fault| fault.extended_code);
        match code {
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Error::Taken,
            _ => Error::Database(error.to_string()),
        }
    }
}
