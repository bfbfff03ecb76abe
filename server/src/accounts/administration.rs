//! What administrators do to the accounts of others, and the operator, who is no caller, from the command line.
//!
//! A caller's own account is refused, and the last administrator to the operator, so one always stays.

use super::{AccountError, Accounts, User};
use crate::audit::AuthEventKind;
use crate::storage::AuthEventRow;
use crate::values::{Identity, Peer, Role, UserId};

impl Accounts {
    /// Gives somebody another role. Tokens that say the old one are stale at once.
    ///
    /// # Errors
    /// [`AccountError::OwnAccount`]; [`Denied`](crate::storage::Denied) when the caller is no administrator, there is no such
    /// account, or nobody could administer any more.
    pub async fn set_role(
        &self,
        caller: Option<&Identity>,
        id: &UserId,
        role: Role,
        peer: &Peer,
    ) -> Result<User, AccountError> {
        let event = self.act_on_other(AuthEventKind::RoleChanged, caller, id, peer)?;
        let now = self.clock.now();
        let written = self.storage.set_role(caller, id, role, event, now).await;
        Ok(self.sessions.settle(written).await?.into())
    }

    /// Switches somebody's account off, which ends all of their sessions, or on again.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn set_disabled(
        &self,
        caller: Option<&Identity>,
        id: &UserId,
        disabled: bool,
        peer: &Peer,
    ) -> Result<User, AccountError> {
        let kind = match disabled {
            true => AuthEventKind::UserDisabled,
            false => AuthEventKind::UserEnabled,
        };
        let event = self.act_on_other(kind, caller, id, peer)?;
        let revoked = AuthEventKind::SessionRevoked;
        let ended = self.sessions.ended_by(revoked, caller, peer);
        let now = self.clock.now();
        let writing = self
            .storage
            .set_disabled(caller, id, disabled, event, &ended, now);
        let written = writing.await;
        Ok(self.sessions.settle(written).await?.into())
    }

    /// Deletes somebody's account with everything but the audit trail.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn delete(
        &self,
        caller: Option<&Identity>,
        id: &UserId,
        peer: &Peer,
    ) -> Result<(), AccountError> {
        let event = self.act_on_other(AuthEventKind::UserDeleted, caller, id, peer)?;
        let now = self.clock.now();
        let written = self.storage.delete_user(caller, id, event, now).await;
        Ok(self.sessions.settle(written).await?)
    }

    fn act_on_other(
        &self,
        kind: AuthEventKind,
        caller: Option<&Identity>,
        id: &UserId,
        peer: &Peer,
    ) -> Result<AuthEventRow, AccountError> {
        let event = self.audit.event(kind, peer).user(*id);
        match caller {
            Some(caller) if caller.user == *id => Err(AccountError::OwnAccount),
            Some(caller) => Ok(event.actor(caller.user)),
            None => Ok(event),
        }
    }
}
