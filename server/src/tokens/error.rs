//! Why a token is refused.

/// Why a token is refused, as the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of ours, or not for us. The text is for the log: callers learn only that it is invalid.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// It was good until its `exp`.
    #[error("the token has expired")]
    Expired,
}
