//! The table `recoveries`: links by which a user who cannot prove the password sets a new one.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Dialect;
use super::revocations::revoke;
use super::schema::{recoveries, users};
use super::{AuthEventRow, Denied, EndEvent, Storage, StorageError, UserRow};
use crate::values::{Reason, SessionId, UnixMillis, UserId};

/// One link.
#[derive(Clone, derive_more::Debug, Insertable)]
#[diesel(table_name = recoveries)]
pub struct Recovery {
    /// Whose password it sets.
    #[diesel(serialize_as = String)]
    pub user_id: UserId,
    /// The hash of its token.
    #[debug("[redacted]")]
    pub token_hash: String,
    /// From when on it is worthless.
    #[diesel(serialize_as = i64)]
    pub expires_at: UnixMillis,
}

/// Makes the link worthless that a user may have; how many there were.
macro_rules! drop_recovery {
    ($conn:expr, $user:expr) => {
        diesel::delete($crate::storage::schema::recoveries::table.find($user.id.to_string()))
            .execute($conn)
            .await?
    };
}
pub(super) use drop_recovery;

impl Storage {
    /// Writes a link in the place of the user's older one, and the event that records it. Links that have expired go.
    ///
    /// # Errors
    /// [`Denied::Missing`] when there is no such account.
    pub async fn insert_recovery(
        &self,
        link: Recovery,
        event: AuthEventRow,
        now: UnixMillis,
    ) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            let user = conn.lock_user(&link.user_id).await?;
            let user = user.ok_or(Denied::Missing)?;
            drop_recovery!(conn, user);
            diesel::delete(recoveries::table.filter(recoveries::expires_at.le(now.0)))
                .execute(conn)
                .await?;
            diesel::insert_into(recoveries::table)
                .values(link.clone())
                .execute(conn)
                .await?;
            conn.insert_event(event.clone()).await?;
            Ok(())
        })
    }

    /// The account whose password the link with this hash may set now.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_recoverable(
        &self,
        token_hash: &str,
        now: UnixMillis,
    ) -> Result<Option<UserRow>, StorageError> {
        with_read!(self, |conn| users::table
            .inner_join(recoveries::table.on(recoveries::user_id.eq(users::id)))
            .filter(recoveries::token_hash.eq(token_hash))
            .filter(recoveries::expires_at.gt(now.0))
            .select(UserRow::as_select())
            .first(conn)
            .await
            .optional())
    }

    /// Writes a new password and ends all sessions of the user.
    ///
    /// With the hash of a link's token, that link is used up by it. Without, the operator does it, and the user's link is
    /// worthless too.
    ///
    /// # Errors
    /// [`Denied::RecoveryInvalid`] when the link is not the user's, or not any more; [`Denied::Missing`].
    pub async fn reset_password(
        &self,
        id: &UserId,
        token_hash: Option<&str>,
        password_hash: &str,
        event: AuthEventRow,
        ended: EndEvent<'_>,
        now: UnixMillis,
    ) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            let user = conn.lock_user(id).await?.ok_or(Denied::Missing)?;
            if let Some(token_hash) = token_hash {
                // Of several that use one link at once, this statement lets one through.
                let link = recoveries::table.find(id.to_string());
                let used = diesel::delete(link)
                    .filter(recoveries::token_hash.eq(token_hash))
                    .filter(recoveries::expires_at.gt(now.0))
                    .execute(conn)
                    .await?;
                if used == 0 {
                    return Err(Denied::RecoveryInvalid.into());
                }
            } else {
                drop_recovery!(conn, user);
            }
            diesel::update(users::table.find(id.to_string()))
                .set(users::password_hash.eq(password_hash))
                .execute(conn)
                .await?;
            conn.insert_event(event.clone()).await?;
            end_all!(conn, &user, None, Reason::PasswordChanged, ended, now);
            Ok(())
        })
    }
}
