//! The table `auth_events`: the audit trail.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::schema::auth_events;
use super::{Storage, StorageError};
use crate::values::{EventId, Mismatch, Peer, SessionId, UnixMillis, UserId};

/// What the audit trail records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthEventKind {
    /// An account was made.
    Registered,
    /// A session was opened with a password.
    LoginSucceeded,
    /// A password was wrong, or there is no such account.
    LoginFailed,
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

impl AuthEventKind {
    /// Every kind with its name in the database and in the contract.
    const NAMES: [(Self, &str); 15] = [
        (Self::Registered, "REGISTERED"),
        (Self::LoginSucceeded, "LOGIN_SUCCEEDED"),
        (Self::LoginFailed, "LOGIN_FAILED"),
        (Self::Refreshed, "REFRESHED"),
        (Self::RefreshRepeated, "REFRESH_REPEATED"),
        (Self::RefreshReuseDetected, "REFRESH_REUSE_DETECTED"),
        (Self::LoggedOut, "LOGGED_OUT"),
        (Self::SessionRevoked, "SESSION_REVOKED"),
        (Self::Reauthenticated, "REAUTHENTICATED"),
        (Self::PasswordChanged, "PASSWORD_CHANGED"),
        (Self::ProfileChanged, "PROFILE_CHANGED"),
        (Self::RoleChanged, "ROLE_CHANGED"),
        (Self::UserDisabled, "USER_DISABLED"),
        (Self::UserEnabled, "USER_ENABLED"),
        (Self::UserDeleted, "USER_DELETED"),
    ];

    /// The name in the database and in the contract.
    pub fn as_str(self) -> &'static str {
        let named = Self::NAMES.into_iter().find(|(kind, _)| *kind == self);
        named.map_or("", |(_, name)| name)
    }
}

impl From<AuthEventKind> for String {
    fn from(kind: AuthEventKind) -> String {
        kind.as_str().to_owned()
    }
}

impl TryFrom<String> for AuthEventKind {
    type Error = Mismatch;
    fn try_from(text: String) -> Result<Self, Mismatch> {
        let named = Self::NAMES.into_iter().find(|(_, name)| *name == text);
        named
            .map(|(kind, _)| kind)
            .ok_or(Mismatch("a kind of event"))
    }
}

/// One line of the audit trail, to be written.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = auth_events)]
pub struct AuthEventRow {
    #[diesel(serialize_as = String)]
    id: EventId,
    #[diesel(serialize_as = String)]
    kind: AuthEventKind,
    #[diesel(serialize_as = i64)]
    at: UnixMillis,
    user_id: Option<String>,
    actor_id: Option<String>,
    session_id: Option<String>,
    ip_address: Option<String>,
    user_agent: Option<String>,
}

impl AuthEventRow {
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

impl Storage {
    /// Writes an event that records no other write.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn insert_event(&self, event: AuthEventRow) -> Result<(), StorageError> {
        with_conn!(self, |conn| diesel::insert_into(auth_events::table)
            .values(event)
            .execute(conn)
            .await)?;
        Ok(())
    }
}
