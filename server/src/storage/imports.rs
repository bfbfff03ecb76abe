//! Many new rows of `users` at once.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::connect::Dialect as _;
use super::schema::{auth_events, users};
use super::sqlite::Inline;
use super::{AuthEventKind, AuthEventRow, Storage, StorageError, UserRow};

/// What the two databases do differently to many rows.
trait Missing {
    /// Writes those accounts whose id and address are free; the ids of those.
    async fn insert_missing(&mut self, people: &[UserRow]) -> QueryResult<HashSet<String>>;
}

impl Missing for Inline {
    async fn insert_missing(&mut self, people: &[UserRow]) -> QueryResult<HashSet<String>> {
        let mut written = HashSet::new();
        for user in people {
            let one = diesel::insert_into(users::table).values(user.clone());
            if one.on_conflict_do_nothing().execute(self).await? == 1 {
                written.insert(user.id.to_string());
            }
        }
        Ok(written)
    }
}

impl Missing for AsyncPgConnection {
    async fn insert_missing(&mut self, people: &[UserRow]) -> QueryResult<HashSet<String>> {
        diesel::insert_into(users::table)
            .values(people.to_vec())
            .on_conflict_do_nothing()
            .returning(users::id)
            .get_results::<String>(self)
            .await
            .map(|ids| ids.into_iter().collect())
    }
}

/// Those of these ids whose accounts were deleted, as far back as the audit trail goes.
macro_rules! deleted_among {
    ($conn:expr, $ids:expr) => {
        auth_events::table
            .filter(auth_events::user_id.eq_any($ids))
            .filter(auth_events::kind.eq(AuthEventKind::UserDeleted.as_str()))
            .select(auth_events::user_id.assume_not_null())
            .load::<String>($conn)
            .await
    };
}

impl Storage {
    /// Writes those accounts whose id and address are free, but for those that were deleted, and for each of them the event
    /// that records it; the ids of those.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached: nothing was written then.
    pub async fn insert_missing_users(
        &self,
        people: &[UserRow],
        event: &(dyn Fn(&UserRow) -> AuthEventRow + Sync),
    ) -> Result<HashSet<String>, StorageError> {
        with_write!(self, |conn| {
            let ids: Vec<_> = people.iter().map(|user| user.id.to_string()).collect();
            let gone: HashSet<String> = deleted_among!(conn, &ids)?.into_iter().collect();
            let mut people = people.to_vec();
            people.retain(|user| !gone.contains(&user.id.to_string()));
            let mut written = conn.insert_missing(&people).await?;
            // An account that was deleted since the question made room for itself.
            let gone = deleted_among!(conn, &written)?;
            diesel::delete(users::table.filter(users::id.eq_any(&gone)))
                .execute(conn)
                .await?;
            written.retain(|id| !gone.contains(id));
            let is_written = |user: &&UserRow| written.contains(&user.id.to_string());
            let lines = people.iter().filter(is_written).map(event);
            conn.insert_events(lines.collect()).await?;
            Ok(written)
        })
    }

    /// Those accounts that have one of these ids or one of these addresses.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_similar_users(
        &self,
        ids: &[String],
        emails: &[&str],
    ) -> Result<Vec<UserRow>, StorageError> {
        with_read!(self, |conn| users::table
            .filter(users::id.eq_any(ids).or(users::email.eq_any(emails)))
            .select(UserRow::as_select())
            .load(conn)
            .await)
    }

    /// Those of these ids whose accounts were deleted, as far back as the audit trail goes.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn deleted_among(&self, ids: &[String]) -> Result<Vec<String>, StorageError> {
        with_read!(self, |conn| deleted_among!(conn, ids))
    }
}
