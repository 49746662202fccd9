//! Opening, reading, handing over writes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::page::{Page, PageRequest};
use tokio::sync::Semaphore;

use crate::accounts::Known;
use crate::connection::{Connection, Purpose};
use crate::error::Error;
use crate::rows::{self, Filters, Order, Record};
use crate::writer::{Counts, Haste, Queue, Writer};

/// How many may read lists at once.
const READERS: usize = 4;

/// How many connections are kept for reading.
const IDLE: usize = 16;

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
    readers: Readers,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    known: Arc<Known>,
    _lock: Option<Arc<FileLock>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.end();
    }
}

/// Connections to read with.
enum Readers {
    /// Any number of them beside the writer's.
    File {
        path: PathBuf,
        idle: Mutex<Vec<Connection>>,
        lists: Arc<Semaphore>,
    },
    /// The writer's own: there is no other way to a database in memory.
    Memory(Arc<Mutex<Connection>>),
}

impl Readers {
    fn read<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let (path, idle) = match self {
            Readers::Memory(one) => {
                return work(&mut one.lock().unwrap_or_else(PoisonError::into_inner));
            }
            Readers::File { path, idle, .. } => (path, idle),
        };
        let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle().pop();
        let mut connection = match known {
            Some(connection) => connection,
            None => Connection::open(Some(path), Purpose::Read)?,
        };
        let outcome = work(&mut connection);
        let mut idle = idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        outcome
    }
}

impl Store {
    /// Opens, locks and migrates. Nothing is spawned: whoever opens runs [`Writer::run`].
    pub async fn open(location: Location) -> Result<(Store, Writer), Error> {
        let (path, lock) = match location {
            Location::Memory => (None, None),
            Location::File(path) => {
                let lock = Arc::new(FileLock::take(&path)?);
                (Some(path), Some(lock))
            }
        };
        let mut connection = Connection::open(path.as_deref(), Purpose::Write)?;
        crate::migrations::run(&mut connection)?;
        let connection = Arc::new(Mutex::new(connection));
        let readers = match path {
            None => Readers::Memory(connection.clone()),
            Some(path) => Readers::File {
                path,
                idle: Mutex::default(),
                lists: Arc::new(Semaphore::new(READERS)),
            },
        };
        let queue = Arc::new(Queue::new());
        let counts = Arc::new(Counts::default());
        let known = Arc::new(Known::default());
        let store = Store(Arc::new(Inner {
            readers,
            queue: queue.clone(),
            counts: counts.clone(),
            known: known.clone(),
            _lock: lock.clone(),
        }));
        let writer = Writer {
            queue,
            connection,
            counts,
            known,
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

    /// A busy time is over: lets go of the pages of the file that are kept in memory, and of
    /// connections to read with.
    pub fn rest(&self) {
        if let Readers::File { idle, .. } = &self.0.readers {
            idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.0.queue.rest();
    }

    /// Whether the database answers: for `/readyz`.
    pub async fn check(&self) -> Result<(), Error> {
        self.write(|connection| {
            connection
                .number("SELECT COUNT(*) FROM migrations", &[])
                .map(drop)
        })
        .await
    }

    /// What is kept of accounts between look-ups.
    pub(crate) fn known(&self) -> &Arc<Known> {
        &self.0.known
    }

    /// Looks a row up by its key, or a few by an index, where it is asked: that costs less than
    /// waking another thread, and readers never wait for the writer.
    pub(crate) fn peek<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.0.readers.read(work)
    }

    /// Reads what may take a while, on a thread where nobody else is held up.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let Readers::File { lists, .. } = &self.0.readers else {
            return self.peek(work);
        };
        let turn = tokio::time::timeout(PATIENCE, lists.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            let waited = "too many lists are being read: ask again later";
            return Err(Error::Database(waited.to_owned()));
        };
        let store = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            store.peek(work)
        });
        reading.await.unwrap_or(Err(Error::Closed))
    }

    /// One page of what fits.
    pub(crate) async fn page<R: Record>(
        &self,
        filters: Filters,
        order: Order,
        request: &PageRequest,
    ) -> Result<Page<R>, Error> {
        let request = request.clone();
        self.read(move |connection| rows::page(connection, &filters, order, &request))
            .await
    }

    /// Hands work to the writer and waits until it is committed. Work that fails leaves nothing.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        self.0.queue.work(Haste::Now, work).await
    }

    /// Where writes wait.
    pub(crate) fn queue(&self) -> &Queue {
        &self.0.queue
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
