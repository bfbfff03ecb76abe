//! The table `throttle`: how much has been tried lately.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Dialect;
use super::prepared::Prepared;
use super::schema::throttle;
use super::{AuthEventRow, Denied, Storage, StorageError};
use crate::values::UnixMillis;

/// What one budget has been used for.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = throttle)]
pub struct ThrottleRow {
    /// A keyed hash of what the budget is of.
    pub key: String,
    /// How many tries in a row.
    pub tries: i64,
    /// When the budget is free again.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub free_at: UnixMillis,
    /// When none of this counts any more.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub forgotten_at: UnixMillis,
    /// 1 when the audit trail has a line about the present refusal.
    pub noted: i32,
}

impl ThrottleRow {
    /// A budget of which nothing has been used.
    pub fn unused(key: String) -> Self {
        Self {
            key,
            tries: 0,
            free_at: UnixMillis(0),
            forgotten_at: UnixMillis(0),
            noted: 0,
        }
    }
}

/// What a transaction does to the rows of some budgets, or why it does nothing.
pub type Booking<'a> = &'a (dyn Fn(&mut [ThrottleRow]) -> Result<(), Denied> + Sync);

impl Storage {
    /// The rows of the budgets that have been used.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_throttle(&self, keys: &[String]) -> Result<Vec<ThrottleRow>, StorageError> {
        with_lookup!(self, |conn| {
            let used = throttle::table.filter(throttle::key.eq_any(keys));
            Prepared(used.select(ThrottleRow::as_select()))
                .load(conn)
                .await
        })
    }

    /// Changes the rows of `keys`, which are sorted, while nobody else can.
    ///
    /// # Errors
    /// What `booking` refuses with, in which case nothing is written; [`StorageError::Unavailable`] when the database cannot be
    /// reached.
    pub async fn book_throttle(
        &self,
        keys: &[String],
        booking: Booking<'_>,
    ) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            let mut rows = conn.lock_throttle(keys).await?;
            booking(&mut rows)?;
            conn.save_throttle(rows).await?;
            Ok(())
        })
    }

    /// Writes the line about the present refusal of a budget, if there is none yet.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn note_throttled(&self, key: &str, event: AuthEventRow) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            let unnoted = throttle::table.find(key).filter(throttle::noted.eq(0));
            let noted = diesel::update(unnoted)
                .set(throttle::noted.eq(1))
                .execute(conn)
                .await?;
            if noted == 1 {
                conn.insert_event(event.clone()).await?;
            }
            Ok(())
        })
    }

    /// Deletes up to `limit` of the rows that do not count any more; how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn delete_forgotten_throttle(
        &self,
        now: UnixMillis,
        limit: i64,
    ) -> Result<usize, StorageError> {
        with_write!(self, |conn| {
            let old: Vec<String> = throttle::table
                .filter(throttle::forgotten_at.le(now.0))
                .limit(limit)
                .select(throttle::key)
                .load(conn)
                .await?;
            let old = throttle::table
                .filter(throttle::key.eq_any(old))
                .filter(throttle::forgotten_at.le(now.0));
            Ok(diesel::delete(old).execute(conn).await?)
        })
    }
}
