//! Bringing the schema up to date, once, however many nodes start together.

use std::time::Duration;

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::postgres::Server;
use super::{DatabaseUrl, StorageError, marks, sqlite};
use crate::config::DatabaseSettings;

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Names our advisory lock among those of other programs in the same database.
const ADVISORY_LOCK: i64 = 0x434f_554e_5445_5253;
/// A change of a table that waits for a lock makes everybody wait behind it: rather it fails, and is tried again later.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// Whether there is the table that says what was applied.
const SQLITE_HAS_VERSIONS: &str =
    "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__diesel_schema_migrations')";
const POSTGRES_HAS_VERSIONS: &str = "to_regclass('__diesel_schema_migrations') IS NOT NULL";

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What was applied. The harness would make the table first, which a node's own user need not be allowed to.
macro_rules! applied {
    ($conn:expr, $has_versions:expr) => {{
        let has_versions = diesel::select(diesel::dsl::sql::<Bool>($has_versions));
        match has_versions.get_result::<bool>($conn) {
            Ok(true) => diesel::sql_query("SELECT version FROM __diesel_schema_migrations")
                .load::<Applied>($conn),
            other => other.map(|_| Vec::new()),
        }
    }};
}

/// Brings the schema up to date; the versions that were applied.
///
/// # Errors
/// As [`super::Storage::open`].
pub async fn migrate(settings: &DatabaseSettings) -> Result<Vec<String>, StorageError> {
    marks::refuse(settings).await?;
    prepare(settings).await
}

/// Makes sure of the schema: applies what is pending or, where a start is not to do that, refuses if anything is.
///
/// What newer versions have applied beside it does no harm: they add before they take away. The versions that were applied now.
///
/// # Errors
/// [`StorageError::Unavailable`] when the database cannot be reached; else [`StorageError::Migration`].
pub(super) async fn prepare(settings: &DatabaseSettings) -> Result<Vec<String>, StorageError> {
    match &settings.url {
        DatabaseUrl::Sqlite(path) => {
            sqlite::create_private(path)?;
            let (path, migrates) = (path.display().to_string(), settings.migrates);
            on_a_thread(move || sqlite(&path, migrates)).await
        }
        DatabaseUrl::Postgres(url) => {
            let url = settings.migrations_url.as_ref().unwrap_or(url);
            let conn = Server::new(url, settings)?
                .connect_with(Duration::ZERO)
                .await?;
            let migrates = settings.migrates;
            on_a_thread(move || postgres(AsyncConnectionWrapper::from(conn), migrates)).await
        }
    }
}

/// The migration harness blocks.
async fn on_a_thread(
    work: impl FnOnce() -> Result<Vec<String>, Fault> + Send + 'static,
) -> Result<Vec<String>, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| Err(panicked.into()))
        .map_err(|fault| StorageError::Migration(fault.to_string()))
}

fn sqlite(path: &str, migrates: bool) -> Result<Vec<String>, Fault> {
    let mut conn = SqliteConnection::establish(path)?;
    diesel::sql_query("PRAGMA busy_timeout = 30000").execute(&mut conn)?;
    let applied = applied!(&mut conn, SQLITE_HAS_VERSIONS)?;
    if is_complete::<diesel::sqlite::Sqlite>(&SQLITE, &applied)? || refuse(migrates)? {
        return Ok(Vec::new());
    }
    conn.exclusive_transaction(|conn| {
        conn.run_pending_migrations(SQLITE)
            .map(|versions| texts(&versions))
            .map_err(Wrapped)
    })
    .map_err(|Wrapped(fault)| fault)
}

fn postgres(
    mut conn: AsyncConnectionWrapper<AsyncPgConnection>,
    migrates: bool,
) -> Result<Vec<String>, Fault> {
    // Behind a pooler a statement and its preparation have to be one transaction.
    let applied = conn.transaction(|conn| applied!(conn, POSTGRES_HAS_VERSIONS))?;
    if is_complete::<diesel::pg::Pg>(&POSTGRES, &applied)? || refuse(migrates)? {
        return Ok(Vec::new());
    }
    // In one transaction, which also holds behind a pooler: all of it is done or none.
    conn.transaction(|conn| {
        diesel::sql_query(format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            .execute(conn)?;
        let limit = format!("SET LOCAL lock_timeout = {}", LOCK_LIMIT.as_millis());
        diesel::sql_query(limit).execute(conn)?;
        conn.run_pending_migrations(POSTGRES)
            .map(|versions| texts(&versions))
            .map_err(Wrapped)
    })
    .map_err(|Wrapped(fault)| fault)
}

fn texts(versions: &[MigrationVersion<'_>]) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}

/// How the schema of a database differs from that of this release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaState {
    /// The versions that this release would apply.
    pub pending: Vec<String>,
    /// The versions that a newer release has applied.
    pub unknown: Vec<String>,
}

/// Whether all of `source` is applied.
fn is_complete<DB: Backend>(
    source: &impl MigrationSource<DB>,
    applied: &[Applied],
) -> Result<bool, Fault> {
    Ok(compare(source, applied)?.pending.is_empty())
}

fn compare<DB: Backend>(
    source: &impl MigrationSource<DB>,
    applied: &[Applied],
) -> Result<SchemaState, Fault> {
    let known = source.migrations()?;
    let known: Vec<String> = known
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied: Vec<&String> = applied.iter().map(|row| &row.version).collect();
    let unknown = applied.iter().filter(|version| !known.contains(version));
    Ok(SchemaState {
        unknown: unknown.map(|version| (*version).clone()).collect(),
        pending: known
            .iter()
            .filter(|version| !applied.contains(version))
            .cloned()
            .collect(),
    })
}

/// How the schema of an SQLite file that is there differs from that of this release.
pub(super) fn sqlite_state(conn: &mut SqliteConnection) -> Result<SchemaState, StorageError> {
    let applied = applied!(conn, SQLITE_HAS_VERSIONS)?;
    compare::<diesel::sqlite::Sqlite>(&SQLITE, &applied).map_err(|fault| failed(&fault))
}

/// How the schema of a PostgreSQL database differs from that of this release.
pub(super) async fn postgres_state(conn: AsyncPgConnection) -> Result<SchemaState, StorageError> {
    let work = move || {
        let mut conn = AsyncConnectionWrapper::<AsyncPgConnection>::from(conn);
        let applied = conn.transaction(|conn| applied!(conn, POSTGRES_HAS_VERSIONS))?;
        compare::<diesel::pg::Pg>(&POSTGRES, &applied).map_err(|fault| failed(&fault))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| Err(failed(&panicked.into())))
}

fn failed(fault: &Fault) -> StorageError {
    StorageError::Migration(fault.to_string())
}

fn refuse(migrates: bool) -> Result<bool, Fault> {
    match migrates {
        true => Ok(false),
        false => Err("the schema is not up to date: run `countersign migrate`".into()),
    }
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// Lets a migration's error leave a transaction, which wants to make one from Diesel's own.
struct Wrapped(Fault);

impl From<diesel::result::Error> for Wrapped {
    fn from(error: diesel::result::Error) -> Self {
        Self(Box::new(error))
    }
}
