//! What a signed-in user does with their password.

use super::{AccountError, Accounts};
use crate::audit::AuthEventKind;
use crate::sessions::{Grant, Target};
use crate::storage::{AuthEventRow, Denied, Proof, StorageError, UserRow};
use crate::values::{Identity, Peer, Secret};

impl Accounts {
    /// Proves the password again. Only the access token of this grant says so, and the session's earlier refresh tokens are
    /// worthless. Whoever loses the answer renews with the token that they have and the same `attempt` key.
    ///
    /// # Errors
    /// [`SessionError::AttemptInvalid`]; [`AccountError::BadCredentials`]; [`AccountError::Busy`] when too many passwords are being checked.
    pub async fn reauthenticate(
        &self,
        caller: &Identity,
        password: &Secret,
        attempt: Option<&str>,
        peer: &Peer,
    ) -> Result<Grant, AccountError> {
        let nonce = self.sessions.new_nonce(attempt)?;
        let user = self.verified(caller, password, peer).await?;
        let event = self.own_event(AuthEventKind::Reauthenticated, caller, peer);
        let proof = self.proof(caller, &user, event);
        let now = proof.now;
        let renewed = self.storage.renew_proven(proof, &nonce).await;
        let (user, session) = renewed.map_err(unproven)?;
        let hash = user.password_hash.clone();
        let grant = self.sessions.grant(user, &session, now, now)?;
        Ok(self.on_device(grant, None, &hash))
    }

    /// Changes the password. Every other session of the user ends, and every earlier token of this one is worthless.
    ///
    /// # Errors
    /// As [`Self::reauthenticate`]; [`AccountError::NewPassword`] with what is wrong with the new one.
    pub async fn change_password(
        &self,
        caller: &Identity,
        current: &Secret,
        new: &Secret,
        attempt: Option<&str>,
        peer: &Peer,
    ) -> Result<Grant, AccountError> {
        let nonce = self.sessions.new_nonce(attempt)?;
        let user = self.verified(caller, current, peer).await?;
        let hash = self.hash_new_for(&user, new).await?;
        let event = self.own_event(AuthEventKind::PasswordChanged, caller, peer);
        let proof = self.proof(caller, &user, event);
        let now = proof.now;
        let ended = self
            .sessions
            .ended_by(AuthEventKind::SessionRevoked, caller, peer);
        let written = self
            .storage
            .change_password(proof, &hash, &nonce, &ended)
            .await;
        let (user, session) = self.sessions.settle(written).await.map_err(unproven)?;
        let grant = self.sessions.grant(user, &session, now, now)?;
        Ok(self.on_device(grant, None, &hash))
    }

    /// Deletes the caller's account with everything but the audit trail.
    ///
    /// # Errors
    /// As [`Self::reauthenticate`]; [`Denied::LastAdministrator`] when nobody could administer any more.
    pub async fn delete_own(
        &self,
        caller: &Identity,
        password: &Secret,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let user = self.verified(caller, password, peer).await?;
        let event = self.own_event(AuthEventKind::UserDeleted, caller, peer);
        let written = self
            .storage
            .delete_own(self.proof(caller, &user, event))
            .await;
        self.sessions.settle(written).await.map_err(unproven)
    }

    /// The caller's row, if `password` is theirs.
    async fn verified(
        &self,
        caller: &Identity,
        password: &Secret,
        peer: &Peer,
    ) -> Result<UserRow, AccountError> {
        let user = self.row_of_caller(caller).await?;
        let refused = self.own_event(AuthEventKind::LoginThrottled, caller, peer);
        let hash = Some(user.password_hash.clone());
        let target = Target::User(&user.id);
        let verified = self.verify(target, peer, refused, password, hash).await?;
        let was_right = verified.is_some();
        if let Some(booked) = verified {
            self.sessions.throttle().succeeded(booked).await;
        }
        if was_right && let Some(user) = self.upgraded(user, password).await? {
            return Ok(user);
        }
        let failed = self.own_event(AuthEventKind::LoginFailed, caller, peer);
        self.storage.insert_event(failed).await?;
        Err(AccountError::BadCredentials)
    }

    /// A new password for an account that there is.
    pub(super) async fn hash_new_for(
        &self,
        user: &UserRow,
        new: &Secret,
    ) -> Result<String, AccountError> {
        let hints = vec![
            user.email.as_str().to_owned(),
            user.name.as_str().to_owned(),
        ];
        let hashed = self.passwords.hash_new(new, hints).await;
        hashed.map_err(of_new_password)
    }

    fn own_event(&self, kind: AuthEventKind, caller: &Identity, peer: &Peer) -> AuthEventRow {
        let event = self.audit.event(kind, peer);
        event.user(caller.user).session(caller.session)
    }

    fn proof<'a>(&self, caller: &'a Identity, user: &'a UserRow, event: AuthEventRow) -> Proof<'a> {
        Proof {
            caller,
            password_hash: &user.password_hash,
            event,
            now: self.clock.now(),
        }
    }
}

/// The password was changed while it was being checked: it is the wrong one now.
fn unproven(error: StorageError) -> AccountError {
    match error {
        StorageError::Denied(Denied::PasswordChanged) => AccountError::BadCredentials,
        other => other.into(),
    }
}

fn of_new_password(error: AccountError) -> AccountError {
    use AccountError as A;
    match error {
        A::PasswordTooShort(_)
        | A::PasswordTooLong(_)
        | A::PasswordInvalid
        | A::PasswordTooWeak(_)
        | A::PasswordBreached => A::NewPassword(Box::new(error)),
        other => other,
    }
}
