//! All that is kept: one [`Storage`] over SQLite or PostgreSQL, one file per table, the only place that names Diesel.
//!
//! Every query stands once and is expanded by `with_conn!` or `with_write!` for both databases, so the compiler checks it
//! against both. A transaction that reads before it writes goes through `with_write!`, which opens it as a write.

/// Runs one query on a connection of either database.
macro_rules! with_conn {
    ($storage:expr, |$conn:ident| $body:expr) => {
        match &$storage.backend {
            $crate::storage::Backend::Sqlite(pool) => {
                let mut pooled = $crate::storage::connect::checkout(pool).await?;
                let $conn = &mut *pooled;
                $body.map_err($crate::storage::StorageError::from)
            }
            $crate::storage::Backend::Postgres(pool) => {
                let mut pooled = $crate::storage::connect::checkout(pool).await?;
                let $conn = &mut *pooled;
                $body.map_err($crate::storage::StorageError::from)
            }
        }
    };
}

/// Runs a transaction on either database, opened as a write: a deferred SQLite transaction that reads first fails when
/// another writer comes between.
macro_rules! with_write {
    ($storage:expr, |$conn:ident| $body:block) => {
        match &$storage.backend {
            $crate::storage::Backend::Sqlite(pool) => {
                let mut pooled = $crate::storage::connect::checkout(pool).await?;
                pooled
                    .immediate_transaction(
                        async |$conn| -> Result<_, $crate::storage::StorageError> { $body },
                    )
                    .await
            }
            $crate::storage::Backend::Postgres(pool) => {
                use diesel_async::AsyncConnection as _;
                let mut pooled = $crate::storage::connect::checkout(pool).await?;
                pooled
                    .transaction(async |$conn| -> Result<_, $crate::storage::StorageError> {
                        $body
                    })
                    .await
            }
        }
    };
}

#[macro_use]
mod steps;

mod auth_events;
mod connect;
mod keys;
mod migrate;
mod revocations;
mod schema;
mod sessions;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

use crate::values::Role;

pub use auth_events::{AuthEventFilter, AuthEventKind, AuthEventRow};
pub use connect::DatabaseUrl;
pub use keys::{KeyChange, KeyDecision, KeyPurpose, KeyRow};
pub use revocations::{Ends, FeedRead, Revocation, RevocationFeed, Revoked};
pub use sessions::{EndEvent, NewNonce, Opening, Proof, Rotation, SessionRow};
pub use users::{ProfileChange, UserFilter, UserRow};

/// The database, embedded or served.
#[derive(Clone)]
pub struct Storage {
    backend: Backend,
    url: DatabaseUrl,
    statements: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Backend {
    Sqlite(Pool<SyncConnectionWrapper<SqliteConnection>>),
    Postgres(Pool<AsyncPgConnection>),
}

impl Storage {
    /// How many statements were run on the pool's connections since the start, those of transactions included.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It cannot be reached or cannot write just now; the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row with the same unique value exists.
    #[error("such a row exists already")]
    Conflict,
    /// What the transaction found does not allow it; nothing was written.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The URL names no database that we know how to open.
    #[error("{0}")]
    Url(String),
    /// The schema could not be brought up to date.
    #[error("the migrations failed: {0}")]
    Migration(String),
    /// Anything else that the database refused: a fault of ours.
    #[error("the database refused: {0}")]
    Refused(String),
}

/// What a transaction found that does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller's session has ended, or the account was disabled or deleted.
    #[error("the caller's session has ended")]
    CallerEnded,
    /// The caller has changed since the token was signed.
    #[error("the caller's token is stale")]
    CallerStale,
    /// The caller's role is not powerful enough.
    #[error("the caller needs the role {}", .0.as_str())]
    RoleRequired(Role),
    /// The password is not the one that was verified any more.
    #[error("the password has changed meanwhile")]
    PasswordChanged,
    /// There is no such account.
    #[error("there is no such account")]
    Missing,
    /// Nobody would be left to administer.
    #[error("this is the last administrator")]
    LastAdministrator,
}

impl StorageError {
    /// How long a caller should wait before it asks again.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);
}

impl From<diesel::ConnectionError> for StorageError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<DieselError> for StorageError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::UnableToSendCommand,
                _,
            ) => Self::Unavailable(error.to_string()),
            DieselError::DatabaseError(_, info) if is_passing(info.message()) => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// Faults that SQLite and a dying PostgreSQL connection report as text only.
fn is_passing(message: &str) -> bool {
    const SIGNS: [&str; 10] = [
        "deadlock detected",
        "database is locked",
        "disk is full",
        "readonly database",
        "disk I/O error",
        "unable to open database file",
        "connection closed",
        "communicating with the server",
        "terminating connection",
        "the database system is",
    ];
    SIGNS.iter().any(|sign| message.contains(sign))
}
