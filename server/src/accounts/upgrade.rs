//! Hashes of other systems and of older parameters give way to today's when their user signs in.

use super::{AccountError, Accounts};
use crate::storage::UserRow;
use crate::values::Secret;

impl Accounts {
    /// The account with its password hashed anew, if its hash is not what a password is hashed into today. No session ends and
    /// no token gets stale by it. `None`: the password, which was right a moment ago, has been changed meanwhile.
    ///
    /// The sign-in goes on with the old hash where the new one cannot be made or written: the next one tries again.
    ///
    /// # Errors
    /// [`AccountError::Storage`] or [`AccountError::Busy`] when it cannot be known what the password is now.
    pub(super) async fn upgraded(
        &self,
        mut user: UserRow,
        password: &Secret,
    ) -> Result<Option<UserRow>, AccountError> {
        if self.passwords.is_current(&user.password_hash) {
            return Ok(Some(user));
        }
        let written = async {
            let hash = self.passwords.rehash(password).await?;
            let is_written = self
                .storage
                .replace_hash(&user.id, &user.password_hash, &hash)
                .await?;
            Ok::<_, AccountError>(is_written.then_some(hash))
        };
        match written.await {
            Ok(Some(hash)) => {
                user.password_hash = hash;
                Ok(Some(user))
            }
            // Another sign-in of the same moment was first, or the password was changed.
            Ok(None) => self.verified_again(user, password).await,
            Err(error) => {
                tracing::warn!(%error, user = %user.id, "a password hash was not upgraded");
                Ok(Some(user))
            }
        }
    }

    async fn verified_again(
        &self,
        user: UserRow,
        password: &Secret,
    ) -> Result<Option<UserRow>, AccountError> {
        let Some(user) = self.storage.find_user(&user.id).await? else {
            return Ok(None);
        };
        let stored = Some(user.password_hash.clone());
        let verified = self.passwords.verify(password, stored).await?;
        Ok(verified.then_some(user))
    }
}
