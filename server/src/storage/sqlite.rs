//! SQLite: its file, and what every connection is set to.

use std::path::Path;

use diesel::ConnectionResult;
use diesel::result::ConnectionError;
use diesel::sqlite::SqliteConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};

use super::StorageError;

/// Each call runs on a thread where it may block.
pub(super) type Sqlite = SyncConnectionWrapper<SqliteConnection>;

/// What a connection may do.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Read only, at the same time as the others.
    Read,
    /// Write as well. Besides the pool's one writer there are those of other processes, so it waits for its turn.
    Write,
    /// Find out whether one could write: does not wait for a turn.
    Probe,
}

/// With fewer free bytes on the disk the database takes no more requests.
const LEAST_SPACE: u64 = 1024 * 1024;
/// `FULL` so that an answered write survives a power cut (SQLite, "PRAGMA synchronous"). The log is folded into the file every
/// 1,000 pages; after a burst it gives up what it has beyond 64 MiB.
const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 1000; \
                      PRAGMA journal_size_limit = 67108864;";
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";

pub(super) async fn connect(path: &str, access: Access) -> ConnectionResult<Sqlite> {
    let mut conn = Sqlite::establish(path).await?;
    let setup = match access {
        Access::Read => READER,
        Access::Write => WRITER,
        Access::Probe => "PRAGMA busy_timeout = 0;",
    };
    conn.batch_execute(setup)
        .await
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
