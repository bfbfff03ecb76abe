//! Why a session is not renewed.

use std::time::Duration;

use crate::storage::StorageError;
use crate::tokens::{KeyError, TokenError};
use crate::values::whole_seconds;

/// Why a session is not opened or renewed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Neither a refresh token nor a cookie came along.
    #[error("There is no session to renew. Sign in.")]
    RefreshMissing,
    /// It is no refresh token of ours, or an act since made it worthless.
    #[error("The refresh token is not valid. Sign in again.")]
    RefreshInvalid,
    /// The session was not used for too long, or has reached its absolute end.
    #[error("The session has expired. Sign in again.")]
    RefreshExpired,
    /// The refresh token had been used before: somebody else may have it, so the session was ended.
    #[error(
        "The refresh token was used twice, so the session was ended for safety. Sign in again."
    )]
    RefreshReused,
    /// The session was ended.
    #[error("The session was ended. Sign in again.")]
    Ended,
    /// The attempt key is too short to be random.
    #[error("attempt is a random text of 16 to 256 bytes, new for each refresh.")]
    AttemptInvalid,
    /// There were too many tries; the next one is allowed after this time.
    #[error("There were too many tries. Try again in {} s.", whole_seconds(*.0))]
    Throttled(Duration),
    /// No token could be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an access token does not speak for anyone now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The token itself does not do.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The user has changed since it was signed.
    #[error("the token is older than the user's last change")]
    Stale,
    /// Its session was ended.
    #[error("the token's session has ended")]
    Ended,
    /// The feed of revocations is stale and the database cannot be asked.
    #[error("the token cannot be checked just now")]
    Unchecked,
}
