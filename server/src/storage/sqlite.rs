//! SQLite: its file, and what every connection is set to.

use std::error::Error;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::result::ConnectionError;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, ConnectionResult};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::future::BoxFuture;

use super::StorageError;

/// Each call runs on a thread where it may block.
pub(super) type Sqlite = SyncConnectionWrapper<SqliteConnection>;

/// Each call runs where it is made: for what is over in microseconds, a thread's hop is most of the time. No future of it
/// ever waits, so what is written with it is not broken off in the middle.
pub(super) type Inline = SyncConnectionWrapper<SqliteConnection, Here>;

/// Runs at once what it is to run on another thread.
pub(super) struct Here;

impl SpawnBlocking for Here {
    fn spawn_blocking<'a, R: Send + 'static>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync>>> {
        Box::pin(std::future::ready(Ok(task())))
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// What a connection may do.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Read only, at the same time as the others.
    Read,
    /// Write as well. Besides the one writer of ours there are those of other processes, so it waits for its turn.
    Write,
    /// Find out whether one could write: does not wait for a turn.
    Probe,
}

/// With fewer free bytes on the disk the database takes no more requests.
const LEAST_SPACE: u64 = 1024 * 1024;
/// `FULL` so that an answered write survives a power cut (SQLite, "PRAGMA synchronous"). The log is folded into the file every
/// 4,000 pages, as a page that was written several times until then is folded once; after a burst it gives up what it has beyond
/// 64 MiB. What a savepoint needs to be rolled back stays in memory: there may be no place for a temporary file. Of what it reads
/// the one writer keeps up to 16 MiB, which nobody else's commit makes worthless.
const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; \
                      PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY; \
                      PRAGMA cache_size = -16384;";
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";

/// Opens the file.
pub(super) async fn connect<S: SpawnBlocking>(
    path: &str,
    access: Access,
) -> ConnectionResult<SyncConnectionWrapper<SqliteConnection, S>> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || open(&path, access)).await;
    let opened =
        opened.unwrap_or_else(|panicked| Err(ConnectionError::BadConnection(panicked.to_string())));
    opened.map(SyncConnectionWrapper::new)
}

/// Opens the file, on a thread that may block.
pub(super) fn open(path: &str, access: Access) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(path)?;
    let setup = match access {
        Access::Read => READER,
        Access::Write => WRITER,
        Access::Probe => "PRAGMA busy_timeout = 0;",
    };
    conn.batch_execute(setup)
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Makes the database's folder, and the file with mode 0600: it holds password hashes.
///
/// # Errors
/// [`StorageError::Unavailable`] when it cannot be made or written.
pub(super) fn create_private(path: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let explain = |error: std::io::Error| {
        StorageError::Unavailable(format!(
            "{} cannot be opened for writing: {error}",
            path.display()
        ))
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(explain)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(explain)?;
    Ok(())
}

/// Writing needs some space: a log beside the file, and growth.
///
/// # Errors
/// [`StorageError::Unavailable`] when there is too little.
pub(super) fn check_space(path: &str) -> Result<(), StorageError> {
    match rustix::fs::statvfs(path) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_SPACE => {
            Err(StorageError::Unavailable("the disk is full".to_owned()))
        }
        _ => Ok(()),
    }
}
