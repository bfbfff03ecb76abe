//! SQLite's one writer, and the commits that transactions share.
//!
//! A commit costs a write to the disk, whatever is in it. So a transaction of ours is a savepoint in one of SQLite's: those
//! that wait while one commit is under way take their turns one after the other, are committed together, and are answered only
//! then. What fails is rolled back alone. A transaction that nobody else waits beside is committed at once.
//!
//! Turns are taken in the order in which they were asked for (`tokio::sync::Mutex`). Whoever begins asks for the turn that
//! commits as well, which comes after those who wait already, so nobody has to count them and no batch grows without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::Status;
use diesel::ConnectionResult;
use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::sqlite::SqliteConnection;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::StorageError;
use super::connect::count_timeout;
use super::sqlite::Inline;

/// The most transactions that share a commit: others, and other processes, wait for it.
const MOST: usize = 256;

type Outcome = Result<(), StorageError>;
type Place = OwnedMutexGuard<State>;
type Connect = dyn Fn() -> ConnectionResult<SqliteConnection> + Send + Sync;

/// Hands out turns on the connection that writes.
#[derive(Clone)]
pub(super) struct Writer {
    place: Arc<Mutex<State>>,
    connect: Arc<Connect>,
    /// How long a turn may be waited for.
    wait: Duration,
    waiting: Arc<AtomicUsize>,
}

/// Somebody who waits for a turn, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
enum State {
    /// Nothing is connected yet, or what failed last took the connection along.
    #[default]
    Closed,
    Idle(Inline),
    Open(Batch),
}

/// What SQLite has begun and not committed.
struct Batch {
    conn: Inline,
    members: Vec<oneshot::Sender<Outcome>>,
}

/// One transaction's time on the connection. Whoever drops it instead of calling [`Turn::end`] takes the batch along: its
/// members are told that it failed.
pub(super) struct Turn {
    place: Place,
    batch: Batch,
}

impl Writer {
    /// A writer on what `connect` opens. Nothing is opened yet.
    pub(super) fn new(
        connect: impl Fn() -> ConnectionResult<SqliteConnection> + Send + Sync + 'static,
        wait: Duration,
    ) -> Self {
        Self {
            place: Arc::default(),
            connect: Arc::new(connect),
            wait,
            waiting: Arc::default(),
        }
    }

    /// How busy the connection is.
    pub(super) fn status(&self) -> Status {
        let state = self.place.try_lock();
        Status {
            max_size: 1,
            size: usize::from(!matches!(state.as_deref(), Ok(State::Closed))),
            available: usize::from(matches!(state.as_deref(), Ok(State::Idle(_)))),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// A turn, in a batch that has begun.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when others write for too long, [`StorageError::Lost`] when the file cannot be opened.
    pub(super) async fn turn(&self) -> Result<Turn, StorageError> {
        let asked = Arc::clone(&self.place).lock_owned();
        let waiting = Waiting::new(&self.waiting);
        let mut place = tokio::time::timeout(self.wait, asked).await.map_err(|_| {
            count_timeout();
            StorageError::Unavailable("too many writes wait".to_owned())
        })?;
        drop(waiting);
        let batch = match std::mem::take(&mut *place) {
            State::Open(batch) => batch,
            State::Idle(conn) => self.begin(Some(conn)).await?,
            State::Closed => self.begin(None).await?,
        };
        Ok(Turn { place, batch })
    }

    async fn begin(&self, conn: Option<Inline>) -> Result<Batch, StorageError> {
        let connect = Arc::clone(&self.connect);
        let conn = on_a_thread(move || {
            let mut conn = conn.map_or_else(|| connect().map(Inline::new), Ok)?;
            // It waits here for other processes.
            run(&mut conn, |conn| {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")
            })?;
            Ok(conn)
        });
        let conn = conn.await?;
        let place = Arc::clone(&self.place);
        tokio::spawn(async move { commit(place.lock_owned().await).await });
        Ok(Batch {
            conn,
            members: Vec::new(),
        })
    }
}

impl Turn {
    /// Where the transaction runs: a savepoint of the batch.
    pub(super) fn conn(&mut self) -> &mut Inline {
        &mut self.batch.conn
    }

    /// Passes the turn on; what the transaction came to, once it is committed.
    ///
    /// # Errors
    /// The transaction's own; [`StorageError::Unavailable`] and others when the batch cannot be committed.
    pub(super) async fn end<T>(self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        let Self {
            mut place,
            mut batch,
        } = self;
        // SQLite may have rolled all of it back (SQLite, "Transaction", 3): nothing of it is to be relied on.
        if let Err(
            error @ (StorageError::Unavailable(_)
            | StorageError::Lost(_)
            | StorageError::Refused(_)),
        ) = outcome
        {
            batch.tell(&Err(broken_off()));
            return Err(error);
        }
        let (tell, told) = oneshot::channel();
        batch.members.push(tell);
        let is_full = batch.members.len() >= MOST;
        *place = State::Open(batch);
        if is_full {
            tokio::spawn(commit(place));
        } else {
            drop(place);
        }
        // What was refused may have been so for what another member wrote: it waits as well.
        told.await.unwrap_or_else(|_| Err(broken_off()))?;
        outcome
    }
}

/// What those are told whose transaction was rolled back for another one's fault.
fn broken_off() -> StorageError {
    StorageError::Unavailable("a transaction beside this one was broken off".to_owned())
}

impl Batch {
    /// Closes the connection, which rolls back what is not committed, and tells the members so.
    fn tell(self, outcome: &Outcome) {
        drop(self.conn);
        tell(self.members, outcome);
    }
}

/// Commits what is open, if that has not been done by others.
async fn commit(mut place: Place) {
    let Batch { mut conn, members } = match std::mem::take(&mut *place) {
        State::Open(batch) => batch,
        other => {
            *place = other;
            return;
        }
    };
    let committed = on_a_thread(move || {
        run(&mut conn, AnsiTransactionManager::commit_transaction)?;
        Ok(conn)
    });
    let outcome = committed.await.map(|conn| *place = State::Idle(conn));
    drop(place);
    tell(members, &outcome);
}

fn tell(members: Vec<oneshot::Sender<Outcome>>, outcome: &Outcome) {
    for member in members {
        // Who has gone needs no answer.
        let _ = member.send(outcome.clone());
    }
}

/// Runs what waits for the disk or for another process where that keeps nobody up.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| Err(StorageError::Lost(panicked.to_string())))
}

fn run(
    conn: &mut Inline,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<()> + Send + 'static,
) -> Result<(), StorageError> {
    Ok(Handle::current().block_on(conn.spawn_blocking(work))?)
}

#[cfg(test)]
mod tests {
    use diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::super::Denied;
    use super::super::sqlite::{self, Access};
    use super::*;

    struct Database {
        folder: tempfile::TempDir,
        writer: Writer,
    }

    impl Database {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("test.db").display().to_string();
            let connect = move || sqlite::open(&path, Access::Write);
            let writer = Writer::new(connect, Duration::from_secs(30));
            let database = Self { folder, writer };
            database.run("CREATE TABLE rows (name text)").await.unwrap();
            database
        }

        /// One transaction.
        async fn run(&self, statement: &str) -> Outcome {
            let turn = self.writer.turn().await?;
            finish(turn, statement, Ok(())).await
        }

        /// What another connection sees.
        fn rows(&self) -> i64 {
            use diesel::RunQueryDsl as _;
            let path = self.folder.path().join("test.db").display().to_string();
            let mut conn = sqlite::open(&path, Access::Read).unwrap();
            diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
                "(SELECT count(*) FROM rows)",
            ))
            .get_result(&mut conn)
            .unwrap()
        }
    }

    /// Runs a statement in a transaction that comes to `outcome`.
    async fn finish(mut turn: Turn, statement: &str, outcome: Outcome) -> Outcome {
        let done = turn.conn().transaction(async |conn| {
            conn.batch_execute(statement).await?;
            outcome
        });
        let done = done.await;
        turn.end(done).await
    }

    const INSERT: &str = "INSERT INTO rows VALUES ('a row')";

    #[tokio::test]
    async fn those_who_wait_share_a_commit_and_are_answered_after_it() {
        let database = Database::new().await;
        let first = database.writer.turn().await.unwrap();
        let mut second = Box::pin(database.writer.turn());
        assert!((&mut second).now_or_never().is_none());
        let mut answer = Box::pin(finish(first, INSERT, Ok(())));
        assert!((&mut answer).now_or_never().is_none());
        let second = second.await.unwrap();
        assert!(
            (&mut answer).now_or_never().is_none(),
            "before the other had its turn"
        );
        assert_eq!(database.rows(), 0);
        finish(second, INSERT, Ok(())).await.unwrap();
        answer.await.unwrap();
        assert_eq!(database.rows(), 2);
    }

    #[tokio::test]
    async fn what_fails_is_rolled_back_alone() {
        let database = Database::new().await;
        let refused = async {
            let turn = database.writer.turn().await?;
            finish(turn, INSERT, Err(Denied::Missing.into())).await
        };
        let wrong = database.run("INSERT INTO rows VALUES ('a', 'b')");
        let (before, refused, after) =
            tokio::join!(database.run(INSERT), refused, database.run(INSERT));
        assert!(matches!(
            refused,
            Err(StorageError::Denied(Denied::Missing))
        ));
        assert!(before.is_ok() && after.is_ok());
        assert_eq!(database.rows(), 2);
        assert!(matches!(wrong.await, Err(StorageError::Refused(_))));
        database.run(INSERT).await.unwrap();
        assert_eq!(database.rows(), 3);
    }

    #[tokio::test]
    async fn a_turn_that_is_broken_off_fails_those_beside_it_and_no_others() {
        let database = Database::new().await;
        let first = database.writer.turn().await.unwrap();
        let mut second = Box::pin(database.writer.turn());
        assert!((&mut second).now_or_never().is_none());
        let mut answer = Box::pin(finish(first, INSERT, Ok(())));
        assert!((&mut answer).now_or_never().is_none());
        drop(second.await.unwrap());
        assert!(matches!(answer.await, Err(StorageError::Unavailable(_))));
        assert_eq!(database.rows(), 0);
        database.run(INSERT).await.unwrap();
        assert_eq!(database.rows(), 1);
    }

    #[tokio::test]
    async fn a_crowd_is_written_in_several_commits() {
        let database = Database::new().await;
        let crowd = 3 * MOST;
        let outcomes = join_all((0..crowd).map(|_| database.run(INSERT))).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(database.rows(), crowd as i64);
    }
}
