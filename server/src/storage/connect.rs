//! Opening the database: URLs, pools, and what every connection is set to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::result::ConnectionError;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::revocations::CHANNEL;
use super::schema::{locks, users};
use super::{Backend, Storage, StorageError, UserRow, migrate};
use crate::clock::node_time;
use crate::config::DatabaseSettings;
use crate::values::{UnixMillis, UserId};

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
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with(':') => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(Self::Postgres(text.to_owned())),
            _ => Err(StorageError::Url(
                "a database URL looks like sqlite://data/countersign.db or postgres://user:password@host/name".to_owned(),
            )),
        }
    }
}

/// Without the password that it may hold.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => match url::Url::parse(url) {
                Ok(parsed) => write!(
                    f,
                    "postgres://{}{}",
                    parsed.host_str().unwrap_or_default(),
                    parsed.path()
                ),
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

/// Set on every SQLite connection. `FULL` so that an answered write survives a power cut (SQLite, "PRAGMA synchronous").
const SQLITE_SETUP: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                            PRAGMA foreign_keys = ON;";

impl Storage {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it cannot be reached, [`StorageError::Migration`] when its schema cannot be
    /// brought up to date.
    pub async fn open(settings: &DatabaseSettings) -> Result<Self, StorageError> {
        let statements = Arc::new(AtomicU64::new(0));
        let backend = match &settings.url {
            DatabaseUrl::Sqlite(path) => {
                create_private(path)?;
                let path = path.display().to_string();
                Backend::Sqlite(pool(sqlite_manager(path, &statements), settings)?)
            }
            DatabaseUrl::Postgres(url) => {
                Backend::Postgres(pool(postgres_manager(url, &statements), settings)?)
            }
        };
        let storage = Self {
            backend,
            url: settings.url.clone(),
            statements,
        };
        storage.ping().await?;
        migrate::run(&settings.url).await?;
        Ok(storage)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.database_time().await.map(|_| ())
    }

    /// The database's own time. SQLite has the node's.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it does not answer.
    pub async fn database_time(&self) -> Result<UnixMillis, StorageError> {
        match &self.backend {
            Backend::Sqlite(_) => {
                with_conn!(self, |conn| diesel::select(diesel::dsl::sql::<BigInt>("1"))
                    .get_result::<i64>(conn)
                    .await)?;
                Ok(node_time())
            }
            Backend::Postgres(pool) => {
                let now = diesel::dsl::sql::<BigInt>(
                    "(extract(epoch from clock_timestamp()) * 1000)::bigint",
                );
                let mut conn = checkout(pool).await?;
                Ok(UnixMillis(
                    diesel::select(now).get_result(&mut *conn).await?,
                ))
            }
        }
    }
}

/// Makes the database's folder, and the file with mode 0600: it holds password hashes.
fn create_private(path: &Path) -> Result<(), StorageError> {
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

pub(super) type Sqlite = SyncConnectionWrapper<SqliteConnection>;

pub(super) async fn connect_sqlite(path: &str) -> ConnectionResult<Sqlite> {
    let mut conn = Sqlite::establish(path).await?;
    conn.batch_execute(SQLITE_SETUP)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

pub(super) async fn connect_postgres(url: &str) -> ConnectionResult<AsyncPgConnection> {
    AsyncPgConnection::establish(url).await
}

fn sqlite_manager(
    path: String,
    statements: &Arc<AtomicU64>,
) -> AsyncDieselConnectionManager<Sqlite> {
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    let statements = Arc::clone(statements);
    config.custom_setup = Box::new(move |path| {
        let statements = Arc::clone(&statements);
        Box::pin(async move {
            let mut conn = connect_sqlite(path).await?;
            conn.set_instrumentation(counter(statements));
            Ok(conn)
        })
    });
    AsyncDieselConnectionManager::new_with_config(path, config)
}

fn postgres_manager(
    url: &str,
    statements: &Arc<AtomicU64>,
) -> AsyncDieselConnectionManager<AsyncPgConnection> {
    let mut config = ManagerConfig::default();
    let statements = Arc::clone(statements);
    config.custom_setup = Box::new(move |url| {
        let statements = Arc::clone(&statements);
        Box::pin(async move {
            let mut conn = connect_postgres(url).await?;
            conn.set_instrumentation(counter(statements));
            Ok(conn)
        })
    });
    AsyncDieselConnectionManager::new_with_config(url, config)
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
    manager: AsyncDieselConnectionManager<C>,
    settings: &DatabaseSettings,
) -> Result<Pool<C>, StorageError>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>: deadpool::managed::Manager<Type = C>,
{
    deadpool::managed::Pool::builder(manager)
        .max_size(settings.connections)
        .runtime(deadpool::Runtime::Tokio1)
        .wait_timeout(Some(settings.wait))
        .create_timeout(Some(Duration::from_secs(5)))
        .recycle_timeout(Some(Duration::from_secs(5)))
        .build()
        .map_err(|error| StorageError::Refused(error.to_string()))
}

/// A connection from the pool.
pub(super) async fn checkout<C>(pool: &Pool<C>) -> Result<Object<C>, StorageError>
where
    C: PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        deadpool::managed::Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    pool.get()
        .await
        .map_err(|error| StorageError::Unavailable(error.to_string()))
}

/// What the two databases do differently inside of a transaction: locks that hold until the transaction ends. SQLite needs none: `BEGIN IMMEDIATE` let only one writer in.
pub(super) trait Lock {
    /// The user, locked against every transaction that creates or ends their sessions.
    async fn lock_user(&mut self, id: &UserId) -> QueryResult<Option<UserRow>>;
    /// One of the fixed rows of `locks`.
    async fn lock_name(&mut self, name: &'static str) -> QueryResult<()>;
    /// Wakes the readers of the revocations when the transaction commits.
    async fn notify(&mut self) -> QueryResult<()>;
}

impl Lock for Sqlite {
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
}

impl Lock for AsyncPgConnection {
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
}
