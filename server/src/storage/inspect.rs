//! A look at a database for `countersign doctor`: nothing is made, changed or locked.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;

use super::backup::existing;
use super::migrate::{self, SchemaState};
use super::postgres::Server;
use super::{DatabaseUrl, StorageError, marks};
use crate::config::DatabaseSettings;
use crate::values::UnixMillis;

/// What the user that nodes run as has to be allowed: deploy/grants.sql.
const RIGHTS: [(&[&str], &[&str]); 3] = [
    (
        &[
            "users",
            "sessions",
            "auth_events",
            "keys",
            "revocations",
            "throttle",
            "recoveries",
        ],
        &["SELECT", "INSERT", "UPDATE", "DELETE"],
    ),
    (
        &["locks", "longest_access_ttl", "longest_refresh_ttl"],
        &["SELECT", "UPDATE"],
    ),
    (&["marks", "__diesel_schema_migrations"], &["SELECT"]),
];

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// How its schema differs from that of this release.
    pub schema: SchemaState,
    /// What is special to either database.
    pub facts: Facts,
}

/// What is special to either database.
#[derive(Debug)]
pub enum Facts {
    /// SQLite.
    Sqlite(SqliteFacts),
    /// PostgreSQL.
    Postgres(PostgresFacts),
}

/// SQLite.
#[derive(Debug, QueryableByName)]
pub struct SqliteFacts {
    /// `wal` once a server has used it.
    #[diesel(sql_type = Text)]
    pub journal_mode: String,
}

/// PostgreSQL, as its settings and catalogues say.
#[derive(Debug, QueryableByName)]
pub struct PostgresFacts {
    /// `server_version_num`: 150004 is 15.4.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// `max_connections`.
    #[diesel(sql_type = BigInt)]
    pub max_connections: i64,
    /// `superuser_reserved_connections`.
    #[diesel(sql_type = BigInt)]
    pub reserved_connections: i64,
    /// How many clients are connected, this one included.
    #[diesel(sql_type = BigInt)]
    pub clients: i64,
    /// `lc_messages`.
    #[diesel(sql_type = Text)]
    pub messages: String,
    /// `server_encoding`.
    #[diesel(sql_type = Text)]
    pub encoding: String,
    /// The settings for durability and cleaning that are not as they should be, with commas between.
    #[diesel(sql_type = Text)]
    pub unsafe_settings: String,
    /// Whether it takes no writes.
    #[diesel(sql_type = Bool)]
    pub is_read_only: bool,
    /// Whether this connection is encrypted.
    #[diesel(sql_type = Bool)]
    pub is_encrypted: bool,
    /// Whether our user is a superuser.
    #[diesel(sql_type = Bool)]
    pub is_superuser: bool,
    /// Whether our user may make tables.
    #[diesel(sql_type = Bool)]
    pub may_create: bool,
    /// The rights on tables that our user lacks, with commas between.
    #[diesel(sql_type = Text)]
    pub missing_rights: String,
    /// Its clock.
    #[diesel(sql_type = BigInt)]
    now: i64,
}

impl PostgresFacts {
    /// Its clock when it was asked.
    pub fn now(&self) -> UnixMillis {
        UnixMillis(self.now)
    }
}

/// Looks at a database that is there.
///
/// # Errors
/// [`StorageError`]: it cannot be reached or read, or a mark in it keeps servers away.
pub async fn inspect(settings: &DatabaseSettings) -> Result<Inspection, StorageError> {
    match &settings.url {
        DatabaseUrl::Sqlite(path) => {
            existing(path)?;
            marks::refuse(settings).await?;
            let path = path.clone();
            blocking(move || sqlite(&path)).await
        }
        DatabaseUrl::Postgres(url) => {
            marks::refuse(settings).await?;
            let server = Server::new(url, settings)?;
            let facts = postgres(&server, &mut server.connect().await?).await?;
            Ok(Inspection {
                schema: migrate::postgres_state(server.connect().await?).await?,
                facts: Facts::Postgres(facts),
            })
        }
    }
}

/// What is damaged in an SQLite file; `None` when nothing is. It reads the whole file.
///
/// # Errors
/// [`StorageError`] when it cannot be read at all.
pub async fn damage(path: &Path) -> Result<Option<String>, StorageError> {
    let path = path.to_owned();
    blocking(move || {
        let mut conn = open(&path)?;
        let found: Found = diesel::sql_query("PRAGMA quick_check(1)").get_result(&mut conn)?;
        Ok(Some(found.quick_check).filter(|text| text != "ok"))
    })
    .await
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    quick_check: String,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StorageError::Refused(error.to_string()))?
}

fn open(path: &Path) -> Result<SqliteConnection, StorageError> {
    let mut conn = SqliteConnection::establish(existing(path)?)?;
    diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut conn)?;
    diesel::sql_query("PRAGMA query_only = ON").execute(&mut conn)?;
    Ok(conn)
}

fn sqlite(path: &Path) -> Result<Inspection, StorageError> {
    let mut conn = open(path)?;
    Ok(Inspection {
        schema: migrate::sqlite_state(&mut conn)?,
        facts: Facts::Sqlite(diesel::sql_query("PRAGMA journal_mode").get_result(&mut conn)?),
    })
}

async fn postgres(
    server: &Server,
    conn: &mut AsyncPgConnection,
) -> Result<PostgresFacts, StorageError> {
    let rights = RIGHTS.iter().flat_map(|(tables, rights)| {
        let pairs = |table| {
            rights
                .iter()
                .map(move |right| format!("('{table}', '{right}')"))
        };
        tables.iter().flat_map(pairs)
    });
    let rights = rights.collect::<Vec<_>>().join(", ");
    let query = format!(
        "SELECT current_setting('server_version_num')::bigint AS version, \
         current_setting('max_connections')::bigint AS max_connections, \
         current_setting('superuser_reserved_connections')::bigint AS reserved_connections, \
         (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS clients, \
         current_setting('lc_messages') AS messages, \
         current_setting('server_encoding') AS encoding, \
         (SELECT coalesce(string_agg(name || '=' || setting, ', ' ORDER BY name), '') FROM pg_settings \
          WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum') AND setting = 'off') \
          AS unsafe_settings, \
         current_setting('transaction_read_only')::boolean AS is_read_only, \
         coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted, \
         (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser, \
         coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create, \
         (SELECT coalesce(string_agg(kind || ' on ' || name, ', ' ORDER BY name, kind), '') \
          FROM (VALUES {rights}) AS needed (name, kind) \
          WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name)::oid, kind)) \
          AS missing_rights, \
         (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now"
    );
    server.begin_single(conn).await?;
    let facts = diesel_async::RunQueryDsl::get_result(diesel::sql_query(query), conn).await?;
    server.end_single(conn).await?;
    Ok(facts)
}
