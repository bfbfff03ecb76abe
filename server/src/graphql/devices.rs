//! The devices that a user is signed in on, in GraphQL.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::context::{ContextExt as _, boxed};
use super::error::public;
use super::guard::RequireLogin;
use super::scalars::DateTime;
use crate::sessions;

/// One signed-in device. Its refresh token rotates; the session itself keeps its id.
#[derive(SimpleObject)]
pub struct Session {
    /// The session's id; it never changes.
    id: ID,
    /// When the user signed in.
    created_at: DateTime,
    /// When it last signed in or renewed.
    last_used_at: DateTime,
    /// When it ends if it is not used before; later renewals put this off, up to a limit.
    expires_at: DateTime,
    /// The address that it last signed in or renewed from.
    ip_address: Option<String>,
    /// The User-Agent that it last signed in or renewed with.
    user_agent: Option<String>,
    /// What the User-Agent says in words for people: "Chrome on Linux", "Safari on iPhone", "curl", "Unknown device". It is what the client says of itself, so not proof of anything.
    device_name: String,
    /// True for the session that this request was made with.
    current: bool,
}

impl From<sessions::Session> for Session {
    fn from(session: sessions::Session) -> Self {
        Self {
            id: session.id.to_string().into(),
            created_at: session.created_at.into(),
            last_used_at: session.last_used_at.into(),
            expires_at: session.expires_at.into(),
            ip_address: session.ip_address,
            user_agent: session.user_agent,
            device_name: session.device_name,
            current: session.current,
        }
    }
}

/// Queries about sessions.
#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// The signed-in user's own sessions, newest first.
    #[graphql(guard = "RequireLogin", complexity = "100 * child_complexity")]
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>> {
        let caller = ctx.caller().identity()?;
        let found = boxed(ctx.sessions().list(caller)).await.map_err(public)?;
        Ok(found.into_iter().map(Session::from).collect())
    }
}
