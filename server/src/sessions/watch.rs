//! A client's watch over its session: it learns at once that the session ended, or that its token is not the last word.

use futures_util::stream::{Stream, StreamExt as _, iter};

use super::events::{Listener, Subscription};
use super::{SessionError, SessionEvent, SessionEventKind, Sessions};
use crate::values::{Identity, Reason, UnixMillis};

/// A client's watch over its session. It belongs to the session and outlives the token that it was opened with.
pub struct Watch {
    subscription: Subscription,
    end: Listener,
    stale: Option<SessionEvent>,
    /// When the session ends if it is not used before.
    ends_at: UnixMillis,
}

/// What a client of a [`Watch`] hears.
#[derive(Clone)]
pub struct Report {
    stale: Option<SessionEvent>,
    listener: Listener,
}

impl Sessions {
    /// Watches over the session of `caller`; `None` when there are `most` watches over it already.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when it has ended, and [`SessionError::Storage`] when the database did not do its part.
    pub async fn watch(
        &self,
        caller: &Identity,
        most: usize,
    ) -> Result<Option<Watch>, SessionError> {
        // First this, then the rows: whatever happens after they were read is heard.
        let Some(subscription) = self.feed.events().subscribe(caller, most) else {
            return Ok(None);
        };
        let found = self.storage.find_session(&caller.session).await?;
        let now = self.clock.now();
        let (session, user) = found
            .filter(|(session, user)| session.is_alive(now) && user.disabled_at.is_none())
            .ok_or(SessionError::Ended)?;
        let stale = (caller.version < user.token_version).then_some(SessionEvent {
            kind: SessionEventKind::Changed,
            at: now,
            reason: Reason::TokenStale,
        });
        Ok(Some(Watch {
            end: subscription.listen(),
            subscription,
            stale,
            ends_at: session.ends_at(),
        }))
    }

    /// Looks whether the session has expired. The database is asked only when the end that was known has passed: a renewal
    /// moves it, and ends are told by [`Watch::ended`].
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn check_expiry(&self, watch: &mut Watch) -> Result<(), SessionError> {
        let now = self.clock.now();
        if now < watch.ends_at {
            return Ok(());
        }
        let found = self
            .storage
            .find_session(&watch.subscription.session())
            .await?;
        match found.map(|(session, _)| session.ends_at()) {
            Some(ends_at) if now < ends_at => watch.ends_at = ends_at,
            _ => watch.subscription.tell(SessionEvent {
                kind: SessionEventKind::Ended,
                at: now,
                reason: Reason::SessionExpired,
            }),
        }
        Ok(())
    }
}

impl Watch {
    /// What happened since the watch began, and what happens from then on.
    pub fn report(&self) -> Report {
        Report {
            stale: self.stale,
            listener: self.subscription.listen(),
        }
    }

    /// Waits for the session's end; why it ended.
    pub async fn ended(&mut self) -> Reason {
        self.end.ended().await.reason
    }
}

impl Report {
    /// The events up to the session's end. A token that was out of date when the watch began is the first.
    pub fn events(self) -> impl Stream<Item = SessionEvent> + use<> {
        iter(self.stale).chain(self.listener.events())
    }
}
