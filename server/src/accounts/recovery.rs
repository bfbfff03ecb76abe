//! A new password for a user who cannot prove the old one: by a link that the operator makes, or by the operator.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;

use super::{AccountError, Accounts};
use crate::audit::AuthEventKind;
use crate::clock::random;
use crate::sessions::Target;
use crate::storage::{Denied, Recovery, StorageError, UserRow};
use crate::values::{Peer, Secret, UnixMillis, UserId};

/// How long a link is good for (OWASP Forgot Password Cheat Sheet: single use, expires after an appropriate period).
const LINK_LIFE: Duration = Duration::from_secs(30 * 60);

/// What the operator hands to the user.
#[derive(Clone, Debug)]
pub struct RecoveryLink {
    /// 32 random bytes in base64url. Whoever has it can take the account over.
    pub token: Secret,
    /// From when on it is worthless.
    pub expires_at: UnixMillis,
}

impl Accounts {
    /// Makes a link by which the user sets a new password, in the place of the one that they may have.
    ///
    /// # Errors
    /// [`Denied::Missing`] when there is no such account.
    pub async fn make_recovery_link(&self, id: &UserId) -> Result<RecoveryLink, AccountError> {
        let bytes: [u8; 32] = random(&*self.rng);
        let token = Secret::new(BASE64URL.encode(bytes));
        let now = self.clock.now();
        let expires_at = now + LINK_LIFE;
        let link = Recovery {
            user_id: *id,
            token_hash: hash(&token),
            expires_at,
        };
        let event = self
            .audit
            .event(AuthEventKind::RecoveryLinkMade, &Peer::default())
            .user(*id);
        self.storage.insert_recovery(link, event, now).await?;
        Ok(RecoveryLink { token, expires_at })
    }

    /// Sets the password of the link's owner and ends all of their sessions. Signs nobody in, and enables no disabled account.
    ///
    /// # Errors
    /// [`AccountError::RecoveryInvalid`], the same for a link that was used, was replaced, has expired or never was;
    /// [`AccountError::NewPassword`] with what is wrong with the password, after which the link is still good;
    /// [`AccountError::Busy`] when too many passwords are being hashed.
    pub async fn recover(
        &self,
        token: &Secret,
        new: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let token_hash = hash(token);
        let now = self.clock.now();
        // Before the new password is hashed, which is dear.
        let Some(user) = self.storage.find_recoverable(&token_hash, now).await? else {
            self.sessions.throttle().note_failure(peer).await;
            return Err(AccountError::RecoveryInvalid);
        };
        let kind = AuthEventKind::PasswordRecovered;
        self.reset(&user, new, Some(&token_hash), kind, peer).await
    }

    /// Sets somebody's password for the operator, and ends all of their sessions.
    ///
    /// # Errors
    /// As [`Self::recover`]; [`Denied::Missing`] when there is no such account.
    pub async fn set_password(&self, id: &UserId, new: &Secret) -> Result<(), AccountError> {
        let user = self.storage.find_user(id).await?;
        let user = user.ok_or(StorageError::from(Denied::Missing))?;
        let kind = AuthEventKind::PasswordChanged;
        self.reset(&user, new, None, kind, &Peer::default()).await
    }

    async fn reset(
        &self,
        user: &UserRow,
        new: &Secret,
        token_hash: Option<&str>,
        kind: AuthEventKind,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let hash = self.hash_new_for(user, new).await?;
        let event = self.audit.event(kind, peer).user(user.id);
        let revoked = AuthEventKind::SessionRevoked;
        let ended = self.sessions.ended_by(revoked, None, peer);
        let now = self.clock.now();
        let written = self
            .storage
            .reset_password(&user.id, token_hash, &hash, event, &ended, now)
            .await;
        match self.sessions.settle(written).await {
            // The account went, and its link with it, while the password was hashed.
            Err(StorageError::Denied(Denied::Missing)) if token_hash.is_some() => {
                Err(AccountError::RecoveryInvalid)
            }
            settled => {
                settled?;
                let target = Target::Email(user.email.as_str());
                self.sessions.throttle().forget(target).await;
                Ok(())
            }
        }
    }
}

/// Of 32 random bytes there is nothing to guess, so a fast hash does.
fn hash(token: &Secret) -> String {
    let digest = digest::digest(&digest::SHA256, token.expose().as_bytes());
    BASE64URL.encode(digest)
}
