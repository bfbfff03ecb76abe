//! The table `revocations`: what was taken back lately, and the feed that carries it to every node.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::{FutureExt as _, StreamExt as _};

use super::connect::{Dialect as _, in_time};
use super::postgres::Server;
use super::schema::{longest_access_ttl, revocations};
use super::sqlite::{self, Access, Sqlite};
use super::{Backend, Storage, StorageError};
use crate::clock::node_time;
use crate::values::{Mismatch, Reason, SessionId, UnixMillis, UserId};

/// The channel on which PostgreSQL wakes the readers. It carries no data.
pub(super) const CHANNEL: &str = "countersign_revocations";
/// Tokens are good for 30 s past their `exp`, and clocks differ: an entry outlives them by this much.
const MARGIN: Duration = Duration::from_secs(120);
/// How long a row is kept past the time when nobody needs it.
const KEPT: Duration = Duration::from_secs(3600);
/// A database that takes longer over a read does not answer.
const TIME_LIMIT: Duration = Duration::from_secs(3);
/// The first read brings the whole table, perhaps millions of rows.
const FIRST_READ_LIMIT: Duration = Duration::from_secs(60);

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Every token of one session.
    Session(SessionId),
    /// A user's tokens of a version below `min_version`.
    User {
        /// The user.
        id: UserId,
        /// The lowest version that is still good.
        min_version: i64,
        /// Whether the user's sessions ended too.
        ends: Ends,
    },
    /// The keys changed; every node has to read them again. The text is the key's id.
    Keys(String),
}

/// Which of a user's sessions ended with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// None: their tokens are stale, and a renewal helps.
    Nothing,
    /// All but this one.
    AllBut(Option<SessionId>),
}

/// One row of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Rises with every row that concerns the same subject.
    pub seq: i64,
    /// What is taken back.
    pub revoked: Revoked,
    /// What the clients are told.
    pub reason: Reason,
    /// When it was.
    pub at: UnixMillis,
    /// How long tokens may live that were signed before: so long the entry is needed, from when it is read.
    pub life: Duration,
}

/// The row as it stands.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = revocations)]
pub(super) struct RevocationColumns {
    kind: String,
    subject: String,
    min_version: Option<i64>,
    ends_sessions: i32,
    spared_session: Option<String>,
    reason: String,
    at: i64,
    expires_at: i64,
}

impl RevocationColumns {
    pub(super) fn new(
        revoked: &Revoked,
        reason: Reason,
        at: UnixMillis,
        longest_access_ttl: i64,
    ) -> Self {
        let longest = Duration::from_millis(u64::try_from(longest_access_ttl).unwrap_or_default());
        let mut row = Self {
            kind: String::new(),
            subject: String::new(),
            min_version: None,
            ends_sessions: 0,
            spared_session: None,
            reason: reason.into(),
            at: at.0,
            expires_at: (at + longest + MARGIN).0,
        };
        match revoked {
            Revoked::Session(id) => {
                row.kind = "SESSION".to_owned();
                row.subject = id.to_string();
            }
            Revoked::User {
                id,
                min_version,
                ends,
            } => {
                row.kind = "USER".to_owned();
                row.subject = id.to_string();
                row.min_version = Some(*min_version);
                if let Ends::AllBut(spared) = ends {
                    row.ends_sessions = 1;
                    row.spared_session = spared.map(|id| id.to_string());
                }
            }
            Revoked::Keys(id) => {
                row.kind = "KEYS".to_owned();
                row.subject.clone_from(id);
            }
        }
        row
    }

    fn read(self, seq: i64) -> Result<Revocation, Mismatch> {
        let revoked = match self.kind.as_str() {
            "SESSION" => Revoked::Session(self.subject.try_into()?),
            "USER" => Revoked::User {
                id: self.subject.try_into()?,
                min_version: self.min_version.unwrap_or_default(),
                ends: match (self.ends_sessions, self.spared_session) {
                    (0, _) => Ends::Nothing,
                    (_, spared) => Ends::AllBut(spared.map(SessionId::try_from).transpose()?),
                },
            },
            "KEYS" => Revoked::Keys(self.subject),
            _ => return Err(Mismatch("a kind of revocation")),
        };
        Ok(Revocation {
            seq,
            revoked,
            // A newer version may know more of them; what is taken back does not depend on it.
            reason: self.reason.parse().unwrap_or(Reason::TokenStale),
            at: UnixMillis(self.at),
            life: UnixMillis(self.expires_at).since(UnixMillis(self.at)),
        })
    }
}

/// Counts sessions that end.
pub(super) fn count_ended(reason: Reason, sessions: usize) {
    metrics::counter!("countersign_sessions_ended_total", "reason" => reason.as_str())
        .increment(sessions as u64);
}

/// Takes something back, as part of the transaction on `$conn` that is the cause.
macro_rules! revoke {
    ($conn:expr, $revoked:expr, $reason:expr, $now:expr) => {{
        use $crate::storage::schema::{longest_access_ttl, revocations};
        let longest: i64 = longest_access_ttl::table
            .select(longest_access_ttl::millis)
            .first($conn)
            .await?;
        let row =
            $crate::storage::revocations::RevocationColumns::new(&$revoked, $reason, $now, longest);
        diesel::insert_into(revocations::table)
            .values(row)
            .execute($conn)
            .await?;
        $conn.notify().await?;
        if let $crate::storage::Revoked::Session(_) = $revoked {
            $crate::storage::revocations::count_ended($reason, 1);
        }
    }};
}
pub(super) use revoke;

impl Storage {
    /// Remembers that a node signs access tokens which live for `ttl`: no entry may be forgotten sooner.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn note_access_ttl(
        &self,
        ttl: Duration,
        now: UnixMillis,
    ) -> Result<(), StorageError> {
        let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        with_write!(self, |conn| {
            let shorter = longest_access_ttl::table.filter(longest_access_ttl::millis.lt(millis));
            let raised = diesel::update(shorter)
                .set(longest_access_ttl::millis.eq(millis))
                .execute(conn)
                .await?;
            if raised > 0 {
                // Other nodes reckon by it how long an old key still verifies.
                let all = Revoked::Keys("all".to_owned());
                revoke!(conn, all, Reason::KeysChanged, now);
            }
            Ok(())
        })
    }

    /// Deletes up to `limit` of the rows that no token needs any more; how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn delete_expired_revocations(
        &self,
        now: UnixMillis,
        limit: i64,
    ) -> Result<usize, StorageError> {
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or_default();
        with_write!(self, |conn| {
            let old: Vec<i64> = revocations::table
                .filter(revocations::expires_at.lt(now.0 - kept))
                .limit(limit)
                .select(revocations::seq)
                .load(conn)
                .await?;
            let old = revocations::table.filter(revocations::seq.eq_any(old));
            Ok(diesel::delete(old).execute(conn).await?)
        })
    }

    /// A connection of its own that reads the revocations from the beginning, and reads on from there.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn feed(&self) -> Result<RevocationFeed, StorageError> {
        Ok(RevocationFeed(match &self.backend {
            Backend::Sqlite(embedded) => Reader::Sqlite {
                conn: Box::new(sqlite::connect(&embedded.path, Access::Read).await?),
                last: 0,
            },
            Backend::Postgres(served) => {
                let mut conn = served.server.connect_with(FIRST_READ_LIMIT).await?;
                if !served.server.is_pooled() {
                    // Before the first read, so that nothing comes between the two unheard.
                    let listen = format!("LISTEN {CHANNEL}");
                    in_time(TIME_LIMIT, async { Ok(conn.batch_execute(&listen).await?) }).await?;
                }
                Reader::Postgres {
                    conn: Box::new(conn),
                    server: Arc::clone(&served.server),
                    horizon: 0,
                    started: 0,
                }
            }
        }))
    }
}

/// A reader of the revocations that loses none, whatever the order in which transactions commit.
pub struct RevocationFeed(Reader);

enum Reader {
    /// One writer at a time, so the order of `seq` is that of the commits.
    Sqlite {
        /// The connection.
        conn: Box<Sqlite>,
        /// The highest `seq` that was read.
        last: i64,
    },
    /// A row is read again and again until no transaction older than its own can be under way any more.
    Postgres {
        /// The connection.
        conn: Box<AsyncPgConnection>,
        /// Where it leads.
        server: Arc<Server>,
        /// The oldest transaction whose rows may still be unseen.
        horizon: i64,
        /// When the server that the horizon is of was started.
        started: i64,
    },
}

/// What one read of the feed found.
#[derive(Debug)]
pub struct FeedRead {
    /// The rows that may be new, in order of `seq`.
    pub revocations: Vec<Revocation>,
    /// The database's time.
    pub database_time: UnixMillis,
}

/// One statement, so that rows and horizon are of one snapshot; without a row there is still a horizon.
const POSTGRES_READ: &str = "\
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, \
           (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now, \
           (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started, \
           seq, kind, subject, min_version, ends_sessions, spared_session, reason, at, expires_at \
    FROM (SELECT $1::bigint AS since) AS start LEFT JOIN revocations ON xid >= since ORDER BY seq";

type NullableText = sql_types::Nullable<sql_types::Text>;
type NullableBigInt = sql_types::Nullable<sql_types::BigInt>;
type NullableInteger = sql_types::Nullable<sql_types::Integer>;

#[derive(QueryableByName)]
struct PostgresRow {
    #[diesel(sql_type = sql_types::BigInt)]
    horizon: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    now: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    started: i64,
    #[diesel(sql_type = NullableBigInt)]
    seq: Option<i64>,
    #[diesel(sql_type = NullableText)]
    kind: Option<String>,
    #[diesel(sql_type = NullableText)]
    subject: Option<String>,
    #[diesel(sql_type = NullableBigInt)]
    min_version: Option<i64>,
    #[diesel(sql_type = NullableInteger)]
    ends_sessions: Option<i32>,
    #[diesel(sql_type = NullableText)]
    spared_session: Option<String>,
    #[diesel(sql_type = NullableText)]
    reason: Option<String>,
    #[diesel(sql_type = NullableBigInt)]
    at: Option<i64>,
    #[diesel(sql_type = NullableBigInt)]
    expires_at: Option<i64>,
}

impl PostgresRow {
    fn columns(self) -> Option<(i64, RevocationColumns)> {
        let columns = RevocationColumns {
            kind: self.kind?,
            subject: self.subject?,
            min_version: self.min_version,
            ends_sessions: self.ends_sessions?,
            spared_session: self.spared_session,
            reason: self.reason?,
            at: self.at?,
            expires_at: self.expires_at?,
        };
        Some((self.seq?, columns))
    }
}

impl RevocationFeed {
    /// Reads what may be new.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database does not answer in time: the connection is of no use then.
    pub async fn read(&mut self) -> Result<FeedRead, StorageError> {
        let is_first = matches!(
            self.0,
            Reader::Sqlite { last: 0, .. } | Reader::Postgres { horizon: 0, .. }
        );
        let limit = if is_first {
            FIRST_READ_LIMIT
        } else {
            TIME_LIMIT
        };
        in_time(limit, async {
            let (rows, database_time) = match &mut self.0 {
                Reader::Sqlite { conn, last } => {
                    let rows: Vec<(i64, RevocationColumns)> = revocations::table
                        .filter(revocations::seq.gt(*last))
                        .order(revocations::seq)
                        .select((revocations::seq, RevocationColumns::as_select()))
                        .load(&mut **conn)
                        .await?;
                    *last = rows.last().map_or(*last, |(seq, _)| *seq);
                    (rows, node_time())
                }
                Reader::Postgres {
                    conn,
                    server,
                    horizon,
                    started,
                } => {
                    server.begin_single(conn).await?;
                    let rows: Vec<PostgresRow> = diesel::sql_query(POSTGRES_READ)
                        .bind::<sql_types::BigInt, _>(*horizon)
                        .load(&mut **conn)
                        .await?;
                    server.end_single(conn).await?;
                    let Some(first) = rows.as_slice().first() else {
                        return Err(StorageError::Refused("a read without a row".to_owned()));
                    };
                    let now = first.now;
                    // Behind a pooler the connection outlives the server. One that lost transactions counts them anew.
                    if *horizon > first.horizon || (*started != 0 && *started != first.started) {
                        return Err(StorageError::Unavailable(
                            "the server is another".to_owned(),
                        ));
                    }
                    (*horizon, *started) = (first.horizon, first.started);
                    let rows = rows.into_iter().filter_map(PostgresRow::columns);
                    (rows.collect(), UnixMillis(now))
                }
            };
            let read = rows.into_iter().map(|(seq, columns)| columns.read(seq));
            let revocations = read
                .collect::<Result<_, _>>()
                .map_err(|error| StorageError::Refused(format!("a row of revocations: {error}")))?;
            Ok(FeedRead {
                revocations,
                database_time,
            })
        })
        .await
    }

    /// Waits until the database says that something is new. SQLite never does.
    pub async fn changed(&mut self) {
        match &mut self.0 {
            Reader::Sqlite { .. } => std::future::pending().await,
            Reader::Postgres { conn, .. } => {
                let mut notifications = std::pin::pin!(conn.notifications_stream());
                // The stream ends with the connection, and must not be asked again: the next read finds it out.
                if notifications.next().await.is_some() {
                    // One read serves all that are there.
                    while let Some(Some(_)) = notifications.next().now_or_never() {}
                }
            }
        }
    }
}
