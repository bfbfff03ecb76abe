//! The database.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};

use super::source::Source;
use crate::storage::{DatabaseUrl, StorageError};

/// The database.
#[derive(Clone, derive_more::Debug)]
pub struct DatabaseSettings {
    /// `COUNTERSIGN_DATABASE__URL`: `sqlite://PATH` or `postgres://…`.
    pub url: DatabaseUrl,
    /// `COUNTERSIGN_DATABASE__CONNECTIONS`: how many connections at most.
    pub connections: usize,
    /// `COUNTERSIGN_DATABASE__WAIT`: how long a request waits for one.
    pub wait: Duration,
    /// `COUNTERSIGN_DATABASE__CONNECT_TIMEOUT`: how long making one may take.
    pub connect_timeout: Duration,
    /// `COUNTERSIGN_DATABASE__STATEMENT_TIMEOUT`: how long PostgreSQL may take over a transaction.
    pub statement_timeout: Duration,
    /// `COUNTERSIGN_DATABASE__POOLER`: whether a pooler in transaction mode is in between.
    pub is_pooled: bool,
    /// `COUNTERSIGN_DATABASE__MIGRATIONS_URL`: the `postgres://…` of a user who may change the schema; `None`: the same.
    #[debug("[redacted]")]
    pub migrations_url: Option<String>,
    /// `COUNTERSIGN_DATABASE__MIGRATE`, `--no-migrate`: whether a start brings the schema up to date.
    pub migrates: bool,
}

impl DatabaseSettings {
    pub(super) fn read(source: &mut Source, development: bool) -> Self {
        let settings = Self {
            url: source.private("database.url", "sqlite://data/countersign.db", str::parse),
            connections: source.number("database.connections", 16, 1..=1024),
            wait: source.duration("database.wait", "5s", "1ms", "1m"),
            connect_timeout: source.duration("database.connect_timeout", "5s", "100ms", "1m"),
            statement_timeout: source.duration("database.statement_timeout", "5s", "100ms", "5m"),
            is_pooled: source.parsed("database.pooler", "none", |text| match text {
                "none" => Ok(false),
                "transaction" => Ok(true),
                _ => Err("is neither none nor transaction"),
            }),
            migrations_url: source.optional_private("database.migrations_url", |text| {
                match text.parse()? {
                    DatabaseUrl::Postgres(url) => Ok(url),
                    DatabaseUrl::Sqlite(_) => {
                        Err(StorageError::Url("is for PostgreSQL only".to_owned()))
                    }
                }
            }),
            migrates: source.switch("database.migrate", true),
        };
        if let DatabaseUrl::Sqlite(path) = &settings.url {
            check_file(source, path, development);
        }
        settings
    }
}

/// A file that can be written, or made: in production that is worth a word, as a path with a slip in it looks like one.
fn check_file(source: &mut Source, path: &Path, development: bool) {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let place = absolute.ancestors().find(|place| place.exists());
    let writable = place.map(|place| access(place, Access::READ_OK | Access::WRITE_OK));
    if let Some((place, Err(error))) = place.zip(writable) {
        source.fault(
            "database.url",
            &format!(
                "needs {} to be writable for the server's user: {error}",
                place.display()
            ),
        );
    } else if place.is_some_and(|place| place != absolute && !place.is_dir()) {
        source.fault("database.url", "names a file in what is no folder");
    } else if !development && !absolute.exists() {
        source.warn(
            "database.url",
            format!(
                "names {}, which is not there: a new, empty database is made. If there are accounts already, the path is wrong",
                absolute.display()
            ),
        );
    }
}
