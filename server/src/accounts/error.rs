//! What can be wrong with a request about accounts.

use std::time::Duration;

use crate::sessions::SessionError;
use crate::storage::StorageError;

/// Why an account operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address is none that mail could be sent to.
    #[error("This is not a valid e-mail address.")]
    EmailInvalid,
    /// Another account has the address.
    #[error("An account with this e-mail address exists already.")]
    EmailTaken,
    /// The name is empty, too long, or holds what is invisible or imitates.
    #[error(
        "A name has 1 to 100 characters, a letter or digit among them, in one line, and no invisible or look-alike characters."
    )]
    NameInvalid,
    /// The password has fewer characters than the policy asks for.
    #[error("The password is too short: it needs at least {0} characters.")]
    PasswordTooShort(usize),
    /// The password has more characters than the policy allows.
    #[error("The password is too long: it may have at most {0} characters.")]
    PasswordTooLong(usize),
    /// The password holds a control character, which cannot be typed again.
    #[error("A password has no line breaks, tabs or other control characters.")]
    PasswordInvalid,
    /// The password is among the first that an attacker would try.
    #[error("The password is too easy to guess. {0}")]
    PasswordTooWeak(String),
    /// The password is in the list of breached ones.
    #[error(
        "This password is in public lists of passwords that were stolen elsewhere, which attackers try. Choose another one."
    )]
    PasswordBreached,
    /// Wrong address or wrong password: not told which.
    #[error("The e-mail address or the password is wrong.")]
    BadCredentials,
    /// The link was used, was replaced by a newer one, has expired or never was: not told which.
    #[error("This link is not valid any more. Ask for a new one.")]
    RecoveryInvalid,
    /// An administrator switched the account off. Told only after the right password.
    #[error("This account is disabled. An administrator can enable it again.")]
    Disabled,
    /// Accounts are made by the operator only.
    #[error("Registration is closed. Ask the operator of this service for an account.")]
    RegistrationClosed,
    /// The caller signed in too long ago for this.
    #[error("This needs a recent sign-in. Sign in again and repeat it.")]
    ReauthenticationRequired,
    /// The account of an administrator's own is not changed by the acts that change others'.
    #[error(
        "This is your own account. Another administrator can do this, and deleteAccount deletes it."
    )]
    OwnAccount,
    /// What is wrong with the new password of a change, whose field has another name.
    #[error(transparent)]
    NewPassword(Box<AccountError>),
    /// More passwords are being checked than the machine can keep up with.
    #[error("The server is busy. Try again in a moment.")]
    Busy(Duration),
    /// The session did not allow it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl AccountError {
    /// Whether the connection to the database was lost, so that what was written may stand all the same.
    pub(super) fn is_of_a_lost_connection(&self) -> bool {
        matches!(
            self,
            Self::Storage(StorageError::Lost(_))
                | Self::Session(SessionError::Storage(StorageError::Lost(_)))
        )
    }
}
