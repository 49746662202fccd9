//! The one writer: it takes every waiting write into one commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;
use crate::store::FileLock;

/// The connection that a write is given. PostgreSQL becomes a second arm here.
pub(crate) type Connection = sqlx::SqliteConnection;

/// What a write returns: a future that may use the connection.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

/// How many writes may wait; beyond that, who writes waits too.
pub(crate) const QUEUE: usize = 4096;

/// How many writes share a commit at most, so that the first of them does not wait for long.
const GROUP: usize = 512;

/// Told whether the commit succeeded; then it answers who asked.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A write that ran: its changes stay if it succeeded, and the answer waits for the commit.
struct Ran {
    succeeded: bool,
    answer: Answer,
}

/// The work of a job, whatever it returns to who asked.
type Run = Box<
    dyn for<'c> FnOnce(&'c mut Connection) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>> + Send,
>;

/// Boxes a closure; only as an argument is it inferred to take any lifetime.
fn boxed(
    run: impl for<'c> FnOnce(&'c mut Connection) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>>
    + Send
    + 'static,
) -> Run {
    Box::new(run)
}

/// A write that waits.
pub(crate) struct Job {
    run: Run,
    /// Answers without having run, when the group failed before its turn.
    refuse: mpsc::Sender<Error>,
}

/// How often was committed, and how much.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
}

impl Job {
    /// Wraps a piece of work, and the place where its outcome appears.
    pub(crate) fn new<T, F>(work: F) -> (Job, Outcome<T>)
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel::<Result<T, Error>>();
        let (refuse, refused) = mpsc::channel(1);
        let run = boxed(move |connection| {
            let working = work(connection);
            Box::pin(async move {
                let outcome = working.await;
                Ran {
                    succeeded: outcome.is_ok(),
                    // Nobody listening any more is no fault: the write holds all the same.
                    answer: Box::new(move |committed| {
                        let _ = answer.send(outcome.and_then(|value| committed.map(|()| value)));
                    }),
                }
            })
        });
        (Job { run, refuse }, Outcome { answered, refused })
    }
}

/// Where the outcome of a write appears.
pub(crate) struct Outcome<T> {
    answered: oneshot::Receiver<Result<T, Error>>,
    refused: mpsc::Receiver<Error>,
}

impl<T> Outcome<T> {
    /// Waits for the commit.
    pub(crate) async fn wait(mut self) -> Result<T, Error> {
        match self.answered.await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.refused.recv().await.unwrap_or(Error::Closed)),
        }
    }
}

/// Writes. The server spawns [`Writer::run`]; nothing is written before.
pub struct Writer {
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) pool: SqlitePool,
    pub(crate) counts: Arc<Counts>,
    /// Kept until the last write is on disk.
    pub(crate) _lock: Option<Arc<FileLock>>,
}

impl Writer {
    /// Runs until every [`Store`](crate::Store) is gone and everything they asked for is written.
    ///
    /// A group that cannot be committed is answered with the fault, and the next one is tried: a
    /// full disk may be emptied.
    pub async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.jobs.recv_many(&mut group, GROUP).await > 0 {
            let size = group.len();
            let mut ran = Vec::with_capacity(size);
            let committed = self.commit(&mut group, &mut ran).await;
            match &committed {
                Ok(()) => {
                    self.counts.commits.fetch_add(1, Ordering::Relaxed);
                    self.counts.writes.fetch_add(size as u64, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::error!(%error, writes = size, "a group of writes was lost: who asked was told");
                }
            }
            for answer in ran {
                answer(committed.clone());
            }
            if let Err(error) = committed {
                for job in group.drain(..) {
                    let _ = job.refuse.try_send(error.clone());
                }
                // Whatever is wrong will not be right within a millisecond; do not spin on it.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            group.clear();
        }
        self.pool.close().await;
    }

    /// Runs a group in one transaction. What ran is moved from `group` to `ran`.
    async fn commit(&self, group: &mut Vec<Job>, ran: &mut Vec<Answer>) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        let connection: &mut Connection = &mut connection;
        if execute(connection, "BEGIN IMMEDIATE").await.is_err() {
            // A transaction that could not be ended when its disk failed is still open.
            let _ = execute(connection, "ROLLBACK").await;
            execute(connection, "BEGIN IMMEDIATE").await?;
        }
        let outcome = Self::run_all(connection, group, ran).await;
        let outcome = match outcome {
            Ok(()) => execute(connection, "COMMIT").await,
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            // SQLite may have rolled back by itself (disk full): then this fails, and says nothing.
            let _ = execute(connection, "ROLLBACK").await;
        }
        outcome
    }

    async fn run_all(
        connection: &mut Connection,
        group: &mut Vec<Job>,
        ran: &mut Vec<Answer>,
    ) -> Result<(), Error> {
        group.reverse();
        while let Some(job) = group.pop() {
            execute(connection, "SAVEPOINT job").await?;
            let Ran { succeeded, answer } = (job.run)(connection).await;
            ran.push(answer);
            if !succeeded {
                execute(connection, "ROLLBACK TO SAVEPOINT job").await?;
            }
            execute(connection, "RELEASE SAVEPOINT job").await?;
        }
        Ok(())
    }
}

/// Runs a statement that has no parameters and no rows.
async fn execute(connection: &mut Connection, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::store::{Location, Store};

    /// Adds a row to a table that nobody else counts.
    async fn add(store: &Store, name: &'static str) -> Result<(), Error> {
        store
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("INSERT INTO counters (name, value) VALUES ($1, 0)")
                        .bind(name)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn exists(store: &Store, name: &'static str) -> bool {
        sqlx::query("SELECT 1 FROM counters WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *store.reader().await.unwrap())
            .await
            .unwrap()
            .is_some()
    }

    #[tokio::test]
    async fn when_a_group_is_lost_everybody_is_told_and_the_next_group_is_written() {
        let (store, writer) = Store::open(Location::Memory).await.unwrap();
        let spawn = |name| {
            let store = store.clone();
            tokio::spawn(async move { add(&store, name).await })
        };
        let before = spawn("before");
        // What SQLite does by itself when the disk is full: the whole transaction is gone.
        let culprit = {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(|connection| {
                        Box::pin(async move { super::execute(connection, "ROLLBACK").await })
                    })
                    .await
            })
        };
        let behind = spawn("behind");
        tokio::task::yield_now().await;
        let _writing = tokio::spawn(writer.run());
        for outcome in [before, culprit, behind] {
            let outcome = outcome.await.unwrap();
            assert!(matches!(outcome, Err(Error::Database(_))), "{outcome:?}");
        }
        assert!(!exists(&store, "before").await && !exists(&store, "behind").await);
        assert_eq!((store.commits(), store.writes()), (0, 0));
        add(&store, "after").await.unwrap();
        assert!(exists(&store, "after").await);
    }

    #[tokio::test]
    async fn a_transaction_left_open_does_not_stop_the_writer() {
        let (store, writer) = Store::open(Location::Memory).await.unwrap();
        super::execute(&mut store.reader().await.unwrap(), "BEGIN")
            .await
            .unwrap();
        let _writing = tokio::spawn(writer.run());
        add(&store, "after").await.unwrap();
        assert!(exists(&store, "after").await);
    }
}
