//! The end of all sessions of all users.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::connect::Dialect as _;
use super::revocations::RevocationColumns;
use super::schema::{longest_access_ttl, revocations, sessions, users};
use super::sqlite::Inline;
use super::{EndEvent, Ends, Revoked, Storage, StorageError};
use crate::values::{Mismatch, Reason, SessionId, UnixMillis, UserId};

/// How far the token versions rise. By more than a user can have raised their own since any backup: one that a restore takes
/// back by a few is then still above that of every token which was signed before the restore.
const VERSION_STEP: i64 = 1_000_000;

/// Users whose sessions were ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedUsers {
    /// The last of them, in the order of ids.
    pub last: UserId,
    /// How many.
    pub users: usize,
    /// How many sessions they had.
    pub sessions: usize,
}

impl Default for EndedUsers {
    /// Nobody yet.
    fn default() -> Self {
        Self {
            last: UserId::FIRST,
            users: 0,
            sessions: 0,
        }
    }
}

/// What the two databases do differently to many rows. SQLite needs no locks, and its statements are cheap.
trait Many {
    /// The users behind `after` in order of their ids, locked, with the token version that is theirs after this.
    async fn lock_users(&mut self, after: &str, limit: i64) -> QueryResult<Vec<(String, i64)>>;
    async fn revoke(&mut self, rows: Vec<RevocationColumns>) -> QueryResult<()>;
}

impl Many for Inline {
    async fn lock_users(&mut self, after: &str, limit: i64) -> QueryResult<Vec<(String, i64)>> {
        let next = users::table.filter(users::id.gt(after)).order(users::id);
        next.limit(limit)
            .select((users::id, users::token_version + VERSION_STEP))
            .load(self)
            .await
    }

    async fn revoke(&mut self, rows: Vec<RevocationColumns>) -> QueryResult<()> {
        for row in rows {
            let one = diesel::insert_into(revocations::table).values(row);
            one.execute(self).await?;
        }
        Ok(())
    }
}

impl Many for AsyncPgConnection {
    async fn lock_users(&mut self, after: &str, limit: i64) -> QueryResult<Vec<(String, i64)>> {
        let next = users::table.filter(users::id.gt(after)).order(users::id);
        next.limit(limit)
            .select((users::id, users::token_version + VERSION_STEP))
            .for_update()
            .load(self)
            .await
    }

    async fn revoke(&mut self, rows: Vec<RevocationColumns>) -> QueryResult<()> {
        let all = diesel::insert_into(revocations::table).values(rows);
        all.execute(self).await.map(|_| ())
    }
}

impl Storage {
    /// Ends every session of the next `limit` users behind `after`, in order of their ids, and records each.
    ///
    /// Takes back the tokens of users without a session too: after a restore, the one that a token belongs to may be missing.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn end_sessions_behind(
        &self,
        after: &UserId,
        limit: i64,
        reason: Reason,
        event: EndEvent<'_>,
        now: UnixMillis,
    ) -> Result<EndedUsers, StorageError> {
        with_write!(self, |conn| {
            let locked = conn.lock_users(&after.to_string(), limit).await?;
            let ids: Vec<&str> = locked.iter().map(|(id, _)| id.as_str()).collect();
            let theirs = sessions::user_id.eq_any(&ids);
            let ended = end_sessions!(conn, theirs, now, event);
            diesel::update(users::table.filter(users::id.eq_any(&ids)))
                .set(users::token_version.eq(users::token_version + VERSION_STEP))
                .execute(conn)
                .await?;
            let longest: i64 = longest_access_ttl::table
                .select(longest_access_ttl::millis)
                .first(conn)
                .await?;
            let mut last = *after;
            let mut rows = Vec::new();
            for (id, min_version) in &locked {
                let id = UserId::try_from(id.clone()).map_err(|error| unreadable(&error))?;
                let ends = Ends::AllBut(None);
                let revoked = Revoked::User {
                    id,
                    min_version: *min_version,
                    ends,
                };
                rows.push(RevocationColumns::new(&revoked, reason, now, longest));
                last = id;
            }
            conn.revoke(rows).await?;
            conn.notify().await?;
            Ok(EndedUsers {
                last,
                users: locked.len(),
                sessions: ended.len(),
            })
        })
    }
}

fn unreadable(error: &Mismatch) -> StorageError {
    StorageError::Refused(format!("a row of users or sessions: {error}"))
}
