//! The one place where an error becomes a public one: a message for people, and `extensions` that programs switch on.
//!
//! docs/errors.md lists every code and reason.

use std::fmt::Display;
use std::time::Duration;

use async_graphql::{Error, ErrorExtensions as _, Pos, ServerError};

use crate::accounts::AccountError;
use crate::sessions::SessionError;
use crate::storage::{Denied, StorageError};
use crate::values::{Role, text_enum, whole_seconds};

/// What a program does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Renew the token or sign in, as `reason` says.
    Unauthenticated,
    /// Do not ask again as the same caller.
    Forbidden,
    /// Correct `field`.
    BadUserInput,
    /// Name something that exists.
    NotFound,
    /// There was too much of this: ask again after `retryAfter` seconds.
    RateLimited,
    /// Ask again after `retryAfter` seconds.
    Unavailable,
    /// Correct the document's syntax.
    ParseFailed,
    /// Correct the document against the schema.
    ValidationFailed,
    /// Ask for less at once.
    TooComplex,
    /// Report `requestId`.
    Internal,
}

text_enum!(Code, "a code", {
    Unauthenticated => "UNAUTHENTICATED",
    Forbidden => "FORBIDDEN",
    BadUserInput => "BAD_USER_INPUT",
    NotFound => "NOT_FOUND",
    RateLimited => "RATE_LIMITED",
    Unavailable => "UNAVAILABLE",
    ParseFailed => "GRAPHQL_PARSE_FAILED",
    ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
    TooComplex => "QUERY_TOO_COMPLEX",
    Internal => "INTERNAL_SERVER_ERROR",
});

/// What the door itself refuses, before any domain code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No bearer token.
    #[error("This needs a signed-in user. Send 'Authorization: Bearer TOKEN'.")]
    TokenMissing,
    /// The bearer token's life is over.
    #[error("The access token has expired. Refresh it and try again.")]
    TokenExpired,
    /// The bearer token is not one of ours.
    #[error("The access token is not valid. Refresh it and try again.")]
    TokenInvalid,
    /// The user has changed since the bearer token was signed.
    #[error("The access token is older than your account's last change. Refresh it and try again.")]
    TokenStale,
    /// The bearer token's session was ended.
    #[error("The session was ended. Sign in again.")]
    SessionEnded,
    /// It cannot be known just now whether the bearer token is good.
    #[error("The service is not available just now. Try again in a moment.")]
    Unchecked,
    /// The caller's role is not powerful enough.
    #[error("This needs the role {}.", .0.as_str())]
    RoleRequired(Role),
    /// The page may not use the session cookie.
    #[error(
        "The session cookie cannot be used from this page: send the request from an allowed origin, or use transport BODY."
    )]
    OriginRefused,
    /// A query or a mutation over a socket.
    #[error("Only subscriptions run over a WebSocket. Send queries and mutations to /graphql.")]
    SubscriptionsOnly,
    /// A query by GET whose arguments must not stand in an address.
    #[error("Send this query by POST: its arguments must not stand in an address.")]
    PostRequired,
    /// `first` is not a page's size.
    #[error("first is a number from 1 to 100.")]
    FirstInvalid,
    /// The cursor is not one that this server gave.
    #[error("after is not a cursor of this list. Use the endCursor of the page before.")]
    CursorInvalid,
}

/// The public error for a refusal at the door.
pub fn deny(denial: Denial) -> Error {
    let (code, reason) = match denial {
        Denial::TokenMissing => (Code::Unauthenticated, "TOKEN_MISSING"),
        Denial::TokenExpired => (Code::Unauthenticated, "TOKEN_EXPIRED"),
        Denial::TokenInvalid => (Code::Unauthenticated, "TOKEN_INVALID"),
        Denial::TokenStale => (Code::Unauthenticated, "TOKEN_STALE"),
        Denial::SessionEnded => (Code::Unauthenticated, "SESSION_ENDED"),
        Denial::Unchecked => return retry_later(&denial, StorageError::RETRY_AFTER),
        Denial::RoleRequired(_) => (Code::Forbidden, "ROLE_REQUIRED"),
        Denial::OriginRefused => (Code::Forbidden, "ORIGIN_REFUSED"),
        Denial::SubscriptionsOnly => (Code::Forbidden, "SUBSCRIPTIONS_ONLY"),
        Denial::PostRequired => (Code::Forbidden, "POST_REQUIRED"),
        Denial::FirstInvalid => return bad_input(denial, "first", "FIRST_INVALID"),
        Denial::CursorInvalid => return bad_input(denial, "after", "CURSOR_INVALID"),
    };
    error(denial, code, reason)
}

/// The public error for a query or a mutation over a socket.
pub fn subscriptions_only() -> ServerError {
    deny(Denial::SubscriptionsOnly).into_server_error(Pos::default())
}

/// The public error for what the domain answered. The cause of a fault of ours goes to the log and nowhere else.
pub fn public(cause: impl Into<AccountError>) -> Error {
    use AccountError as A;
    let cause = cause.into();
    match &cause {
        A::EmailInvalid => bad_input(cause, "email", "EMAIL_INVALID"),
        A::EmailTaken => bad_input(cause, "email", "EMAIL_TAKEN"),
        A::NameInvalid => bad_input(cause, "name", "NAME_INVALID"),
        A::PasswordTooShort(_)
        | A::PasswordTooLong(_)
        | A::PasswordInvalid
        | A::PasswordTooWeak(_)
        | A::PasswordBreached => {
            let reason = password_reason(&cause);
            bad_input(cause, "password", reason)
        }
        A::BadCredentials => error(cause, Code::Unauthenticated, "BAD_CREDENTIALS"),
        A::RecoveryInvalid => error(cause, Code::Unauthenticated, "RECOVERY_INVALID"),
        A::Disabled => error(cause, Code::Forbidden, "ACCOUNT_DISABLED"),
        A::RegistrationClosed => error(cause, Code::Forbidden, "REGISTRATION_CLOSED"),
        A::ReauthenticationRequired => error(cause, Code::Forbidden, "REAUTHENTICATION_REQUIRED"),
        A::OwnAccount => error(cause, Code::Forbidden, "OWN_ACCOUNT"),
        A::NewPassword(fault) => bad_input(fault, "newPassword", password_reason(fault)),
        A::Busy(wait) => retry_later(&cause, *wait),
        A::Session(session) => public_session(session),
        A::Storage(storage) => public_storage(storage),
        A::Internal(fault) => internal(fault),
    }
}

/// What is wrong with a new password, for programs.
pub fn password_reason(fault: &AccountError) -> &'static str {
    match fault {
        AccountError::PasswordTooShort(_) => "PASSWORD_TOO_SHORT",
        AccountError::PasswordTooLong(_) => "PASSWORD_TOO_LONG",
        AccountError::PasswordInvalid => "PASSWORD_INVALID",
        AccountError::PasswordBreached => "PASSWORD_BREACHED",
        _ => "PASSWORD_TOO_WEAK",
    }
}

fn public_session(cause: &SessionError) -> Error {
    use SessionError as S;
    let unauthenticated = |reason| error(cause, Code::Unauthenticated, reason);
    match cause {
        S::RefreshMissing => unauthenticated("REFRESH_MISSING"),
        S::RefreshInvalid => unauthenticated("REFRESH_INVALID"),
        S::RefreshExpired => unauthenticated("REFRESH_EXPIRED"),
        S::RefreshReused => unauthenticated("REFRESH_REUSED"),
        S::Ended => unauthenticated("SESSION_ENDED"),
        S::AttemptInvalid => bad_input(cause, "attempt", "ATTEMPT_INVALID"),
        S::Throttled(wait) => retry_after(cause, Code::RateLimited, *wait),
        S::Key(fault) => internal(fault),
        S::Storage(storage) => public_storage(storage),
    }
}

fn public_storage(cause: &StorageError) -> Error {
    match cause {
        StorageError::Unavailable(why) | StorageError::Lost(why) | StorageError::Contended(why) => {
            tracing::warn!(why, "the database is not available");
            retry_later(
                &"The service is not available just now. Try again in a moment.",
                StorageError::RETRY_AFTER,
            )
        }
        StorageError::Moving => retry_later(
            &"The database is being moved and takes no changes just now. Try again in a few minutes.",
            StorageError::MOVED_AFTER,
        ),
        StorageError::Denied(denied) => public_denied(denied),
        other => internal(other),
    }
}

fn public_denied(cause: &Denied) -> Error {
    match cause {
        Denied::CallerEnded => deny(Denial::SessionEnded),
        Denied::CallerStale => deny(Denial::TokenStale),
        Denied::RoleRequired(role) => deny(Denial::RoleRequired(*role)),
        Denied::PasswordChanged => public(AccountError::BadCredentials),
        Denied::Throttled(wait) => public(SessionError::Throttled(*wait)),
        Denied::RecoveryInvalid => public(AccountError::RecoveryInvalid),
        Denied::Missing => coded(&"There is no such account.", Code::NotFound),
        Denied::LastAdministrator => {
            let why = "This is the last administrator: make another one first.";
            error(why, Code::Forbidden, "LAST_ADMINISTRATOR")
        }
    }
}

fn coded(message: &dyn Display, code: Code) -> Error {
    Error::new(message.to_string()).extend_with(|_, ext| ext.set("code", code.as_str()))
}

fn internal(fault: &dyn Display) -> Error {
    tracing::error!(%fault, "a request failed");
    coded(&"Something went wrong on our side.", Code::Internal)
}

fn error(message: impl Display, code: Code, reason: &'static str) -> Error {
    Error::new(message.to_string()).extend_with(|_, ext| {
        ext.set("code", code.as_str());
        ext.set("reason", reason);
    })
}

fn bad_input(message: impl Display, field: &'static str, reason: &'static str) -> Error {
    error(message, Code::BadUserInput, reason).extend_with(|_, ext| ext.set("field", field))
}

fn retry_later(message: &dyn Display, wait: Duration) -> Error {
    retry_after(message, Code::Unavailable, wait)
}

fn retry_after(message: &dyn Display, code: Code, wait: Duration) -> Error {
    coded(message, code).extend_with(|_, ext| ext.set("retryAfter", whole_seconds(wait).max(1)))
}
