//! The end of sessions by the operator, beside running servers.

use std::cell::Cell;

use super::{SessionError, Sessions};
use crate::audit::AuthEventKind;
use crate::storage::{AuthEventRow, EndedUsers, in_batches};
use crate::values::{Email, Peer, Reason, SessionId, UserId};

impl Sessions {
    /// Ends all sessions of all users, a batch of users at a time; how many of both.
    ///
    /// What was done stays done when it is interrupted. Running nodes hear of it within a second.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn end_for_everyone(&self) -> Result<EndedUsers, SessionError> {
        let event = self.ended_by_operator();
        let sum = Cell::new(EndedUsers::default());
        in_batches(async |limit| {
            let before = sum.get();
            let (reason, now) = (Reason::EndedByAdministrator, self.clock.now());
            let ended = self
                .storage
                .end_sessions_behind(&before.last, limit, reason, &event, now)
                .await?;
            sum.set(EndedUsers {
                last: ended.last,
                users: before.users + ended.users,
                sessions: before.sessions + ended.sessions,
            });
            Ok(ended.users)
        })
        .await?;
        Ok(sum.get())
    }

    /// Ends all sessions of the user with this address; how many, or `None` when there is no such user.
    ///
    /// # Errors
    /// As [`Self::end_for_everyone`].
    pub async fn end_for(&self, email: &Email) -> Result<Option<usize>, SessionError> {
        let Some(user) = self.storage.find_user_by_email(email).await? else {
            return Ok(None);
        };
        let (reason, event) = (Reason::EndedByAdministrator, self.ended_by_operator());
        let now = self.clock.now();
        let ended = self
            .storage
            .end_sessions_of(None, &user.id, reason, &event, now);
        Ok(Some(ended.await?))
    }

    fn ended_by_operator(&self) -> impl Fn(SessionId, UserId) -> AuthEventRow + Sync + '_ {
        |id, user| {
            let event = self
                .audit
                .event(AuthEventKind::SessionRevoked, &Peer::default());
            event.user(user).session(id)
        }
    }
}
