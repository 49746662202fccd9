//! Opening, reading, handing over writes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, pool::PoolConnection};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::writer::{Connection, Counts, Job, QUEUE, Work, Writer};

/// How many may read at once.
const READERS: u32 = 4;

/// How long somebody waits for a reader before the database counts as overloaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file. Its directory is made if need be; beside it lie its log and its lock.
    File(PathBuf),
    /// Nowhere: it ends with the process. For tests.
    Memory,
}

/// The database. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    readers: SqlitePool,
    jobs: mpsc::Sender<Job>,
    counts: Arc<Counts>,
    _lock: Option<Arc<FileLock>>,
}

impl Store {
    /// Opens, locks and migrates. Nothing is spawned: whoever opens runs [`Writer::run`].
    pub async fn open(location: Location) -> Result<(Store, Writer), Error> {
        let common = SqliteConnectOptions::new()
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        // A lost connection would be a lost database, if it is in memory: keep it for ever.
        let one = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(PATIENCE);
        let (pool, readers, lock) = match location {
            Location::Memory => {
                let pool = one.connect_with(common.in_memory(true)).await?;
                (pool.clone(), pool, None)
            }
            Location::File(path) => {
                let lock = Arc::new(FileLock::take(&path)?);
                let options = common
                    .filename(&path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal);
                let pool = one.connect_with(options.clone()).await?;
                let readers = SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .test_before_acquire(false)
                    .acquire_timeout(PATIENCE)
                    .connect_lazy_with(options.pragma("query_only", "ON"));
                (pool, readers, Some(lock))
            }
        };
        crate::migrations::run(&mut *pool.acquire().await?).await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let store = Store(Arc::new(Inner {
            readers,
            jobs: sender,
            counts: counts.clone(),
            _lock: lock.clone(),
        }));
        let writer = Writer {
            jobs: receiver,
            pool,
            counts,
            _lock: lock,
        };
        Ok((store, writer))
    }

    /// How often was committed since the start.
    pub fn commits(&self) -> u64 {
        self.0.counts.commits.load(Ordering::Relaxed)
    }

    /// How many writes those commits held.
    pub fn writes(&self) -> u64 {
        self.0.counts.writes.load(Ordering::Relaxed)
    }

    /// Whether the database answers: for `/readyz`.
    pub async fn check(&self) -> Result<(), Error> {
        self.write(|connection| {
            Box::pin(async move {
                sqlx::query("SELECT COUNT(*) FROM migrations")
                    .fetch_one(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// A connection to read with.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, Error> {
        Ok(self.0.readers.acquire().await?)
    }

    /// Hands work to the writer and waits until it is committed. Work that fails leaves nothing.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        let (job, outcome) = Job::new(work);
        self.0.jobs.send(job).await.map_err(|_| Error::Closed)?;
        outcome.wait().await
    }
}

/// Keeps a second process away from a database, for as long as this one lives.
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock beside a database file, making directory and files as needed.
    fn take(database: &Path) -> Result<FileLock, Error> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| Error::Database(format!("{}: {error}", path.display()))
        };
        if let Some(directory) = database.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(fault(directory))?;
        }
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let mut file = private().open(&path).map_err(fault(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = (&file).take(20).read_to_string(&mut pid);
                let pid = pid.trim();
                let owner = match pid.parse::<u32>() {
                    Ok(pid) => format!(" (process {pid})"),
                    Err(_) => String::new(),
                };
                return Err(Error::Locked { path, owner });
            }
            Err(TryLockError::Error(error)) => return Err(fault(&path)(error)),
        }
        file.set_len(0).map_err(fault(&path))?;
        write!(file, "{}", std::process::id()).map_err(fault(&path))?;
        // The database holds secrets; the log beside it inherits these rights.
        private().open(database).map_err(fault(database))?;
        Ok(FileLock { _file: file })
    }
}

/// Opens or makes a file that only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
