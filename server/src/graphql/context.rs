//! What a resolver finds in its context: who calls, from where, and the services.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// What came with a request besides its document. One value, as each that a context holds costs a look-up and memory.
#[derive(Debug)]
pub struct Call {
    /// Who sent it.
    pub caller: Caller,
    /// Where it comes from.
    pub peer: Peer,
    /// Its cookies.
    pub cookies: Cookies,
    /// Whether it came in an address, by GET.
    pub in_address: bool,
}

/// What to do with a cookie in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieWrite {
    /// Keep this token for so long.
    Set(Secret, Duration),
    /// Forget it.
    Clear,
}

/// What the answer does with each cookie, where it does anything.
#[derive(Debug, Default)]
pub struct CookieWrites {
    /// The one with the refresh token.
    pub session: Option<CookieWrite>,
    /// The one that the device is recognised by.
    pub device: Option<CookieWrite>,
}

/// The cookies of one request: what came, whether the session's may be touched, and what goes back.
#[derive(Debug)]
pub struct Cookies {
    presented: Option<Secret>,
    device: Option<Secret>,
    origin_allowed: bool,
    writes: Mutex<CookieWrites>,
}

/// A device is recognised for as long after the last sign-in on it.
const DEVICE_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

impl Cookies {
    /// `presented` is the refresh token in the session's cookie, `device` the token in the device's; `origin_allowed` says
    /// whether the page that sends the request is one that may use them.
    pub fn new(presented: Option<Secret>, device: Option<Secret>, origin_allowed: bool) -> Self {
        Self {
            presented,
            device,
            origin_allowed,
            writes: Mutex::default(),
        }
    }

    /// The token that the device is recognised by.
    pub fn device(&self) -> Option<&Secret> {
        self.device.as_ref()
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

    /// Puts the grant's refresh token into the session's cookie, and the device's token into the other one.
    pub fn set(&self, grant: &Grant) {
        let mut writes = self.writes();
        writes.session = Some(CookieWrite::Set(
            grant.refresh_token.clone(),
            grant.refresh_expires_in,
        ));
        if let Some(token) = &grant.device_token {
            writes.device = Some(CookieWrite::Set(token.clone(), DEVICE_LIFE));
        }
    }

    /// Has the browser forget the cookie.
    pub fn clear(&self) {
        self.writes().session = Some(CookieWrite::Clear);
    }

    fn writes(&self) -> MutexGuard<'_, CookieWrites> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the answer has to do, once.
    pub fn take_writes(&self) -> CookieWrites {
        std::mem::take(&mut *self.writes())
    }
}

/// A call into the domain that asks the database. The library keeps room for the largest call of any field beside each field, and
/// moves it about: that of `me`, which seldom asks, must not pay for the others.
pub fn boxed<F: Future>(call: F) -> Pin<Box<F>> {
    Box::pin(call)
}

/// Short names for what the context holds.
pub trait ContextExt {
    /// Accounts.
    fn accounts(&self) -> &Accounts;
    /// Sessions.
    fn sessions(&self) -> &Sessions;
    /// The audit trail.
    fn audit(&self) -> &Audit;
    /// What came with the request.
    fn call(&self) -> &Call;

    /// Who calls.
    fn caller(&self) -> &Caller {
        &self.call().caller
    }

    /// Where the call comes from.
    fn peer(&self) -> &Peer {
        &self.call().peer
    }

    /// The cookies.
    fn cookie(&self) -> &Cookies {
        &self.call().cookies
    }
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

    fn call(&self) -> &Call {
        self.data_unchecked::<Arc<Call>>()
    }
}
