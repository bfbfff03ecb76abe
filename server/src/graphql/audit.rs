//! The audit trail in GraphQL.

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};

use super::accounts::User;
use super::context::{ContextExt as _, boxed};
use super::error::{Denial, deny, public};
use super::guard::RequireLogin;
use super::paging::{Page, cursor, page_size};
use super::scalars::DateTime;
use crate::audit::{self, EventQuery};
use crate::values::{EventId, Role, UserId};

/// What the audit trail records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "audit::AuthEventKind")]
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
    /// A superseded refresh token was used within the grace: a second tab, mostly.
    RefreshRepeated,
    /// A superseded refresh token was used when only a thief would have it; the session was ended.
    RefreshReuseDetected,
    /// A session was ended by its own user, who was signed in with it.
    LoggedOut,
    /// A session was ended from elsewhere: from another session, by an administrator, or to make room for a new one.
    SessionRevoked,
    /// A signed-in user proved their password again.
    Reauthenticated,
    /// A password was changed.
    PasswordChanged,
    /// The operator made a link by which the user can set a new password.
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

/// One line of the audit trail.
#[derive(SimpleObject)]
pub struct AuthEvent {
    /// The line's id. Newer lines have greater ids.
    id: ID,
    /// What happened.
    kind: AuthEventKind,
    /// When it happened.
    at: DateTime,
    /// Whom it happened to. Stays after the account is deleted; null for an attempt on an address that has no account.
    user_id: Option<ID>,
    /// The account, null when it is deleted or there was none.
    user: Option<User>,
    /// Who did it, where that is someone else (an administrator, say).
    actor_id: Option<ID>,
    /// Their account, null when it is deleted. Shown to ADMIN only.
    actor: Option<User>,
    /// The session that it happened in.
    session_id: Option<ID>,
    /// The address that it was asked for from; an actor's is shown to ADMIN only. Null where it is not known, and some time after the account is deleted.
    ip_address: Option<String>,
    /// The User-Agent that it was asked for with, on the same terms as the address.
    user_agent: Option<String>,
}

impl From<audit::AuthEvent> for AuthEvent {
    fn from(event: audit::AuthEvent) -> Self {
        Self {
            id: event.id.to_string().into(),
            kind: event.kind.into(),
            at: event.at.into(),
            user_id: event.user_id.map(ID),
            user: event.user.map(User::from),
            actor_id: event.actor_id.map(ID),
            actor: event.actor.map(User::from),
            session_id: event.session_id.map(ID),
            ip_address: event.ip_address,
            user_agent: event.user_agent,
        }
    }
}

/// One page of the audit trail (Relay Cursor Connections Specification).
#[derive(SimpleObject)]
pub struct AuthEventConnection {
    /// The lines of this page, each with its cursor.
    edges: Vec<AuthEventEdge>,
    /// Where this page begins and ends, and whether there are others.
    page_info: PageInfo,
}

/// A line in a list.
#[derive(SimpleObject)]
pub struct AuthEventEdge {
    /// Its place in the list: the page after it is asked for with `after`.
    cursor: String,
    /// The line.
    node: AuthEvent,
}

impl From<audit::AuthEvent> for AuthEventEdge {
    fn from(event: audit::AuthEvent) -> Self {
        Self {
            cursor: cursor(&event.id),
            node: event.into(),
        }
    }
}

/// Queries about the audit trail.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// The audit trail, newest first. A user sees their own; an ADMIN may name any user, or none for all.
    #[graphql(guard = "RequireLogin", complexity = "weight(first, child_complexity)")]
    async fn auth_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many: 1 to 100, else BAD_USER_INPUT.", default = 20)] first: Option<
            i32,
        >,
        #[graphql(desc = "The endCursor of the page before.")] after: Option<String>,
        #[graphql(
            desc = "Only what happened to this user. Without it, one's own lines; for an ADMIN, everybody's."
        )]
        user_id: Option<ID>,
        #[graphql(desc = "Only lines of this kind.")] kind: Option<AuthEventKind>,
    ) -> Result<AuthEventConnection> {
        let reader = ctx.caller().identity()?;
        let page: Page<EventId> = Page::read(first, after.as_deref())?;
        let named = user_id.as_ref().map(|id| UserId::parse(id));
        let user = match named {
            _ if reader.role < Role::Admin => {
                if named.is_some_and(|id| id != Some(reader.user)) {
                    return Err(deny(Denial::RoleRequired(Role::Admin)));
                }
                Some(reader.user)
            }
            None => None,
            Some(Some(id)) => Some(id),
            // What is no id is nobody's: an empty page.
            Some(None) => return Ok(connection(&page, Vec::new())),
        };
        let node = ctx.look_ahead().field("edges").field("node");
        let query = EventQuery {
            user,
            kind: kind.map(Into::into),
            after: page.after,
            limit: page.limit(),
            with_users: node.field("user").exists() || node.field("actor").exists(),
        };
        let found = boxed(ctx.audit().list(reader, query))
            .await
            .map_err(public)?;
        Ok(connection(&page, found))
    }
}

/// What a page counts for: the largest, with all that there is to know of every line, has to be within the limit.
fn weight(first: Option<i32>, child_complexity: usize) -> usize {
    page_size(first) * child_complexity / 2
}

fn connection(page: &Page<EventId>, found: Vec<audit::AuthEvent>) -> AuthEventConnection {
    let (edges, page_info) = page.edges(found, AuthEventEdge::from, |edge| &edge.cursor);
    AuthEventConnection { edges, page_info }
}
