//! The table `auth_events`: the audit trail.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;

use super::connect::Dialect as _;
use super::schema::auth_events;
use super::{Storage, StorageError};
use crate::values::{EventId, Peer, SessionId, UnixMillis, UserId, text_enum};

/// What the audit trail records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthEventKind {
    /// An account was made.
    Registered,
    /// A session was opened with a password.
    LoginSucceeded,
    /// A password was wrong, or there is no such account.
    LoginFailed,
    /// An attempt to sign in was refused because there had been too many.
    LoginThrottled,
    /// A session was renewed from another network or another browser than before.
    Refreshed,
    /// A superseded refresh token was used within the grace.
    RefreshRepeated,
    /// A superseded refresh token was used when only a thief would have it.
    RefreshReuseDetected,
    /// A session was ended by its own user.
    LoggedOut,
    /// A session was ended for another reason.
    SessionRevoked,
    /// A signed-in user proved their password again.
    Reauthenticated,
    /// A password was changed.
    PasswordChanged,
    /// A link was made by which the user can set a new password.
    RecoveryLinkMade,
    /// A new password was set by such a link.
    PasswordRecovered,
    /// A name or an address was changed.
    ProfileChanged,
    /// A role was changed.
    RoleChanged,
    /// An account was switched off.
    UserDisabled,
    /// An account was switched on again.
    UserEnabled,
    /// An account was deleted.
    UserDeleted,
}

text_enum!(AuthEventKind, "a kind of event", {
    Registered => "REGISTERED",
    LoginSucceeded => "LOGIN_SUCCEEDED",
    LoginFailed => "LOGIN_FAILED",
    LoginThrottled => "LOGIN_THROTTLED",
    Refreshed => "REFRESHED",
    RefreshRepeated => "REFRESH_REPEATED",
    RefreshReuseDetected => "REFRESH_REUSE_DETECTED",
    LoggedOut => "LOGGED_OUT",
    SessionRevoked => "SESSION_REVOKED",
    Reauthenticated => "REAUTHENTICATED",
    PasswordChanged => "PASSWORD_CHANGED",
    RecoveryLinkMade => "RECOVERY_LINK_MADE",
    PasswordRecovered => "PASSWORD_RECOVERED",
    ProfileChanged => "PROFILE_CHANGED",
    RoleChanged => "ROLE_CHANGED",
    UserDisabled => "USER_DISABLED",
    UserEnabled => "USER_ENABLED",
    UserDeleted => "USER_DELETED",
});

/// One line of the audit trail.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = auth_events)]
pub struct AuthEventRow {
    /// The line's id; ids sort by the time of what they record.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub id: EventId,
    /// What happened.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub kind: AuthEventKind,
    /// When.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub at: UnixMillis,
    /// The id of the user that it happened to; `None` where there is no such account.
    pub user_id: Option<String>,
    /// The id of who did it, where that is somebody else.
    pub actor_id: Option<String>,
    /// The id of the session that it happened in.
    pub session_id: Option<String>,
    /// The address that it was asked for from: the actor's, where there is one.
    pub ip_address: Option<String>,
    /// The `User-Agent` that it was asked for with: the actor's, where there is one.
    pub user_agent: Option<String>,
}

/// Which lines of the audit trail are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthEventFilter {
    /// Only what happened to this user.
    pub user: Option<UserId>,
    /// Only this kind.
    pub kind: Option<AuthEventKind>,
}

impl AuthEventRow {
    /// Counts it by its kind, as it is written.
    pub(super) fn count(&self) {
        metrics::counter!("countersign_auth_events_total", "kind" => self.kind.as_str())
            .increment(1);
    }

    /// What happened when, and where it came from.
    pub fn new(id: EventId, kind: AuthEventKind, at: UnixMillis, peer: &Peer) -> Self {
        Self {
            id,
            kind,
            at,
            user_id: None,
            actor_id: None,
            session_id: None,
            ip_address: peer.ip.map(|ip| ip.to_string()),
            user_agent: peer.user_agent.clone(),
        }
    }

    /// Names the account that it happened to.
    #[must_use]
    pub fn user(mut self, id: UserId) -> Self {
        self.user_id = Some(id.to_string());
        self
    }

    /// Names who did it, where that is somebody else than the user.
    #[must_use]
    pub fn actor(mut self, id: UserId) -> Self {
        self.actor_id = (self.user_id != Some(id.to_string())).then(|| id.to_string());
        self
    }

    /// Names the session that it happened in.
    #[must_use]
    pub fn session(mut self, id: SessionId) -> Self {
        self.session_id = Some(id.to_string());
        self
    }
}

/// Lines whose columns before the id have these values, and whose id is less than `$end`.
macro_rules! within {
    ($columns:literal, [$($value:expr),+], $end:expr) => {
        sql::<Bool>(concat!("(", $columns, ") >= ("))
            $(.bind::<Text, _>($value.to_owned()).sql(", "))+
            .bind::<Text, _>("")
            .sql(concat!(") AND (", $columns, ") < ("))
            $(.bind::<Text, _>($value.to_owned()).sql(", "))+
            .bind::<Text, _>($end)
            .sql(")")
    };
}

impl Storage {
    /// Writes an event that records no other write.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn insert_event(&self, event: AuthEventRow) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            conn.insert_event(event.clone()).await?;
            Ok(())
        })
    }

    /// Up to `limit` lines, newest first, that come after `after` in that order.
    ///
    /// The places of the first and the last line are compared whole, as a row of values, with the columns of one index.
    /// Were its columns compared one by one, PostgreSQL would expect the lines of a user to be spread evenly and walk
    /// through everybody's: of a million, in seconds where the user has none of that kind.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn list_events(
        &self,
        filter: AuthEventFilter,
        after: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<AuthEventRow>, StorageError> {
        use auth_events::{id, kind, user_id};
        let end = after.map_or(PAST_EVERY_ID.to_owned(), String::from);
        let user = filter.user.map(String::from);
        let only = filter.kind.map(AuthEventKind::as_str);
        with_read!(self, |conn| {
            let (user, end) = (user.clone(), end.clone());
            let all = auth_events::table.select(AuthEventRow::as_select());
            let lines = all.limit(limit).into_boxed();
            let lines = match (user, only) {
                (None, None) => lines.filter(id.lt(end)).order(id.desc()),
                (Some(user), None) => lines
                    .filter(within!("user_id, id", [user], end))
                    .order((user_id.desc(), id.desc())),
                (None, Some(only)) => lines
                    .filter(within!("kind, id", [only], end))
                    .order((kind.desc(), id.desc())),
                (Some(user), Some(only)) => lines
                    .filter(within!("user_id, kind, id", [user, only], end))
                    .order((user_id.desc(), kind.desc(), id.desc())),
            };
            lines.load(conn).await
        })
    }

    /// Deletes up to `limit` of the lines that are older than `before`, the oldest first; how many.
    ///
    /// The ids carry the time, so the primary key finds them.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn delete_events(
        &self,
        before: UnixMillis,
        limit: i64,
    ) -> Result<usize, StorageError> {
        with_write!(self, |conn| {
            let old: Vec<String> = auth_events::table
                .filter(auth_events::id.lt(first_id_at(before)))
                .order(auth_events::id)
                .limit(limit)
                .select(auth_events::id)
                .load(conn)
                .await?;
            let old = auth_events::table.filter(auth_events::id.eq_any(old));
            Ok(diesel::delete(old).execute(conn).await?)
        })
    }

    /// The users whose accounts were deleted from `from` on and before `to`, in that order.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn users_deleted_between(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<String>, StorageError> {
        with_read!(self, |conn| auth_events::table
            .filter(auth_events::kind.eq(AuthEventKind::UserDeleted.as_str()))
            .filter(auth_events::id.ge(first_id_at(from)))
            .filter(auth_events::id.lt(first_id_at(to)))
            .filter(auth_events::user_id.is_not_null())
            .order(auth_events::id)
            .select(auth_events::user_id.assume_not_null())
            .load(conn)
            .await)
    }

    /// Blanks the address and the user agent in up to `limit` of the lines where they are this user's; in how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn blank_event_details(&self, user: &str, limit: i64) -> Result<usize, StorageError> {
        with_write!(self, |conn| {
            let theirs: Vec<String> = auth_events::table
                .filter(
                    (auth_events::user_id
                        .eq(user)
                        .and(auth_events::actor_id.is_null()))
                    .or(auth_events::actor_id.eq(user)),
                )
                .filter(
                    auth_events::ip_address
                        .is_not_null()
                        .or(auth_events::user_agent.is_not_null()),
                )
                .limit(limit)
                .select(auth_events::id)
                .load(conn)
                .await?;
            let theirs = auth_events::table.filter(auth_events::id.eq_any(theirs));
            let blank = (
                auth_events::ip_address.eq(None::<String>),
                auth_events::user_agent.eq(None::<String>),
            );
            Ok(diesel::update(theirs).set(blank).execute(conn).await?)
        })
    }
}

/// Sorts after every id: they are hexadecimal.
const PAST_EVERY_ID: &str = "g";

/// The least id that a line of that time can have (RFC 9562 §5.7).
fn first_id_at(time: UnixMillis) -> String {
    EventId::new(time, [0; 10]).to_string()
}
