//! The table `sessions`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Dialect;
use super::prepared::Prepared;
use super::revocations::revoke;
use super::schema::{sessions, users};
use super::{AuthEventRow, Booking, Denied, Revoked, Storage, StorageError, UserRow};
use crate::values::{Identity, Peer, Reason, Role, SessionId, Transport, UnixMillis, UserId};

/// One signed-in device.
#[derive(Clone, derive_more::Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    /// The session's id.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub id: SessionId,
    /// Whose it is.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub user_id: UserId,
    /// How its refresh token travels.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub transport: Transport,
    /// 32 random bytes in base64url.
    #[debug("[redacted]")]
    pub nonce: String,
    /// The generation of the refresh token that is good now.
    pub generation: i64,
    /// The hash of the attempt key of the call that made it.
    #[debug("[redacted]")]
    pub attempt_hash: Option<String>,
    /// When the last generation was superseded, which is when the session last signed in or renewed.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub rotated_at: UnixMillis,
    /// When the one before the last was superseded.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub rotated_before_at: UnixMillis,
    /// How many generations in a row were also asked for from somewhere else.
    pub foreign_repeats: i64,
    /// The last generation that was.
    pub foreign_repeat_generation: i64,
    /// When the user signed in.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub created_at: UnixMillis,
    /// The end of the sliding life.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub refresh_expires_at: UnixMillis,
    /// The end that no use postpones.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub expires_at: UnixMillis,
    /// When it was ended, in milliseconds since 1970.
    pub ended_at: Option<i64>,
    /// The address that it was last used from.
    pub ip_address: Option<String>,
    /// The `User-Agent` that it was last used with.
    pub user_agent: Option<String>,
    /// The nonce before, where the last generation came with a new one.
    #[debug("[redacted]")]
    pub nonce_before: Option<String>,
}

impl SessionRow {
    /// Whether it can still be used at `now`.
    pub fn is_alive(&self, now: UnixMillis) -> bool {
        self.ended_at.is_none() && self.ends_at() > now
    }

    /// When it ends if it is not used before.
    pub fn ends_at(&self) -> UnixMillis {
        self.expires_at.min(self.refresh_expires_at)
    }
}

/// Makes the line of the audit trail for a session that ended.
pub type EndEvent<'a> = &'a (dyn Fn(SessionId, UserId) -> AuthEventRow + Sync);

/// A session to open, and what has to be true and to happen for it.
pub struct Opening<'a> {
    /// The session.
    pub session: SessionRow,
    /// The hash that the password was verified against: it has to be the user's still.
    pub password_hash: &'a str,
    /// How many sessions the user may have; the oldest end.
    pub max_per_user: i64,
    /// Records that the session was opened.
    pub opened: AuthEventRow,
    /// Records that another session ended for it.
    pub ended: EndEvent<'a>,
    /// The budgets that the try at the password was booked on, and what its success does to them.
    pub budgets: &'a [String],
    /// See `budgets`.
    pub success: Booking<'a>,
}

/// One use of a refresh token.
#[derive(Clone, derive_more::Debug)]
pub struct Rotation<'a> {
    /// The session.
    pub id: SessionId,
    /// The nonce that the token's mac covers.
    #[debug("[redacted]")]
    pub nonce: &'a str,
    /// The generation that the token names.
    pub generation: i64,
    /// The hash of the call's attempt key.
    #[debug("[redacted]")]
    pub attempt_hash: Option<String>,
    /// The new end of the sliding life.
    pub refresh_expires_at: UnixMillis,
    /// Where the call came from.
    pub peer: &'a Peer,
    /// The time.
    pub now: UnixMillis,
}

/// A proof of the password by a signed-in user, and what has to be true and to happen for it.
pub struct Proof<'a> {
    /// Who is signed in.
    pub caller: &'a Identity,
    /// The hash that the password was verified against: it has to be the user's still.
    pub password_hash: &'a str,
    /// Records it.
    pub event: AuthEventRow,
    /// The time.
    pub now: UnixMillis,
}

/// What gives a session new refresh tokens, and makes the earlier ones worthless.
#[derive(Clone, derive_more::Debug)]
pub struct NewNonce {
    /// 32 random bytes in base64url.
    #[debug("[redacted]")]
    pub nonce: String,
    /// The hash of the call's attempt key.
    #[debug("[redacted]")]
    pub attempt_hash: Option<String>,
    /// The new end of the sliding life, where the absolute one is not sooner.
    pub refresh_expires_at: UnixMillis,
}

/// Moves a session to the next generation; how many rows that were.
macro_rules! advance {
    ($conn:expr, $rotation:expr) => {
        Prepared(
            diesel::update(sessions::table.find($rotation.id.to_string()))
                .filter(sessions::nonce.eq($rotation.nonce))
                .filter(sessions::generation.le($rotation.generation))
                .filter(alive!($rotation.now))
                .set((
                    sessions::generation.eq($rotation.generation + 1),
                    sessions::nonce_before.eq(None::<String>),
                    sessions::attempt_hash.eq(&$rotation.attempt_hash),
                    sessions::rotated_before_at.eq(sessions::rotated_at),
                    sessions::rotated_at.eq($rotation.now.0),
                    sessions::refresh_expires_at.eq($rotation.refresh_expires_at.0),
                    sessions::ip_address.eq($rotation.peer.ip.map(|ip| ip.to_string())),
                    sessions::user_agent.eq(&$rotation.peer.user_agent),
                )),
        )
        .execute($conn)
        .await
    };
}

impl Storage {
    /// Opens a session for a user whose password was just verified.
    ///
    /// The user's row is locked first, so no session is born after the password change or the disabling that should have
    /// prevented it. The row as it was under the lock, and how many older sessions ended; `None` when the password is not the one that was verified, or the
    /// account is gone or disabled.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn open_session(
        &self,
        opening: Opening<'_>,
        now: UnixMillis,
    ) -> Result<Option<(UserRow, usize)>, StorageError> {
        let Opening {
            session,
            password_hash,
            max_per_user,
            opened,
            ended,
            budgets,
            success,
        } = opening;
        with_write!(self, |conn| {
            let user = conn.lock_user(&session.user_id).await?;
            let Some(user) = user
                .filter(|user| user.disabled_at.is_none() && user.password_hash == password_hash)
            else {
                return Ok(None);
            };
            let surplus: Vec<String> = sessions::table
                .filter(sessions::user_id.eq(user.id.to_string()))
                .filter(alive!(now))
                .order(sessions::id.desc())
                .offset(max_per_user - 1)
                .limit(i64::MAX)
                .select(sessions::id)
                .load(conn)
                .await?;
            let ended = match surplus.is_empty() {
                true => Vec::new(),
                false => end_sessions!(conn, sessions::id.eq_any(surplus), now, ended),
            };
            for id in &ended {
                revoke!(conn, Revoked::Session(*id), Reason::SessionLimit, now);
            }
            diesel::insert_into(sessions::table)
                .values(session.clone())
                .execute(conn)
                .await?;
            conn.insert_event(opened.clone()).await?;
            // Last: all who sign in from the same address wait for these rows.
            if !budgets.is_empty() {
                let mut rows = conn.lock_throttle(budgets).await?;
                success(&mut rows)?;
                conn.save_throttle(rows).await?;
            }
            Ok(Some((user, ended.len())))
        })
    }

    /// A session, alive or ended, with its user.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_session(
        &self,
        id: &SessionId,
    ) -> Result<Option<(SessionRow, UserRow)>, StorageError> {
        with_lookup!(self, |conn| sessions::table
            .inner_join(users::table.on(users::id.eq(sessions::user_id)))
            .filter(sessions::id.eq(id.to_string()))
            .select((SessionRow::as_select(), UserRow::as_select()))
            .first(conn)
            .await
            .optional())
    }

    /// Moves a session to the generation after the one that the token names; `false` when the session is past that one, has
    /// another nonce, has ended or has expired.
    ///
    /// One conditional `UPDATE`, so of two callers that race on either database exactly one gets `true`.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn advance_generation(
        &self,
        rotation: &Rotation<'_>,
        event: Option<AuthEventRow>,
    ) -> Result<bool, StorageError> {
        let moved = match event {
            // A lost answer is no reason to fail: where it took place, the next try finds a repeat of the call.
            None => with_statement!(self, |conn| advance!(conn, rotation)),
            Some(event) => with_write!(self, |conn| {
                let moved = advance!(conn, rotation)?;
                if moved == 1 {
                    conn.insert_event(event.clone()).await?;
                }
                Ok(moved)
            }),
        };
        Ok(moved? == 1)
    }

    /// Records a repeat of a superseded refresh token; `foreign` holds the new count when it came from somewhere else.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn record_repeat(
        &self,
        id: &SessionId,
        generation: i64,
        foreign: Option<i64>,
        event: AuthEventRow,
    ) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            if let Some(count) = foreign {
                diesel::update(sessions::table.find(id.to_string()))
                    .filter(sessions::foreign_repeat_generation.lt(generation))
                    .set((
                        sessions::foreign_repeats.eq(count),
                        sessions::foreign_repeat_generation.eq(generation),
                    ))
                    .execute(conn)
                    .await?;
            }
            conn.insert_event(event.clone()).await?;
            Ok(())
        })
    }

    /// Ends one session and records it; `false` when it had ended or expired before.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn end_session(
        &self,
        id: &SessionId,
        reason: Reason,
        event: AuthEventRow,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        with_write!(self, |conn| {
            let ended = diesel::update(sessions::table.find(id.to_string()))
                .filter(alive!(now))
                .set(sessions::ended_at.eq(now.0))
                .execute(conn)
                .await?;
            if ended == 1 {
                conn.insert_event(event.clone()).await?;
                revoke!(conn, Revoked::Session(*id), reason, now);
            }
            Ok(ended == 1)
        })
    }

    /// Ends a session for `caller`: one of their own, or for an administrator anyone's. `false` when there is none to end.
    ///
    /// # Errors
    /// [`Denied::CallerEnded`], [`Denied::CallerStale`].
    pub async fn revoke_session(
        &self,
        caller: &Identity,
        id: &SessionId,
        event: EndEvent<'_>,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        with_write!(self, |conn| {
            let acting = authorise!(conn, caller, Role::User, now);
            let owner: Option<String> = sessions::table
                .find(id.to_string())
                .select(sessions::user_id)
                .first(conn)
                .await
                .optional()?;
            let is_own = owner == Some(acting.id.to_string());
            if !is_own && acting.role < Role::Admin {
                return Ok(false);
            }
            let reason = match is_own {
                true if *id == caller.session => Reason::LoggedOut,
                true => Reason::SessionRevoked,
                false => Reason::EndedByAdministrator,
            };
            let ended = end_sessions!(conn, sessions::id.eq(id.to_string()), now, event);
            for id in &ended {
                revoke!(conn, Revoked::Session(*id), reason, now);
            }
            Ok(!ended.is_empty())
        })
    }

    /// Ends every session of a user and records each; how many.
    ///
    /// With a `caller`, that one has to be an administrator or the user. Without, the server itself does it.
    ///
    /// # Errors
    /// [`Denied`]: what `caller` may not do, or [`Denied::Missing`].
    pub async fn end_sessions_of(
        &self,
        caller: Option<&Identity>,
        user: &UserId,
        reason: Reason,
        event: EndEvent<'_>,
        now: UnixMillis,
    ) -> Result<usize, StorageError> {
        with_write!(self, |conn| {
            let target = conn.lock_user(user).await?;
            if let Some(caller) = caller {
                let is_own = caller.user == *user;
                let needs = if is_own { Role::User } else { Role::Admin };
                authorise!(conn, caller, needs, now);
            }
            let target = target.ok_or(Denied::Missing)?;
            Ok(end_all!(conn, &target, None, reason, event, now))
        })
    }

    /// Gives the caller's session new refresh tokens after the password was proven again; user and session as they are then.
    ///
    /// # Errors
    /// [`Denied`]: the caller's session or password is not what it was.
    pub async fn renew_proven(
        &self,
        proof: Proof<'_>,
        renewal: &NewNonce,
    ) -> Result<(UserRow, SessionRow), StorageError> {
        with_write!(self, |conn| {
            let user = proven!(conn, proof);
            let session = renew_nonce!(conn, proof.caller.session, renewal, proof.now);
            conn.insert_event(proof.event.clone()).await?;
            Ok((user, session))
        })
    }

    /// Deletes up to `limit` of the sessions whose absolute end was before `before`; how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn delete_expired_sessions(
        &self,
        before: UnixMillis,
        limit: i64,
    ) -> Result<usize, StorageError> {
        with_write!(self, |conn| {
            let old: Vec<String> = sessions::table
                .filter(sessions::expires_at.lt(before.0))
                .limit(limit)
                .select(sessions::id)
                .load(conn)
                .await?;
            let old = sessions::table.filter(sessions::id.eq_any(old));
            Ok(diesel::delete(old).execute(conn).await?)
        })
    }
}

impl Storage {
    /// Up to `limit` of a user's sessions that are alive at `now`, newest first.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn list_sessions(
        &self,
        user: &UserId,
        now: UnixMillis,
        limit: i64,
    ) -> Result<Vec<SessionRow>, StorageError> {
        with_read!(self, |conn| sessions::table
            .filter(sessions::user_id.eq(user.to_string()))
            .filter(alive!(now))
            .order(sessions::id.desc())
            .limit(limit)
            .select(SessionRow::as_select())
            .load(conn)
            .await)
    }
}
