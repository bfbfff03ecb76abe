//! The ends of sessions: by their user, by an administrator, one or all.

use super::{SessionError, Sessions};
use crate::audit::AuthEventKind;
use crate::storage::{AuthEventRow, EndEvent};
use crate::values::{Identity, Peer, Reason, SessionId, UserId};

impl Sessions {
    /// Ends the session of a refresh token; nothing happens when it is not one of ours, or has ended before.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn end_by_token(
        &self,
        presented: &str,
        reason: Reason,
        peer: &Peer,
    ) -> Result<(), SessionError> {
        match self.authenticate(presented, None, peer).await? {
            Some((_, session, user)) => self.end(session.id, user.id, reason, peer).await,
            None => Ok(()),
        }
    }

    /// Ends the session of an access token.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn end_own(&self, caller: &Identity, peer: &Peer) -> Result<(), SessionError> {
        let Identity { session, user, .. } = *caller;
        self.end(session, user, Reason::LoggedOut, peer).await
    }

    async fn end(
        &self,
        session: SessionId,
        user: UserId,
        reason: Reason,
        peer: &Peer,
    ) -> Result<(), SessionError> {
        let event = self
            .audit
            .event(AuthEventKind::LoggedOut, peer)
            .user(user)
            .session(session);
        let ended = self
            .storage
            .end_session(&session, reason, event, self.clock.now())
            .await;
        self.settle(ended).await?;
        Ok(())
    }

    /// Ends one of the caller's own sessions; for an administrator, anyone's. Whether there was one to end.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the caller's own session has ended, or the database did not do its part.
    pub async fn revoke(
        &self,
        caller: &Identity,
        id: &SessionId,
        peer: &Peer,
    ) -> Result<bool, SessionError> {
        let event = self.ended_by(AuthEventKind::SessionRevoked, caller, peer);
        let now = self.clock.now();
        let ended = self.storage.revoke_session(caller, id, &event, now).await;
        Ok(self.settle(ended).await?)
    }

    /// Ends all of the caller's own sessions, this one included; how many.
    ///
    /// # Errors
    /// As [`Self::revoke`].
    pub async fn end_everywhere(
        &self,
        caller: &Identity,
        peer: &Peer,
    ) -> Result<usize, SessionError> {
        let event = self.ended_by(AuthEventKind::LoggedOut, caller, peer);
        let reason = Reason::LoggedOutEverywhere;
        self.end_all(caller, &caller.user, reason, &event).await
    }

    /// Ends all of somebody's sessions, for an administrator; how many.
    ///
    /// # Errors
    /// As [`Self::revoke`]; [`Denied`](crate::storage::Denied) when the caller is no administrator or there is no such
    /// account.
    pub async fn end_of_user(
        &self,
        caller: &Identity,
        user: &UserId,
        peer: &Peer,
    ) -> Result<usize, SessionError> {
        let event = self.ended_by(AuthEventKind::SessionRevoked, caller, peer);
        let reason = match caller.user == *user {
            true => Reason::LoggedOutEverywhere,
            false => Reason::EndedByAdministrator,
        };
        self.end_all(caller, user, reason, &event).await
    }

    async fn end_all(
        &self,
        caller: &Identity,
        user: &UserId,
        reason: Reason,
        event: EndEvent<'_>,
    ) -> Result<usize, SessionError> {
        let now = self.clock.now();
        let ended = self
            .storage
            .end_sessions_of(Some(caller), user, reason, event, now);
        let ended = ended.await;
        Ok(self.settle(ended).await?)
    }

    /// Makes the audit trail's lines for sessions that `caller` ends, or nobody who is signed in.
    pub(crate) fn ended_by<'a>(
        &'a self,
        kind: AuthEventKind,
        caller: impl Into<Option<&'a Identity>>,
        peer: &'a Peer,
    ) -> impl Fn(SessionId, UserId) -> AuthEventRow + Sync + 'a {
        let caller = caller.into();
        move |id, user| {
            let event = self.audit.event(kind, peer).user(user).session(id);
            match caller {
                Some(caller) => event.actor(caller.user),
                None => event,
            }
        }
    }
}
