//! Opening the database: its URL and its pools.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod, SetupCallback,
};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::postgres::{self, Server};
use super::prepared::Prepared;
use super::revocations::CHANNEL;
use super::schema::{auth_events, locks, throttle, users};
use super::sqlite::{self, Access, Inline, Sqlite};
use super::writer::Writer;
use super::{
    AuthEventRow, Backend, Embedded, Probe, Served, Storage, StorageError, ThrottleRow, UserRow,
    marks, migrate,
};
use crate::config::DatabaseSettings;
use crate::values::{UnixMillis, UserId};

/// Each line has eight values, and PostgreSQL takes 65,535 in a statement.
const EVENTS_AT_ONCE: usize = 1000;
/// How long after PostgreSQL should have ended a statement we stop waiting for its answer.
const MARGIN: Duration = Duration::from_millis(500);

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://PATH`: a file of ours, made when missing.
    Sqlite(PathBuf),
    /// `postgres://…` or `postgresql://…`, as libpq spells it.
    Postgres(String),
}

impl std::str::FromStr for DatabaseUrl {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with(':') => {
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            Some(("postgres" | "postgresql", _)) => match postgres::parse(text) {
                Ok(_) => Ok(Self::Postgres(text.to_owned())),
                Err(problem) => Err(StorageError::Url(problem)),
            },
            _ => Err(StorageError::Url(
                "must look like sqlite://data/countersign.db or postgres://user:password@host/name"
                    .to_owned(),
            )),
        }
    }
}

impl DatabaseUrl {
    /// Whether no byte on the way to it leaves this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(url) => {
                postgres::parse(url).is_ok_and(|(config, _)| postgres::is_this_machine(&config))
            }
        }
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            // One that cannot be read may hold one.
            Self::Postgres(url) => {
                postgres::parse(url).map_or(true, |(config, _)| config.get_password().is_some())
            }
        }
    }
}

/// Without the password that it may hold.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => match postgres::parse(url) {
                Ok((config, _)) => f.write_str(&postgres::public_name(&config)),
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Storage {
    /// Opens the database and, where `settings` say so, brings its schema up to date.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it cannot be reached, [`StorageError::Migration`] when its schema is not what it has to
    /// be and cannot be brought up to date.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, StorageError> {
        marks::refuse(settings).await?;
        migrate::prepare(settings).await?;
        let statements = Arc::new(AtomicU64::new(0));
        let probe = Probe {
            backend: connect(settings, 1, Access::Probe, &Arc::default())?,
        };
        let storage = Self {
            backend: connect(settings, settings.connections, Access::Write, &statements)?,
            probe,
            statements,
        };
        storage.database_time().await?;
        Ok(storage)
    }

    /// Whether the database takes writes.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it does not.
    pub async fn check(&self) -> Result<(), StorageError> {
        if let Backend::Sqlite(embedded) = &self.backend {
            sqlite::check_space(&embedded.path)?;
        }
        // SQLite finds it out by beginning to write.
        let is_read_only = match self.backend {
            Backend::Sqlite(_) => "0",
            Backend::Postgres(_) => "current_setting('transaction_read_only')::boolean",
        };
        let is_read_only = with_write!(self.probe, |conn| {
            Ok(diesel::select(diesel::dsl::sql::<Bool>(is_read_only))
                .get_result::<bool>(conn)
                .await?)
        });
        match is_read_only {
            Ok(true) => Err(StorageError::Unavailable("it is read-only".to_owned())),
            // Somebody else writes just now.
            Err(StorageError::Unavailable(why)) if why.contains("database is locked") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The database's own time. SQLite's is the node's.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it does not answer.
    pub async fn database_time(&self) -> Result<UnixMillis, StorageError> {
        let now = match self.backend {
            Backend::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS integer)",
            Backend::Postgres(_) => "(extract(epoch from clock_timestamp()) * 1000)::bigint",
        };
        with_read!(self, |conn| diesel::select(diesel::dsl::sql::<BigInt>(now))
            .get_result(conn)
            .await)
        .map(UnixMillis)
    }

    /// Folds SQLite's log into the file and looks after what the planner knows. PostgreSQL does so by itself.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be written just now.
    pub async fn tidy(&self) -> Result<(), StorageError> {
        if let Backend::Sqlite(embedded) = &self.backend {
            // Of its own, so that no transaction waits meanwhile; a new one has to be told to look at all tables (0x10000).
            // With a limit (0x10) no samples are kept: for those SQLite would plan a statement anew each time that a value is
            // bound, a tenth of a renewal (SQLite, "PRAGMA optimize" and `statInit`).
            let mut conn: Sqlite = sqlite::connect(&embedded.path, Access::Write).await?;
            conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE); PRAGMA optimize = 0x10012")
                .await?;
        }
        Ok(())
    }
}

/// The pools of a database, with so many connections at most. Nothing is connected yet.
fn connect(
    settings: &DatabaseSettings,
    connections: usize,
    writer: Access,
    statements: &Arc<AtomicU64>,
) -> Result<Backend, StorageError> {
    Ok(match &settings.url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.display().to_string();
            Backend::Sqlite(Embedded {
                writer: sqlite_writer(&path, writer, settings, statements),
                readers: pool(sqlite_reader(statements), &path, connections, settings)?,
                lookups: pool(sqlite_reader(statements), &path, connections, settings)?,
                path,
            })
        }
        DatabaseUrl::Postgres(url) => {
            let server = Arc::new(Server::new(url, settings)?);
            let setup = postgres_setup(Arc::clone(&server), statements);
            Backend::Postgres(Served {
                pool: pool(setup, "", connections, settings)?,
                limit: settings.statement_timeout + MARGIN,
                server,
            })
        }
    })
}

impl Served {
    /// One connection that was lost is seldom alone: the idle ones go too, before a try with the next.
    pub(super) fn renew(&self, error: &StorageError) {
        if let StorageError::Lost(_) = error {
            self.pool.retain(|_, _| false);
        }
    }
}

fn sqlite_writer(
    path: &str,
    access: Access,
    settings: &DatabaseSettings,
    statements: &Arc<AtomicU64>,
) -> Writer {
    let (path, statements) = (path.to_owned(), Arc::clone(statements));
    let connect = move || {
        let mut conn = sqlite::open(&path, access)?;
        conn.set_instrumentation(counter(Arc::clone(&statements)));
        Ok(conn)
    };
    Writer::new(connect, settings.wait)
}

fn sqlite_reader<S: SpawnBlocking + Send + 'static>(
    statements: &Arc<AtomicU64>,
) -> SetupCallback<SyncConnectionWrapper<SqliteConnection, S>> {
    let statements = Arc::clone(statements);
    Box::new(move |path| {
        let statements = Arc::clone(&statements);
        Box::pin(async move {
            let mut conn = sqlite::connect(path, Access::Read).await?;
            diesel_async::AsyncConnection::set_instrumentation(&mut conn, counter(statements));
            Ok(conn)
        })
    })
}

fn postgres_setup(
    server: Arc<Server>,
    statements: &Arc<AtomicU64>,
) -> SetupCallback<AsyncPgConnection> {
    let statements = Arc::clone(statements);
    Box::new(move |_| {
        let (server, statements) = (Arc::clone(&server), Arc::clone(&statements));
        Box::pin(async move {
            let mut conn = server.connect().await?;
            diesel_async::AsyncConnection::set_instrumentation(&mut conn, counter(statements));
            Ok(conn)
        })
    })
}

/// Counts the statements that a connection runs.
fn counter(statements: Arc<AtomicU64>) -> impl Instrumentation {
    move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { .. } = event {
            statements.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn pool<C>(
    setup: SetupCallback<C>,
    url: &str,
    connections: usize,
    settings: &DatabaseSettings,
) -> Result<Pool<C>, StorageError>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>: deadpool::managed::Manager<Type = C>,
{
    let mut config = ManagerConfig::default();
    // Asking each time whether a connection is alive doubles the round trips. One that is not is found out by its next use,
    // and what it was used for is tried again on another.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = setup;
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    deadpool::managed::Pool::builder(manager)
        .max_size(connections)
        .runtime(deadpool::Runtime::Tokio1)
        .wait_timeout(Some(settings.wait))
        .create_timeout(Some(settings.connect_timeout))
        .build()
        .map_err(|error| StorageError::Refused(error.to_string()))
}

/// Counts somebody who waited too long for a connection.
pub(super) fn count_timeout() {
    metrics::counter!("countersign_database_timeouts_total").increment(1);
}

/// A connection from the pool.
pub(super) async fn checkout<C>(pool: &Pool<C>) -> Result<Object<C>, StorageError>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        deadpool::managed::Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(_) => StorageError::Lost(error.to_string()),
        _ => {
            count_timeout();
            StorageError::Unavailable(error.to_string())
        }
    })
}

/// Gives a connection back to the pool, unless what happened to it means that the next user could not rely on it.
pub(super) fn give_back<C>(pooled: Object<C>, is_reliable: bool)
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>: deadpool::managed::Manager<Type = C>,
{
    if !is_reliable {
        drop(Object::take(pooled));
    }
}

/// What `work` comes to, or [`StorageError::Unavailable`] when that takes longer than `limit`.
pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| {
        Err(StorageError::Unavailable(
            "it did not answer in time".to_owned(),
        ))
    })
}

/// What the two databases do differently inside of a transaction. SQLite needs no locks: `BEGIN IMMEDIATE` let only one writer
/// in.
pub(super) trait Dialect {
    /// The user, locked against every transaction that creates or ends their sessions.
    async fn lock_user(&mut self, id: &UserId) -> QueryResult<Option<UserRow>>;
    /// One of the fixed rows of `locks`.
    async fn lock_name(&mut self, name: &'static str) -> QueryResult<()>;
    /// Wakes the readers of the revocations when the transaction commits.
    async fn notify(&mut self) -> QueryResult<()>;
    /// Writes a line of the audit trail.
    async fn insert_event(&mut self, event: AuthEventRow) -> QueryResult<()>;
    /// Writes lines of the audit trail.
    async fn insert_events(&mut self, events: Vec<AuthEventRow>) -> QueryResult<()>;
    /// The rows of these keys, which are sorted, locked; those that are missing are new ones.
    async fn lock_throttle(&mut self, keys: &[String]) -> QueryResult<Vec<ThrottleRow>>;
    /// Writes rows that were locked.
    async fn save_throttle(&mut self, rows: Vec<ThrottleRow>) -> QueryResult<()>;
}

impl Dialect for Inline {
    async fn lock_user(&mut self, id: &UserId) -> QueryResult<Option<UserRow>> {
        users::table
            .find(id.to_string())
            .select(UserRow::as_select())
            .first(self)
            .await
            .optional()
    }

    async fn lock_name(&mut self, _name: &'static str) -> QueryResult<()> {
        Ok(())
    }

    async fn notify(&mut self) -> QueryResult<()> {
        Ok(())
    }

    async fn insert_event(&mut self, event: AuthEventRow) -> QueryResult<()> {
        event.count();
        diesel::insert_into(auth_events::table)
            .values(event)
            .execute(self)
            .await
            .map(|_| ())
    }

    async fn insert_events(&mut self, events: Vec<AuthEventRow>) -> QueryResult<()> {
        for event in events {
            self.insert_event(event).await?;
        }
        Ok(())
    }

    async fn lock_throttle(&mut self, keys: &[String]) -> QueryResult<Vec<ThrottleRow>> {
        let mut rows: Vec<_> = keys.iter().cloned().map(ThrottleRow::unused).collect();
        for row in &mut rows {
            let found = throttle::table
                .find(&row.key)
                .select(ThrottleRow::as_select())
                .first(self)
                .await
                .optional()?;
            *row = found.unwrap_or_else(|| row.clone());
        }
        Ok(rows)
    }

    async fn save_throttle(&mut self, rows: Vec<ThrottleRow>) -> QueryResult<()> {
        for row in rows {
            diesel::replace_into(throttle::table)
                .values(row)
                .execute(self)
                .await?;
        }
        Ok(())
    }
}

impl Dialect for AsyncPgConnection {
    async fn lock_user(&mut self, id: &UserId) -> QueryResult<Option<UserRow>> {
        users::table
            .find(id.to_string())
            .select(UserRow::as_select())
            .for_update()
            .first(self)
            .await
            .optional()
    }

    async fn lock_name(&mut self, name: &'static str) -> QueryResult<()> {
        locks::table
            .find(name)
            .select(locks::name)
            .for_update()
            .first::<String>(self)
            .await
            .map(|_| ())
    }

    async fn notify(&mut self) -> QueryResult<()> {
        self.batch_execute(&format!("NOTIFY {CHANNEL}")).await
    }

    async fn insert_event(&mut self, event: AuthEventRow) -> QueryResult<()> {
        event.count();
        diesel::insert_into(auth_events::table)
            .values(event)
            .execute(self)
            .await
            .map(|_| ())
    }

    /// In few statements: ten thousand round trips would take longer than a transaction may.
    async fn insert_events(&mut self, events: Vec<AuthEventRow>) -> QueryResult<()> {
        events.iter().for_each(AuthEventRow::count);
        for some in events.chunks(EVENTS_AT_ONCE) {
            diesel::insert_into(auth_events::table)
                .values(some.to_vec())
                .execute(self)
                .await?;
        }
        Ok(())
    }

    /// One statement makes the rows that are missing and locks the others, so none can be deleted in between. As the keys are
    /// sorted, no two bookings wait for each other in a circle.
    async fn lock_throttle(&mut self, keys: &[String]) -> QueryResult<Vec<ThrottleRow>> {
        let unused: Vec<_> = keys.iter().cloned().map(ThrottleRow::unused).collect();
        let locking = diesel::insert_into(throttle::table)
            .values(unused)
            .on_conflict(throttle::key)
            .do_update()
            .set(throttle::key.eq(excluded(throttle::key)))
            .returning(ThrottleRow::as_returning());
        Prepared(locking).get_results(self).await
    }

    async fn save_throttle(&mut self, rows: Vec<ThrottleRow>) -> QueryResult<()> {
        let saving = diesel::insert_into(throttle::table)
            .values(rows)
            .on_conflict(throttle::key)
            .do_update()
            .set((
                throttle::tries.eq(excluded(throttle::tries)),
                throttle::free_at.eq(excluded(throttle::free_at)),
                throttle::forgotten_at.eq(excluded(throttle::forgotten_at)),
                throttle::noted.eq(excluded(throttle::noted)),
            ));
        Prepared(saving).execute(self).await.map(|_| ())
    }
}
