//! The one writer: a thread that takes every waiting write into one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use crate::accounts::Known;
use crate::calls::Change;
use crate::connection::Connection;
use crate::error::Error;
use crate::owed::Outstanding;
use crate::store::FileLock;

/// How many writes may wait; beyond that, who writes waits too.
const QUEUE: usize = 4096;

/// How many writes share a commit at most, so that the first of them does not wait for long.
const GROUP: usize = 512;

/// Commits begin no closer together than this: under load, what arrives meanwhile shares the next
/// one, and a lone write still goes at once.
const PACE: Duration = Duration::from_millis(2);

/// How long a write may wait that nobody is held up by, so that it shares the commit of another.
const LEISURE: Duration = Duration::from_millis(20);

/// Whether somebody is held up by a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Something waits for it.
    Now,
    /// Nothing does; it may wait for others to share a commit with.
    Leisure,
}

/// Told whether the commit succeeded; then it answers who asked.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Told what became of a change, once it is on disk.
type Then = Box<dyn FnOnce(Result<Vec<Outstanding>, Error>) + Send>;

/// A change that ran, and what is owed because of it.
type Ran = (Then, Vec<Outstanding>);

/// The work of a job, whatever it returns to who asked. It is given the connection, or the fault
/// that kept it from having its turn; it says whether its changes may stay.
type Run = Box<dyn FnOnce(Result<&mut Connection, Error>) -> (bool, Answer) + Send>;

/// A write that waits.
enum Job {
    /// Succeeds or fails by itself.
    Work(Run),
    /// A change of the call engine: those that follow one another share their fate.
    Change(Box<Change>, Then),
}

/// How often was committed, and how much.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
}

/// Where writes wait for the writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    room: Semaphore,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// Since when the first of them waits.
    since: Option<Instant>,
    /// Whether any of them is held up.
    urgent: bool,
    /// Whether the writer sleeps, and what wakes it.
    sleep: Sleep,
    /// There is no writer any more: nothing is taken.
    closed: bool,
    /// There is no store any more: nothing will come.
    ended: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Sleep {
    /// It is at work, or its alarm is set: it looks by itself.
    #[default]
    No,
    /// Until something urgent comes.
    Light,
    /// Until anything comes.
    Sound,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            room: Semaphore::new(QUEUE),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands work over, and waits until it is committed.
    pub(crate) async fn work<T, F>(&self, haste: Haste, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let room = self.room.acquire().await.map_err(|_| Error::Closed)?;
        // Given back by the writer when it takes the job.
        room.forget();
        let (answer, answered) = oneshot::channel::<Result<T, Error>>();
        let run: Run = Box::new(move |connection| {
            let outcome = connection.and_then(work);
            let succeeded = outcome.is_ok();
            // Nobody listening any more is no fault: the write holds all the same.
            let answer = move |committed: Result<(), Error>| {
                let _ = answer.send(outcome.and_then(|value| committed.map(|()| value)));
            };
            (succeeded, Box::new(answer))
        });
        self.push(Job::Work(run), haste);
        answered.await.unwrap_or(Err(Error::Closed))
    }

    /// Hands a change over; `then` is called on the writer's thread.
    pub(crate) fn change(&self, change: Change, haste: Haste, then: Then) {
        self.push(Job::Change(Box::new(change), then), haste);
    }

    fn push(&self, job: Job, haste: Haste) {
        let mut waiting = self.waiting();
        if waiting.closed {
            drop(waiting);
            return job.refuse(&Error::Closed);
        }
        if waiting.jobs.is_empty() {
            waiting.since = Some(Instant::now());
        }
        waiting.jobs.push(job);
        waiting.urgent |= haste == Haste::Now;
        let wakes = match waiting.sleep {
            Sleep::No => false,
            Sleep::Light => haste == Haste::Now,
            Sleep::Sound => true,
        };
        if wakes {
            waiting.sleep = Sleep::No;
            drop(waiting);
            self.wake.notify_one();
        }
    }

    /// A busy time is over: the writer lets go of what it keeps in memory, if it can be asked.
    pub(crate) fn rest(&self) {
        if self.room.try_acquire().map(|room| room.forget()).is_err() {
            return;
        }
        let run: Run = Box::new(|connection| {
            let outcome = connection.map(Connection::shrink);
            (outcome.is_ok(), Box::new(|_| ()))
        });
        self.push(Job::Work(run), Haste::Leisure);
    }

    /// No store is left: the writer ends when it has written what waits.
    pub(crate) fn end(&self) {
        self.waiting().ended = true;
        self.wake.notify_one();
    }

    /// No writer is left: what waits is refused, and whatever comes.
    fn close(&self) {
        self.room.close();
        let mut waiting = self.waiting();
        waiting.closed = true;
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        self.wake.notify_one();
        jobs.into_iter().for_each(|job| job.refuse(&Error::Closed));
    }

    /// Sleeps until there is something to be written; the next group, or none at the end. `last`
    /// is when the last commit began.
    fn next(&self, last: Instant) -> Option<Vec<Job>> {
        let mut waiting = self.waiting();
        loop {
            if waiting.closed {
                return None;
            }
            let Some(since) = waiting.since else {
                if waiting.ended {
                    return None;
                }
                waiting.sleep = Sleep::Sound;
                waiting = self
                    .wake
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let pace = PACE.saturating_sub(last.elapsed());
            let wait = match waiting.urgent {
                _ if waiting.ended => Duration::ZERO,
                true => pace,
                false => pace.max(LEISURE.saturating_sub(since.elapsed())),
            };
            if wait.is_zero() {
                break;
            }
            waiting.sleep = if waiting.urgent {
                Sleep::No
            } else {
                Sleep::Light
            };
            waiting = self
                .wake
                .wait_timeout(waiting, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        waiting.sleep = Sleep::No;
        let size = waiting.jobs.len().min(GROUP);
        let rest = waiting.jobs.split_off(size);
        let group = std::mem::replace(&mut waiting.jobs, rest);
        if waiting.jobs.is_empty() {
            waiting.since = None;
            waiting.urgent = false;
        }
        drop(waiting);
        let work = group.iter().filter(|job| matches!(job, Job::Work(_)));
        self.room.add_permits(work.count());
        Some(group)
    }
}

impl Job {
    /// Answers without having run.
    fn refuse(self, error: &Error) {
        match self {
            Job::Work(run) => run(Err(error.clone())).1(Ok(())),
            Job::Change(_, then) => then(Err(error.clone())),
        }
    }
}

/// Writes. The server spawns [`Writer::run`]; nothing is written before.
pub struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) connection: Arc<Mutex<Connection>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) known: Arc<Known>,
    /// Kept until the last write is on disk.
    pub(crate) _lock: Option<Arc<FileLock>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Ends the thread when nobody waits for it any more, before its next commit.
struct Hold(Arc<Queue>, Option<std::thread::JoinHandle<()>>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.close();
        if let Some(thread) = self.1.take() {
            // It has said so before, if it panicked.
            let _ = thread.join();
        }
    }
}

impl Writer {
    /// Runs until every [`Store`](crate::Store) is gone and everything they asked for is written.
    ///
    /// A group that cannot be committed is answered with the fault, and the next one is tried: a
    /// full disk may be emptied. The work is done on a thread of its own; it ends with this future.
    pub async fn run(self) {
        let queue = self.queue.clone();
        let (done, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _done = done;
                self.write();
            });
        match thread {
            Ok(thread) => {
                let _hold = Hold(queue, Some(thread));
                let _ = ended.await;
            }
            Err(error) => tracing::error!(%error, "the database's writer cannot be started"),
        }
    }

    fn write(self) {
        let mut last = Instant::now()
            .checked_sub(PACE)
            .unwrap_or_else(Instant::now);
        while let Some(group) = self.queue.next(last) {
            last = Instant::now();
            let size = group.len();
            let mut group = group.into_iter();
            let mut answers = Vec::with_capacity(size);
            let committed = self.commit(&mut group, &mut answers);
            match &committed {
                Ok(()) => {
                    self.counts.commits.fetch_add(1, Ordering::Relaxed);
                    self.counts.writes.fetch_add(size as u64, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::error!(%error, writes = size, "a group of writes was lost: who asked was told");
                }
            }
            for answer in answers {
                answer(committed.clone());
            }
            if let Err(error) = committed {
                group.for_each(|job| job.refuse(&error));
                // Whatever is wrong will not be right within a millisecond; do not spin on it.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Runs a group in one transaction; what ran leaves an answer.
    fn commit(
        &self,
        group: &mut impl Iterator<Item = Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Error> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = &mut *connection;
        if connection.execute("BEGIN IMMEDIATE", &[]).is_err() {
            // A transaction that could not be ended when its disk failed is still open.
            let _ = connection.execute("ROLLBACK", &[]);
            connection.execute("BEGIN IMMEDIATE", &[])?;
        }
        let outcome = run_all(connection, group, answers)
            .and_then(|()| connection.execute("COMMIT", &[]).map(drop));
        if outcome.is_err() {
            // SQLite may have rolled back by itself (disk full): then this fails, and says nothing.
            let _ = connection.execute("ROLLBACK", &[]);
        }
        // Before anybody is answered: who was, must not find what was before.
        self.known.settle();
        outcome
    }
}

/// Runs each in its turn. What fails leaves nothing, and does not disturb the others; only a fault
/// that spoils the whole group is returned. Whatever was taken from the group leaves an answer.
fn run_all(
    connection: &mut Connection,
    group: &mut impl Iterator<Item = Job>,
    answers: &mut Vec<Answer>,
) -> Result<(), Error> {
    let mut changes = Vec::new();
    let outcome = run_each(connection, group, &mut changes, answers);
    answer(&mut changes, &Ok(()), answers);
    outcome
}

fn run_each(
    connection: &mut Connection,
    group: &mut impl Iterator<Item = Job>,
    changes: &mut Vec<Ran>,
    answers: &mut Vec<Answer>,
) -> Result<(), Error> {
    for job in group {
        match job {
            Job::Work(run) => {
                let ready = close(connection, changes, Ok(()), answers)
                    .and_then(|()| connection.execute("SAVEPOINT job", &[]));
                if let Err(error) = ready {
                    answers.push(run(Err(error.clone())).1);
                    return Err(error);
                }
                // A bug in one write must not end the writer; who asked is told that it is closed.
                let ran = catch_unwind(AssertUnwindSafe(|| run(Ok(&mut *connection))));
                let succeeded = ran.as_ref().is_ok_and(|(succeeded, _)| *succeeded);
                answers.extend(ran.ok().map(|(_, answer)| answer));
                if !succeeded {
                    connection.execute("ROLLBACK TO SAVEPOINT job", &[])?;
                }
                connection.execute("RELEASE SAVEPOINT job", &[])?;
            }
            Job::Change(change, then) => {
                let first = changes.is_empty();
                changes.push((then, Vec::new()));
                if first {
                    connection.execute("SAVEPOINT job", &[])?;
                }
                let apply = || crate::calls::apply(connection, *change);
                match catch_unwind(AssertUnwindSafe(apply)).unwrap_or(Err(Error::Closed)) {
                    Ok(owed) => {
                        if let Some((_, theirs)) = changes.last_mut() {
                            *theirs = owed;
                        }
                    }
                    Err(error) => close(connection, changes, Err(error), answers)?,
                }
            }
        }
    }
    close(connection, changes, Ok(()), answers)
}

/// Ends a run of changes: they stay, or none of them does.
fn close(
    connection: &mut Connection,
    changes: &mut Vec<Ran>,
    outcome: Result<(), Error>,
    answers: &mut Vec<Answer>,
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    answer(changes, &outcome, answers);
    if outcome.is_err() {
        connection.execute("ROLLBACK TO SAVEPOINT job", &[])?;
    }
    connection.execute("RELEASE SAVEPOINT job", &[])?;
    Ok(())
}

/// Leaves the answers of changes, which still depend on the commit.
fn answer(changes: &mut Vec<Ran>, outcome: &Result<(), Error>, answers: &mut Vec<Answer>) {
    for (then, owed) in changes.drain(..) {
        let outcome = outcome.clone();
        answers.push(Box::new(move |committed| {
            then(outcome.and(committed).map(|()| owed));
        }));
    }
}

#[cfg(test)]
mod tests {
    use crate::connection::Value;
    use crate::error::Error;
    use crate::store::{Location, Store};

    /// Adds a row to a table that nobody else counts.
    async fn add(store: &Store, name: &'static str) -> Result<(), Error> {
        store
            .write(move |connection| {
                let sql = "INSERT INTO counters (name, value) VALUES ($1, 0)";
                connection.execute(sql, &[Value::text(name)])?;
                Ok(())
            })
            .await
    }

    fn exists(store: &Store, name: &'static str) -> bool {
        let sql = "SELECT 1 FROM counters WHERE name = $1";
        store
            .peek(|connection| connection.first(sql, &[Value::text(name)], |_| Ok(())))
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
            let rollback = |connection: &mut crate::connection::Connection| {
                connection.execute("ROLLBACK", &[]).map(drop)
            };
            tokio::spawn(async move { store.write(rollback).await })
        };
        let behind = spawn("behind");
        tokio::task::yield_now().await;
        let _writing = tokio::spawn(writer.run());
        for outcome in [before, culprit, behind] {
            let outcome = outcome.await.unwrap();
            assert!(matches!(outcome, Err(Error::Database(_))), "{outcome:?}");
        }
        assert!(!exists(&store, "before") && !exists(&store, "behind"));
        assert_eq!((store.commits(), store.writes()), (0, 0));
        add(&store, "after").await.unwrap();
        assert!(exists(&store, "after"));
    }

    #[tokio::test]
    async fn a_transaction_left_open_does_not_stop_the_writer() {
        let (store, writer) = Store::open(Location::Memory).await.unwrap();
        store
            .peek(|connection| connection.execute("BEGIN", &[]))
            .unwrap();
        let _writing = tokio::spawn(writer.run());
        add(&store, "after").await.unwrap();
        assert!(exists(&store, "after"));
    }

    #[tokio::test]
    async fn a_bug_in_one_write_leaves_nothing_and_does_not_end_the_writer() {
        let (store, writer) = Store::open(Location::Memory).await.unwrap();
        let _writing = tokio::spawn(writer.run());
        let bug = |connection: &mut crate::connection::Connection| -> Result<(), Error> {
            connection.execute("INSERT INTO counters (name, value) VALUES ('half', 0)", &[])?;
            panic!("a bug, on purpose")
        };
        assert!(matches!(store.write(bug).await, Err(Error::Closed)));
        add(&store, "after").await.unwrap();
        assert!(exists(&store, "after") && !exists(&store, "half"));
    }
}
