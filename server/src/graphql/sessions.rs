//! Sessions in GraphQL: the answer of every sign-in, refresh and logout.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::accounts::User;
use super::context::{Caller, ContextExt as _};
use super::error::public;
use super::guard::RequireLogin;
use super::scalars::{DateTime, TokenTransport};
use crate::accounts::SignIn;
use crate::sessions::{self, Grant, SessionError};
use crate::values::{Identity, Reason, Secret, SessionId, Transport};

/// The answer of every mutation that signs a user in or keeps one signed in.
#[derive(SimpleObject)]
pub struct AuthPayload {
    /// The signed-in user.
    user: User,
    /// A signed JWT (typ at+jwt). Send it as 'Authorization: Bearer TOKEN'. Keep it in memory only.
    access_token: String,
    /// Seconds from now until accessToken expires.
    expires_in: u64,
    /// The server's clock when it signed accessToken, so that a client can learn how wrong its own clock is.
    issued_at: DateTime,
    /// The session that the tokens belong to; it keeps its id when they are renewed.
    session_id: ID,
    /// The token to renew with. Null when the session's transport is COOKIE.
    refresh_token: Option<String>,
    /// Seconds from now until the refresh token expires, if it is not used before.
    refresh_expires_in: u64,
}

impl From<Grant> for AuthPayload {
    fn from(grant: Grant) -> Self {
        let in_body = grant.transport == Transport::Body;
        Self {
            user: grant.user.into(),
            access_token: grant.access.token.expose().to_owned(),
            expires_in: grant.access.expires_in.as_secs(),
            issued_at: grant.access.issued_at.into(),
            session_id: grant.session.to_string().into(),
            refresh_token: in_body.then(|| grant.refresh_token.expose().to_owned()),
            refresh_expires_in: grant.refresh_expires_in.as_secs(),
        }
    }
}

/// How the caller of a mutation signs in over the transport that was asked for.
///
/// # Errors
/// `FORBIDDEN` with `ORIGIN_REFUSED` when the page may not have the cookie.
pub fn sign_in<'a>(ctx: &'a Context<'_>, transport: TokenTransport) -> Result<SignIn<'a>> {
    let transport = Transport::from(transport);
    let replaces = match transport {
        Transport::Cookie => {
            ctx.cookie().check_origin()?;
            ctx.cookie().read()?.cloned()
        }
        Transport::Body => None,
    };
    Ok(SignIn {
        transport,
        peer: ctx.peer(),
        replaces,
        device: ctx.cookie().device(),
    })
}

/// Turns a grant into the answer, and into the cookie where that is the session's transport.
pub fn answer(ctx: &Context<'_>, grant: Grant) -> AuthPayload {
    if grant.transport == Transport::Cookie {
        ctx.cookie().set(&grant);
    }
    grant.into()
}

/// Refuses a page that may not have the cookie, where the answer is going to set it: the caller's session came by one.
///
/// # Errors
/// `FORBIDDEN` with `ORIGIN_REFUSED`; `UNAUTHENTICATED` with `SESSION_ENDED`.
pub async fn check_cookie(ctx: &Context<'_>, caller: &Identity) -> Result<()> {
    match ctx.sessions().transport(caller).await.map_err(public)? {
        Transport::Cookie => ctx.cookie().check_origin(),
        Transport::Body => Ok(()),
    }
}

/// Has the browser forget the cookie where it is that of the caller's session, which has just ended.
pub fn clear_cookie_of(ctx: &Context<'_>, caller: &Identity) {
    if let Ok(Some(token)) = ctx.cookie().read()
        && sessions::is_token_of(token.expose(), &caller.session)
    {
        ctx.cookie().clear();
    }
}

/// Mutations of sessions.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Rotates the refresh token. It is read from the argument, or else from the cookie; the answer uses the same transport.
    async fn refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The refresh token, where the session's transport is BODY.",
            secret
        )]
        refresh_token: Option<String>,
        #[graphql(
            desc = "A random text of 16 bytes or more that the client stores before it sends and replaces after success; a repeat with the same text gets the same answer, however late.",
            secret
        )]
        attempt: Option<String>,
    ) -> Result<AuthPayload> {
        let refresh_token = refresh_token.map(Secret::new);
        let (token, transport) = match &refresh_token {
            Some(token) => (Some(token.expose()), Transport::Body),
            None => (
                ctx.cookie().read()?.map(|token| token.expose()),
                Transport::Cookie,
            ),
        };
        let token = token.ok_or_else(|| public(SessionError::RefreshMissing))?;
        // A failure leaves the cookie alone: another tab may have signed in and set a new one meanwhile.
        let renewed = ctx
            .sessions()
            .refresh(token, transport, attempt.as_deref(), ctx.peer())
            .await;
        Ok(answer(ctx, renewed.map_err(public)?))
    }

    /// Ends the session of the argument, else of the cookie, else of the bearer token, and clears the cookie. True also when there was nothing to end.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The refresh token, where the session's transport is BODY.",
            secret
        )]
        refresh_token: Option<String>,
    ) -> Result<bool> {
        let cookie = ctx.cookie().read();
        if let Some(token) = refresh_token.map(Secret::new) {
            ctx.sessions()
                .end_by_token(token.expose(), Reason::LoggedOut, ctx.peer())
                .await
                .map_err(public)?;
        } else if let Some(token) = cookie.clone()? {
            ctx.sessions()
                .end_by_token(token.expose(), Reason::LoggedOut, ctx.peer())
                .await
                .map_err(public)?;
        } else if let Caller::SignedIn(caller) = ctx.caller() {
            ctx.sessions()
                .end_own(caller, ctx.peer())
                .await
                .map_err(public)?;
        }
        if let Ok(Some(_)) = cookie {
            ctx.cookie().clear();
        }
        Ok(true)
    }

    /// Ends all of the user's sessions, this one included. Returns how many.
    #[graphql(guard = "RequireLogin")]
    async fn logout_everywhere(&self, ctx: &Context<'_>) -> Result<usize> {
        let caller = ctx.caller().identity()?;
        let ended = ctx.sessions().end_everywhere(caller, ctx.peer()).await;
        let ended = ended.map_err(public)?;
        clear_cookie_of(ctx, caller);
        Ok(ended)
    }

    /// Ends one of the user's own sessions; an ADMIN may end anyone's. False when there is no such session.
    #[graphql(guard = "RequireLogin")]
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session.")] id: ID,
    ) -> Result<bool> {
        let caller = ctx.caller().identity()?;
        let Some(id) = SessionId::parse(&id) else {
            return Ok(false);
        };
        let ended = ctx.sessions().revoke(caller, &id, ctx.peer()).await;
        let ended = ended.map_err(public)?;
        if id == caller.session {
            clear_cookie_of(ctx, caller);
        }
        Ok(ended)
    }
}
