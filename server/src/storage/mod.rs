//! All that is kept: one [`Storage`] over SQLite or PostgreSQL, one file per table, the only place that names Diesel.
//!
//! Every query stands once and is expanded by `with_read!`, `with_lookup!`, `with_statement!` or `with_write!` for both
//! databases, so the compiler checks it against both. All try again, on PostgreSQL, what failed and does no harm when it runs
//! again, so what they run may run several times.

/// The span of a part of something that is traced. What the server asks for itself, several times a second, would be as many
/// traces of nothing else.
macro_rules! span_of_part {
    ($name:literal) => {
        match tracing::Span::current() {
            of if of.is_none() => of,
            _ => tracing::info_span!($name),
        }
    };
}

/// Runs one query that only reads, on a connection of either database.
macro_rules! with_read {
    ($storage:expr, |$conn:ident| $body:expr) => {
        with_reader!($storage, readers, |$conn| $body)
    };
}

/// Runs one query that reads a few rows by their keys. SQLite is asked where the caller stands, as that takes no longer than
/// handing the question to another thread.
macro_rules! with_lookup {
    ($storage:expr, |$conn:ident| $body:expr) => {
        with_reader!($storage, lookups, |$conn| $body)
    };
}

/// `$pool` is the one of SQLite's to read from.
macro_rules! with_reader {
    ($storage:expr, $pool:ident, |$conn:ident| $body:expr) => {
        match &$storage.backend {
            $crate::storage::Backend::Sqlite(embedded) => {
                let mut pooled = $crate::storage::connect::checkout(&embedded.$pool).await?;
                let $conn = &mut *pooled;
                $body.map_err($crate::storage::StorageError::from)
            }
            $crate::storage::Backend::Postgres(served) => on_served!(served, |$conn| $body),
        }
    };
}

/// Runs one statement that writes, and that does no harm when it is run again although it was: it is a transaction by itself,
/// so PostgreSQL is asked once instead of three times.
macro_rules! with_statement {
    ($storage:expr, |$conn:ident| $body:expr) => {
        match &$storage.backend {
            $crate::storage::Backend::Sqlite(embedded) => {
                let mut turn = embedded.writer.turn().await?;
                let $conn = turn.conn();
                let outcome = $body.map_err($crate::storage::StorageError::from);
                turn.end(outcome).await
            }
            $crate::storage::Backend::Postgres(served) => on_served!(served, |$conn| $body),
        }
    };
}

/// Runs one statement on PostgreSQL that may be tried again, whatever became of it.
macro_rules! on_served {
    ($served:ident, |$conn:ident| $body:expr) => {{
        let mut retries = $crate::storage::retries::Retries::new($served.limit);
        loop {
            let attempt = async {
                let mut pooled = $crate::storage::connect::checkout(&$served.pool).await?;
                let work = async {
                    let $conn = &mut *pooled;
                    $served.server.begin_single($conn).await?;
                    let found = $body?;
                    $served.server.end_single($conn).await?;
                    Ok(found)
                };
                let outcome = $crate::storage::connect::in_time($served.limit, work).await;
                $crate::storage::connect::give_back(pooled, outcome.is_ok());
                outcome
            };
            let span = span_of_part!("statement");
            let attempt = tracing::Instrument::instrument(attempt, span);
            let outcome: Result<_, $crate::storage::StorageError> = attempt.await;
            let progress = $crate::storage::retries::Progress::Uncommitted;
            match outcome {
                Err(error) if retries.again(&error, progress).await => $served.renew(&error),
                outcome => break outcome,
            }
        }
    }};
}

/// Runs a transaction on either database, opened as a write: a deferred SQLite transaction that reads first fails when
/// another writer comes between.
macro_rules! with_write {
    ($storage:expr, |$conn:ident| $body:block) => {
        match &$storage.backend {
            $crate::storage::Backend::Sqlite(embedded) => {
                use diesel_async::AsyncConnection as _;
                match embedded.writer.turn().await {
                    Err(error) => Err(error),
                    Ok(mut turn) => {
                        let outcome = turn.conn().transaction(
                            async |$conn| -> Result<_, $crate::storage::StorageError> { $body },
                        );
                        let span = span_of_part!("transaction");
                        let outcome = tracing::Instrument::instrument(outcome, span).await;
                        turn.end(outcome).await
                    }
                }
            }
            $crate::storage::Backend::Postgres(served) => {
                use diesel_async::AsyncConnection as _;
                use $crate::storage::retries::{Progress, Retries};
                let mut retries = Retries::new(served.limit);
                loop {
                    let mut progress = Progress::Uncommitted;
                    let attempt = async {
                        let mut pooled = $crate::storage::connect::checkout(&served.pool).await?;
                        let work = pooled.transaction(
                            async |$conn| -> Result<_, $crate::storage::StorageError> {
                                #[expect(
                                    clippy::redundant_closure_call,
                                    reason = "`?` and `return` of the body end the body only"
                                )]
                                let outcome =
                                    (async || -> Result<_, $crate::storage::StorageError> {
                                        $body
                                    })()
                                    .await;
                                if outcome.is_ok() {
                                    progress = Progress::Committing;
                                }
                                outcome
                            },
                        );
                        let outcome = $crate::storage::connect::in_time(served.limit, work).await;
                        let is_lost =
                            matches!(outcome, Err($crate::storage::StorageError::Unavailable(_)));
                        $crate::storage::connect::give_back(pooled, !is_lost);
                        outcome
                    };
                    let span = span_of_part!("transaction");
                    let attempt = tracing::Instrument::instrument(attempt, span);
                    let outcome: Result<_, $crate::storage::StorageError> = attempt.await;
                    match outcome {
                        Err(error) if retries.again(&error, progress).await => served.renew(&error),
                        outcome => break outcome,
                    }
                }
            }
        }
    };
}

#[macro_use]
mod steps;

mod auth_events;
mod backup;
mod batches;
mod connect;
mod copy;
mod everyone;
mod imports;
mod inspect;
mod keys;
mod marks;
mod migrate;
mod pools;
mod postgres;
mod prepared;
mod recoveries;
mod retries;
mod revocations;
mod schema;
mod sessions;
mod sqlite;
mod tables;
mod throttle;
mod users;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Pool;

use crate::values::Role;
use postgres::Server;
use sqlite::{Inline, Sqlite};
use writer::Writer;

pub use auth_events::{AuthEventFilter, AuthEventKind, AuthEventRow};
pub use backup::{BackupError, backup};
pub use batches::in_batches;
pub use connect::DatabaseUrl;
pub use copy::{Checksum, Compared, CopyError, CopyPhase, CopyProgress, DatabaseCopy, cancel_copy};
pub use everyone::EndedUsers;
pub use inspect::{Facts, Inspection, PostgresFacts, SqliteFacts, damage, inspect};
pub use keys::{KeyChange, KeyDecision, KeyPurpose, KeyRow};
pub use marks::Mark;
pub use migrate::{SchemaState, migrate};
pub use recoveries::Recovery;
pub use revocations::{Ends, FeedRead, Revocation, RevocationFeed, Revoked};
pub use sessions::{EndEvent, NewNonce, Opening, Proof, Rotation, SessionRow};
pub use throttle::{Booking, ThrottleRow};
pub use users::{ProfileChange, UserFilter, UserRow};

/// The database, embedded or served.
#[derive(Clone)]
pub struct Storage {
    backend: Backend,
    /// For questions about readiness, which must not wait behind requests.
    probe: Probe,
    statements: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Probe {
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Sqlite(Embedded),
    Postgres(Served),
}

/// SQLite lets one connection write at a time, beside any number that read.
#[derive(Clone)]
struct Embedded {
    path: String,
    writer: Writer,
    /// For what may take long.
    readers: Pool<Sqlite>,
    /// For what does not.
    lookups: Pool<Inline>,
}

#[derive(Clone)]
struct Served {
    server: Arc<Server>,
    pool: Pool<AsyncPgConnection>,
    /// How long a transaction may take.
    limit: Duration,
}

impl Storage {
    /// How many statements were run on the pool's connections since the start, those of transactions included.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// It cannot be reached or cannot write just now; the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection to it was lost, or cannot be made; the same call may succeed later.
    #[error("the database is not available: {0}")]
    Lost(String),
    /// Another transaction was in the way, again and again; nothing was written, and the same call may succeed later.
    #[error("the database was busy: {0}")]
    Contended(String),
    /// A row with the same unique value exists.
    #[error("such a row exists already")]
    Conflict,
    /// What the transaction found does not allow it; nothing was written.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It is being moved to another one, and takes no writes.
    #[error("{}", marks::MOVING_TEXT)]
    Moving,
    /// A mark in it keeps servers away.
    #[error("{0}")]
    Marked(String),
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
    /// There has been too much of it lately.
    #[error("there were too many tries")]
    Throttled(Duration),
    /// The link was used, was replaced by a newer one, has expired or never was.
    #[error("the recovery link is not valid")]
    RecoveryInvalid,
    /// Nobody would be left to administer.
    #[error("this is the last administrator")]
    LastAdministrator,
}

impl StorageError {
    /// How long a caller should wait before it asks again.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);
    /// The same while the database is being moved.
    pub const MOVED_AFTER: Duration = Duration::from_secs(10);
}

impl From<diesel::ConnectionError> for StorageError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<DieselError> for StorageError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
                Self::Contended(error.to_string())
            }
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                _,
            )
            | DieselError::BrokenTransactionManager => Self::Lost(error.to_string()),
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
                Self::Unavailable(error.to_string())
            }
            DieselError::DatabaseError(_, info) if info.message() == marks::MOVING_TEXT => {
                Self::Moving
            }
            DieselError::DatabaseError(_, info) => of_message(info.message()),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => {
                Self::Lost(commit_error.to_string())
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// Diesel hands on no code with the faults that it has no name for. PostgreSQL's have to be in English (`lc_messages`).
fn of_message(message: &str) -> StorageError {
    const CONTENDED: [&str; 1] = ["deadlock detected"];
    const LOST: [&str; 8] = [
        "connection closed",
        "communicating with the server",
        "terminating connection",
        "the database system is",
        // pgbouncer's.
        "server conn crashed",
        "server login",
        "invalid server parameter",
        "pgbouncer cannot connect",
    ];
    const PASSING: [&str; 14] = [
        "database is locked",
        "disk is full",
        "readonly database",
        "disk I/O error",
        "unable to open database file",
        "No space left on device",
        "could not extend file",
        "due to statement timeout",
        "due to lock timeout",
        "due to idle-in-transaction timeout",
        "due to user request",
        // pgbouncer's.
        "query_wait_timeout",
        "query timeout",
        "idle transaction timeout",
    ];
    let names = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
    match message {
        _ if names(&CONTENDED) => StorageError::Contended(message.to_owned()),
        _ if names(&LOST) => StorageError::Lost(message.to_owned()),
        _ if names(&PASSING) => StorageError::Unavailable(message.to_owned()),
        _ if message.contains("prepared statement") => StorageError::Refused(format!(
            "{message}; behind a pooler in transaction mode set COUNTERSIGN_DATABASE__POOLER=transaction"
        )),
        _ => StorageError::Refused(message.to_owned()),
    }
}
