//! What administrators do to the accounts of others, in GraphQL.

use async_graphql::{Context, ID, Object, Result};

use super::accounts::User;
use super::context::ContextExt as _;
use super::error::public;
use super::guard::{RequireFreshAuth, RequireRole};
use super::scalars::Role;
use crate::storage::{Denied, StorageError};
use crate::values::{self, UserId};

/// Mutations for administrators.
#[derive(Default)]
pub struct AdministrationMutation;

#[Object]
impl AdministrationMutation {
    /// Gives somebody another role. Needs ADMIN and a fresh auth_time. Takes effect on the user's next request, not at the next login.
    #[graphql(guard = "RequireRole(values::Role::Admin).and(RequireFreshAuth)")]
    async fn set_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account, not the caller's own.")] user_id: ID,
        #[graphql(desc = "What the user may do from now on.")] role: Role,
    ) -> Result<User> {
        let caller = ctx.caller().identity()?;
        let changed = ctx
            .accounts()
            .set_role(Some(caller), &existing(&user_id)?, role.into(), ctx.peer())
            .await;
        Ok(changed.map_err(public)?.into())
    }

    /// Switches an account off or on. Needs ADMIN and a fresh auth_time. Disabling ends all of the user's sessions at once.
    #[graphql(guard = "RequireRole(values::Role::Admin).and(RequireFreshAuth)")]
    async fn set_disabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account, not the caller's own.")] user_id: ID,
        #[graphql(desc = "True to switch it off.")] disabled: bool,
    ) -> Result<User> {
        let caller = ctx.caller().identity()?;
        let changed = ctx
            .accounts()
            .set_disabled(Some(caller), &existing(&user_id)?, disabled, ctx.peer())
            .await;
        Ok(changed.map_err(public)?.into())
    }

    /// Deletes an account with everything but the audit trail. Needs ADMIN and a fresh auth_time.
    #[graphql(guard = "RequireRole(values::Role::Admin).and(RequireFreshAuth)")]
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account, not the caller's own.")] user_id: ID,
    ) -> Result<bool> {
        let caller = ctx.caller().identity()?;
        let deleted = ctx
            .accounts()
            .delete(Some(caller), &existing(&user_id)?, ctx.peer())
            .await;
        deleted.map(|()| true).map_err(public)
    }

    /// Ends all of somebody's sessions. Needs ADMIN. Returns how many sessions were ended.
    #[graphql(guard = "RequireRole(values::Role::Admin)")]
    async fn end_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] user_id: ID,
    ) -> Result<usize> {
        let caller = ctx.caller().identity()?;
        let ended = ctx
            .sessions()
            .end_of_user(caller, &existing(&user_id)?, ctx.peer())
            .await;
        ended.map_err(public)
    }
}

/// A text that is no id is the id of no account.
fn existing(id: &ID) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| public(StorageError::from(Denied::Missing)))
}
