//! Tells the clients of a session what happens to it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use crate::storage::{Ends, Revocation, Revoked};
use crate::values::{Identity, Reason, SessionId, UnixMillis, UserId};

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEvent {
    /// What its clients do about it.
    pub kind: SessionEventKind,
    /// When it was.
    pub at: UnixMillis,
    /// Why.
    pub reason: Reason,
}

/// What a session's clients do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEventKind {
    /// The session was ended. Nothing comes after it.
    Ended,
    /// The user's role or profile changed: renew to get a token that says so.
    Changed,
}

impl SessionEvent {
    fn is_last(&self) -> bool {
        self.kind == SessionEventKind::Ended
    }
}

/// Who listens to what happens to their sessions.
#[derive(Default)]
pub struct Events(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    sessions: HashMap<SessionId, Watched>,
    by_user: BTreeSet<(UserId, SessionId)>,
}

/// A session that somebody listens to. Only its last event is kept: whoever reads slowly costs no memory, and `ENDED` is never
/// overwritten.
struct Watched {
    last: watch::Sender<Option<SessionEvent>>,
    /// A version of the user that the session has lived to see.
    version: i64,
    subscriptions: usize,
}

/// A place among those who listen to a session, until it is dropped.
pub(super) struct Subscription {
    user: UserId,
    session: SessionId,
    events: Arc<Events>,
    /// Reads nothing itself: its copies read from where it began.
    receiver: watch::Receiver<Option<SessionEvent>>,
}

impl Events {
    /// Listens from now on; `None` when the session has `most` subscriptions already.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        caller: &Identity,
        most: usize,
    ) -> Option<Subscription> {
        let Identity { user, session, .. } = *caller;
        let mut listeners = self.lock();
        let watched = listeners
            .sessions
            .entry(session)
            .or_insert_with(|| Watched {
                last: watch::Sender::new(None),
                version: caller.version,
                subscriptions: 0,
            });
        if watched.subscriptions >= most {
            return None;
        }
        watched.subscriptions += 1;
        watched.version = watched.version.max(caller.version);
        let receiver = watched.last.subscribe();
        listeners.by_user.insert((user, session));
        Some(Subscription {
            user,
            session,
            events: Arc::clone(self),
            receiver,
        })
    }

    /// Tells those whom a row of the feed concerns.
    pub(super) fn publish(&self, row: &Revocation) {
        let event = |kind| SessionEvent {
            kind,
            at: row.at,
            reason: row.reason,
        };
        let listeners = self.lock();
        match &row.revoked {
            Revoked::Session(id) => listeners.tell(id, event(SessionEventKind::Ended)),
            Revoked::User {
                id,
                min_version,
                ends,
            } => {
                for session in listeners.of(*id) {
                    match ends {
                        Ends::AllBut(spared) if *spared != Some(session) => {
                            // A session that began after this row may be listened to before the row is read here.
                            if !listeners.has_seen(&session, *min_version) {
                                listeners.tell(&session, event(SessionEventKind::Ended));
                            }
                        }
                        _ => listeners.tell(&session, event(SessionEventKind::Changed)),
                    }
                }
            }
            Revoked::Keys(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listeners {
    fn of(&self, user: UserId) -> impl Iterator<Item = SessionId> {
        let sessions = self.by_user.range((user, SessionId::FIRST)..);
        sessions
            .take_while(move |(owner, _)| *owner == user)
            .map(|(_, session)| *session)
    }

    fn has_seen(&self, session: &SessionId, version: i64) -> bool {
        let watched = self.sessions.get(session);
        watched.is_some_and(|watched| watched.version >= version)
    }

    fn tell(&self, session: &SessionId, event: SessionEvent) {
        if let Some(watched) = self.sessions.get(session) {
            watched.last.send_if_modified(|last| {
                let has_ended = last.is_some_and(|last| last.is_last());
                if !has_ended {
                    *last = Some(event);
                }
                !has_ended
            });
        }
    }
}

impl Subscription {
    /// The session that is listened to.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// What happened since the subscription began, and what happens from then on; of events that pile up, the last.
    pub(super) fn listen(&self) -> Listener {
        Listener(self.receiver.clone())
    }

    /// Tells everyone who listens to the session on this node.
    pub(super) fn tell(&self, event: SessionEvent) {
        self.events.lock().tell(&self.session, event);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut listeners = self.events.lock();
        if let Some(watched) = listeners.sessions.get_mut(&self.session) {
            watched.subscriptions -= 1;
            if watched.subscriptions == 0 {
                listeners.sessions.remove(&self.session);
                listeners.by_user.remove(&(self.user, self.session));
            }
        }
    }
}

/// The ear of a subscription.
#[derive(Clone)]
pub(super) struct Listener(watch::Receiver<Option<SessionEvent>>);

impl Listener {
    /// The next event; `None` when the subscription is over.
    async fn next(&mut self) -> Option<SessionEvent> {
        loop {
            self.0.changed().await.ok()?;
            let last = *self.0.borrow_and_update();
            if last.is_some() {
                return last;
            }
        }
    }

    /// Waits for the last event.
    pub(super) async fn ended(&mut self) -> SessionEvent {
        loop {
            match self.next().await {
                Some(event) if event.is_last() => return event,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// The events up to the last one.
    pub(super) fn events(self) -> impl Stream<Item = SessionEvent> + use<> {
        unfold(Some(self), |listener| async {
            let mut listener = listener?;
            let event = listener.next().await?;
            Some((event, (!event.is_last()).then_some(listener)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt as _;

    use super::*;
    use crate::values::Role;

    fn caller(session: u8, version: i64) -> Identity {
        Identity {
            user: UserId::FIRST,
            session: SessionId::new(UnixMillis(0), [session; 10]),
            version,
            role: Role::User,
            auth_time: UnixMillis(0),
        }
    }

    fn row(revoked: Revoked, reason: Reason) -> Revocation {
        Revocation {
            seq: 1,
            revoked,
            reason,
            at: UnixMillis(7),
            life: Duration::from_secs(1),
        }
    }

    fn user_row(min_version: i64, ends: Ends, reason: Reason) -> Revocation {
        let id = UserId::FIRST;
        row(
            Revoked::User {
                id,
                min_version,
                ends,
            },
            reason,
        )
    }

    #[tokio::test]
    async fn events_that_pile_up_are_one_and_the_end_stays() {
        let events = Arc::new(Events::default());
        let slow = events.subscribe(&caller(1, 1), 9).unwrap();
        let heard = slow.listen().events();
        for version in 0..1000 {
            events.publish(&user_row(version, Ends::Nothing, Reason::RoleChanged));
        }
        let session = Revoked::Session(slow.session());
        events.publish(&row(session, Reason::SessionRevoked));
        events.publish(&user_row(1001, Ends::Nothing, Reason::RoleChanged));
        let heard: Vec<_> = heard.map(|event| event.reason).collect().await;
        assert_eq!(heard, [Reason::SessionRevoked]);
    }

    #[test]
    fn the_end_of_all_sessions_spares_one_and_those_that_came_after() {
        let events = Arc::new(Events::default());
        let [ended, spared, newer] = [caller(1, 4), caller(2, 4), caller(3, 5)]
            .map(|caller| events.subscribe(&caller, 9).unwrap());
        let ends = Ends::AllBut(Some(spared.session));
        events.publish(&user_row(5, ends, Reason::PasswordChanged));
        let kind =
            |subscription: &Subscription| subscription.receiver.borrow().map(|last| last.kind);
        assert_eq!(kind(&ended), Some(SessionEventKind::Ended));
        assert_eq!(kind(&spared), Some(SessionEventKind::Changed));
        assert_eq!(kind(&newer), None);
    }

    #[test]
    fn a_place_is_free_again_when_its_subscription_goes() {
        let events = Arc::new(Events::default());
        let first = events.subscribe(&caller(1, 1), 1).unwrap();
        assert!(events.subscribe(&caller(1, 1), 1).is_none());
        assert!(events.subscribe(&caller(2, 1), 1).is_some());
        drop(first);
        assert!(events.subscribe(&caller(1, 1), 1).is_some());
        let listeners = events.lock();
        assert!(listeners.sessions.is_empty() && listeners.by_user.is_empty());
    }
}
