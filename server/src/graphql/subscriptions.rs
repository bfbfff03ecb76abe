//! Subscriptions: what is pushed to a client as it happens.

use async_graphql::{Context, Enum, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt as _};

use super::scalars::DateTime;
use crate::sessions::{self, Report};

/// What an event asks of the session's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "sessions::SessionEventKind")]
pub enum SessionEventKind {
    /// This session was ended: by logout elsewhere, an administrator, a password change or a detected token theft. The stream ends after it.
    Ended,
    /// The user's role or profile changed: refresh to get a token that says so.
    Changed,
}

/// Something that happened to a session.
#[derive(SimpleObject)]
pub struct SessionEvent {
    /// What to do about it.
    kind: SessionEventKind,
    /// When it happened.
    at: DateTime,
    /// Why: one of the reasons in docs/session-events.md, to which later versions may add.
    reason: &'static str,
}

impl From<sessions::SessionEvent> for SessionEvent {
    fn from(event: sessions::SessionEvent) -> Self {
        Self {
            kind: event.kind.into(),
            at: event.at.into(),
            reason: event.reason.as_str(),
        }
    }
}

/// What is pushed.
pub struct Subscription;

/// What is pushed as it happens, over the protocol graphql-transport-ws at /graphql/ws.
#[Subscription]
impl Subscription {
    /// What happens to the session of the bearer token given in connection_init, pushed as it happens.
    // GraphQL §5.2.3.1 allows one field, and the library any number: two of them are too complex.
    #[graphql(complexity = "1001 + child_complexity")]
    async fn session_events(&self, ctx: &Context<'_>) -> impl Stream<Item = SessionEvent> + use<> {
        let report = ctx.data_unchecked::<Report>().clone();
        report.events().map(SessionEvent::from)
    }
}
