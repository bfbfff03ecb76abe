//! A copy of the SQLite file while servers write to it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;

use super::StorageError;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already.
    #[error("{} is there already: a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written: {}", .0.display(), .1)]
    Unwritable(PathBuf, io::Error),
    /// The database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Writes all that was committed to the SQLite database `from` into the new file `to`, with mode 0600; its size in bytes.
///
/// Servers go on reading and writing meanwhile. The file has its name only once it is whole and on the disk.
///
/// # Errors
/// [`BackupError`], whose text says what to do.
pub async fn backup(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let (from, to) = (from.to_owned(), to.to_owned());
    tokio::task::spawn_blocking(move || write(&from, &to))
        .await
        .map_err(|error| StorageError::Refused(error.to_string()))?
}

fn write(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let unwritable = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => BackupError::Unwritable(to.to_owned(), error),
    };
    let nameless = || unwritable(io::Error::other("this is no name for a file"));
    let name = to.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(nameless)?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    // Its mode is 0600, and it goes again when the backup fails.
    let partial = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".partial")
        .tempfile_in(folder)
        .map_err(unwritable)?;
    let path = partial.path().to_str().ok_or_else(nameless)?;
    vacuum_into(from, path)?;
    partial.as_file().sync_all().map_err(unwritable)?;
    let file = partial
        .persist_noclobber(to)
        .map_err(|error| unwritable(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(unwritable)?;
    Ok(file.metadata().map_err(unwritable)?.len())
}

/// One read transaction of the source, which keeps no writer waiting (SQLite, "VACUUM INTO").
fn vacuum_into(from: &Path, to: &str) -> Result<(), StorageError> {
    let mut conn = SqliteConnection::establish(existing(from)?)?;
    diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut conn)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(to)
        .execute(&mut conn)?;
    Ok(())
}

/// The path of a database file that is there: SQLite would make a missing one.
pub(super) fn existing(path: &Path) -> Result<&str, StorageError> {
    match path.to_str() {
        Some(text) if path.is_file() => Ok(text),
        _ => Err(StorageError::Url(format!(
            "there is no database at {}",
            path.display()
        ))),
    }
}
