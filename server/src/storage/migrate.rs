//! Bringing the schema up to date, once, however many nodes start together.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{DatabaseUrl, StorageError};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Names our advisory lock among those of other programs in the same database.
const ADVISORY_LOCK: i64 = 0x434f_554e_5445_5253;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Applies what is pending. On a thread of its own: the migration harness blocks.
pub(super) async fn run(url: &DatabaseUrl) -> Result<(), StorageError> {
    let url = url.clone();
    tokio::task::spawn_blocking(move || match url {
        DatabaseUrl::Sqlite(path) => sqlite(&path.display().to_string()),
        DatabaseUrl::Postgres(url) => postgres(&url),
    })
    .await
    .map_err(|error| StorageError::Migration(error.to_string()))?
    .map_err(|error| StorageError::Migration(error.to_string()))
}

fn sqlite(path: &str) -> Outcome {
    let mut conn = SqliteConnection::establish(path)?;
    diesel::sql_query("PRAGMA busy_timeout = 30000").execute(&mut conn)?;
    conn.exclusive_transaction(|conn| {
        conn.run_pending_migrations(SQLITE)
            .map(|_| ())
            .map_err(Wrapped)
    })
    .map_err(|Wrapped(error)| error)
}

fn postgres(url: &str) -> Outcome {
    let mut conn = AsyncConnectionWrapper::<AsyncPgConnection>::establish(url)?;
    diesel::sql_query(format!("SELECT pg_advisory_lock({ADVISORY_LOCK})")).execute(&mut conn)?;
    // Closing the connection gives the lock back, whatever happens before.
    conn.run_pending_migrations(POSTGRES).map(|_| ())
}

/// Lets a migration's error leave a transaction, which wants to make one from Diesel's own.
struct Wrapped(Box<dyn std::error::Error + Send + Sync>);

impl From<diesel::result::Error> for Wrapped {
    fn from(error: diesel::result::Error) -> Self {
        Self(Box::new(error))
    }
}
