//! What a resolver finds in its context: who calls, from where, and the services.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_graphql::{Context, Result};

use super::error::{Denial, deny};
use crate::accounts::Accounts;
use crate::audit::Audit;
use crate::sessions::{AccessError, Grant, Sessions};
use crate::tokens::TokenError;
use crate::values::{Identity, Peer, Secret};

/// The services that resolvers call.
#[derive(Clone)]
pub struct Services {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// The audit trail.
    pub audit: Arc<Audit>,
}

/// Who sent the request, as far as its bearer token tells.
#[derive(Clone, Debug)]
pub enum Caller {
    /// No token was sent.
    Anonymous,
    /// A token was sent and refused. Operations that need none still run; the others answer with the reason.
    Rejected(AccessError),
    /// A good token was sent.
    SignedIn(Identity),
}

impl Caller {
    /// The caller's identity.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with `TOKEN_MISSING`, or with the reason why the token was refused.
    pub fn identity(&self) -> Result<&Identity> {
        match self {
            Self::SignedIn(identity) => Ok(identity),
            Self::Anonymous => Err(deny(Denial::TokenMissing)),
            Self::Rejected(AccessError::Token(TokenError::Expired)) => {
                Err(deny(Denial::TokenExpired))
            }
            Self::Rejected(AccessError::Token(TokenError::Invalid(_))) => {
                Err(deny(Denial::TokenInvalid))
            }
            Self::Rejected(AccessError::Stale) => Err(deny(Denial::TokenStale)),
            Self::Rejected(AccessError::Ended) => Err(deny(Denial::SessionEnded)),
            Self::Rejected(AccessError::Unchecked) => Err(deny(Denial::Unchecked)),
        }
    }
}

/// What to do with the session cookie in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieWrite {
    /// Keep this refresh token for so long.
    Set(Secret, Duration),
    /// Forget it.
    Clear,
}

/// The session cookie of one request: what came, whether it may be touched, and what goes back.
#[derive(Debug)]
pub struct SessionCookie {
    presented: Option<Secret>,
    origin_allowed: bool,
    write: Mutex<Option<CookieWrite>>,
}

impl SessionCookie {
    /// `presented` is the refresh token in the cookie; `origin_allowed` whether the page that sends the request is one that may
    /// use it.
    pub fn new(presented: Option<Secret>, origin_allowed: bool) -> Self {
        Self {
            presented,
            origin_allowed,
            write: Mutex::new(None),
        }
    }

    /// The refresh token in the cookie.
    ///
    /// # Errors
    /// `FORBIDDEN` with `ORIGIN_REFUSED` when there is one and the page may not use it.
    pub fn read(&self) -> Result<Option<&Secret>> {
        match &self.presented {
            Some(_) if !self.origin_allowed => Err(deny(Denial::OriginRefused)),
            presented => Ok(presented.as_ref()),
        }
    }

    /// Refuses an operation that is going to set the cookie for a page that may not have it.
    ///
    /// # Errors
    /// `FORBIDDEN` with `ORIGIN_REFUSED`.
    pub fn check_origin(&self) -> Result<()> {
        if self.origin_allowed {
            Ok(())
        } else {
            Err(deny(Denial::OriginRefused))
        }
    }

    /// Puts the grant's refresh token into the cookie.
    pub fn set(&self, grant: &Grant) {
        self.write(CookieWrite::Set(
            grant.refresh_token.clone(),
            grant.refresh_expires_in,
        ));
    }

    /// Has the browser forget the cookie.
    pub fn clear(&self) {
        self.write(CookieWrite::Clear);
    }

    fn write(&self, write: CookieWrite) {
        *self.write.lock().unwrap_or_else(PoisonError::into_inner) = Some(write);
    }

    /// What the answer has to do, once.
    pub fn take_write(&self) -> Option<CookieWrite> {
        self.write
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Short names for what the context holds.
pub trait ContextExt {
    /// Accounts.
    fn accounts(&self) -> &Accounts;
    /// Sessions.
    fn sessions(&self) -> &Sessions;
    /// The audit trail.
    fn audit(&self) -> &Audit;
    /// Who calls.
    fn caller(&self) -> &Caller;
    /// Where the call comes from.
    fn peer(&self) -> &Peer;
    /// The session cookie.
    fn cookie(&self) -> &SessionCookie;
}

impl ContextExt for Context<'_> {
    fn accounts(&self) -> &Accounts {
        &self.data_unchecked::<Services>().accounts
    }

    fn sessions(&self) -> &Sessions {
        &self.data_unchecked::<Services>().sessions
    }

    fn audit(&self) -> &Audit {
        &self.data_unchecked::<Services>().audit
    }

    fn caller(&self) -> &Caller {
        self.data_unchecked::<Caller>()
    }

    fn peer(&self) -> &Peer {
        self.data_unchecked::<Peer>()
    }

    fn cookie(&self) -> &SessionCookie {
        self.data_unchecked::<Arc<SessionCookie>>()
    }
}
