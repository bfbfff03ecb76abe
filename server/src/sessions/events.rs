//! Tells the clients of a session what happens to it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::storage::{Ends, Revocation, Revoked};
use crate::values::{Reason, SessionId, UnixMillis, UserId};

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

/// Who listens to what happens to their sessions.
#[derive(Default)]
pub struct Events(Arc<Mutex<Listeners>>);

/// A listener gets the last event only: whoever reads slowly costs no memory, and `ENDED` is never overwritten.
#[derive(Default)]
struct Listeners {
    sessions: HashMap<SessionId, watch::Sender<Option<SessionEvent>>>,
    by_user: BTreeSet<(UserId, SessionId)>,
}

/// One listener of one session; it stops to listen when it is dropped.
pub struct Subscription {
    user: UserId,
    session: SessionId,
    events: Arc<Mutex<Listeners>>,
    receiver: watch::Receiver<Option<SessionEvent>>,
}

impl Events {
    /// Listens from now on; `None` when the session has `most` listeners already.
    pub fn subscribe(&self, user: UserId, session: SessionId, most: usize) -> Option<Subscription> {
        let mut listeners = lock(&self.0);
        let sender = listeners
            .sessions
            .entry(session)
            .or_insert_with(|| watch::Sender::new(None));
        if sender.receiver_count() >= most {
            return None;
        }
        let receiver = sender.subscribe();
        listeners.by_user.insert((user, session));
        Some(Subscription {
            user,
            session,
            events: Arc::clone(&self.0),
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
        let listeners = lock(&self.0);
        match &row.revoked {
            Revoked::Session(id) => listeners.tell(id, event(SessionEventKind::Ended)),
            Revoked::User { id, ends, .. } => {
                for session in listeners.of(*id) {
                    let kind = match ends {
                        Ends::AllBut(spared) if *spared != Some(session) => SessionEventKind::Ended,
                        _ => SessionEventKind::Changed,
                    };
                    listeners.tell(&session, event(kind));
                }
            }
            Revoked::Keys(_) => {}
        }
    }
}

impl Listeners {
    fn of(&self, user: UserId) -> impl Iterator<Item = SessionId> {
        let sessions = self.by_user.range((user, SessionId::FIRST)..);
        sessions
            .take_while(move |(owner, _)| *owner == user)
            .map(|(_, session)| *session)
    }

    fn tell(&self, session: &SessionId, event: SessionEvent) {
        if let Some(sender) = self.sessions.get(session) {
            sender.send_if_modified(|last| {
                let has_ended = last.is_some_and(|last| last.kind == SessionEventKind::Ended);
                if !has_ended {
                    *last = Some(event);
                }
                !has_ended
            });
        }
    }
}

impl Subscription {
    /// Waits for the next event; events that pile up meanwhile are one.
    pub async fn next(&mut self) -> SessionEvent {
        loop {
            // The sender lives as long as this subscription, so there is no end to wait for.
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(event) = *self.receiver.borrow_and_update() {
                return event;
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut listeners = lock(&self.events);
        let is_last = |sender: &watch::Sender<_>| sender.receiver_count() == 1;
        if listeners.sessions.get(&self.session).is_some_and(is_last) {
            listeners.sessions.remove(&self.session);
            listeners.by_user.remove(&(self.user, self.session));
        }
    }
}

fn lock(listeners: &Mutex<Listeners>) -> MutexGuard<'_, Listeners> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}
