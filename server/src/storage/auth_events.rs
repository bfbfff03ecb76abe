//! The table `auth_events`: the audit trail.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::schema::auth_events;
use super::{Storage, StorageError};
use crate::values::{EventId, Peer, SessionId, UnixMillis, UserId};

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
    /// A name or an address was changed.
    ProfileChanged,
}

impl From<AuthEventKind> for String {
    fn from(kind: AuthEventKind) -> String {
        match kind {
            AuthEventKind::Registered => "REGISTERED",
            AuthEventKind::LoginSucceeded => "LOGIN_SUCCEEDED",
            AuthEventKind::LoginFailed => "LOGIN_FAILED",
            AuthEventKind::Refreshed => "REFRESHED",
            AuthEventKind::RefreshRepeated => "REFRESH_REPEATED",
            AuthEventKind::RefreshReuseDetected => "REFRESH_REUSE_DETECTED",
            AuthEventKind::LoggedOut => "LOGGED_OUT",
            AuthEventKind::SessionRevoked => "SESSION_REVOKED",
            AuthEventKind::ProfileChanged => "PROFILE_CHANGED",
        }
        .to_owned()
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
