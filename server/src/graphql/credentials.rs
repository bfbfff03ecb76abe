//! What users do with their password, in GraphQL.

use async_graphql::{Context, InputObject, Object, Result};

use super::context::ContextExt as _;
use super::error::public;
use super::guard::RequireLogin;
use super::sessions::{AuthPayload, answer, check_cookie, clear_cookie_of};
use crate::values::Secret;

/// The password as it is and as it shall be.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password of the account.
    #[graphql(secret)]
    current_password: String,
    /// The one to use from now on; `passwordPolicy` tells its length, and guessable ones are refused.
    #[graphql(secret)]
    new_password: String,
}

/// A link's token and the password that it sets.
#[derive(InputObject)]
pub struct RecoverAccountInput {
    /// What stands behind `#token=` in the link.
    #[graphql(secret)]
    token: String,
    /// The one to use from now on; `passwordPolicy` tells its length, and guessable ones are refused.
    #[graphql(secret)]
    new_password: String,
}

/// Mutations that need the password, or a link instead.
#[derive(Default)]
pub struct CredentialMutation;

#[Object]
impl CredentialMutation {
    /// Proves the password again. Only the token in this answer carries the fresh auth_time. Earlier refresh tokens of this session become worthless.
    #[graphql(guard = "RequireLogin")]
    async fn reauthenticate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password of the account.", secret)] password: String,
        #[graphql(
            desc = "A random text of 16 bytes or more, stored before it is sent: where the answer is lost, a refresh with the same text gets it.",
            secret
        )]
        attempt: Option<String>,
    ) -> Result<AuthPayload> {
        let caller = ctx.caller().identity()?;
        check_cookie(ctx, caller).await?;
        let grant = ctx
            .accounts()
            .reauthenticate(
                caller,
                &Secret::new(password),
                attempt.as_deref(),
                ctx.peer(),
            )
            .await;
        Ok(answer(ctx, grant.map_err(public)?))
    }

    /// Ends every other session of the user, and makes every earlier token of this one worthless; the answer holds the new ones.
    #[graphql(guard = "RequireLogin")]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old and the new password.")] input: ChangePasswordInput,
        #[graphql(
            desc = "A random text of 16 bytes or more, stored before it is sent: where the answer is lost, a refresh with the same text gets it.",
            secret
        )]
        attempt: Option<String>,
    ) -> Result<AuthPayload> {
        let caller = ctx.caller().identity()?;
        check_cookie(ctx, caller).await?;
        let current = Secret::new(input.current_password);
        let new = Secret::new(input.new_password);
        let grant = ctx
            .accounts()
            .change_password(caller, &current, &new, attempt.as_deref(), ctx.peer())
            .await;
        Ok(answer(ctx, grant.map_err(public)?))
    }

    /// Sets a new password by the link of a user who has lost theirs, and ends all of the user's sessions. A link does so once. Signs nobody in, and enables no disabled account.
    async fn recover_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link's token and the new password.")] input: RecoverAccountInput,
    ) -> Result<bool> {
        let token = Secret::new(input.token);
        let new = Secret::new(input.new_password);
        let recovered = ctx.accounts().recover(&token, &new, ctx.peer()).await;
        recovered.map(|()| true).map_err(public)
    }

    /// Deletes one's own account. Needs the password. Everything of the user but the audit trail is deleted.
    #[graphql(guard = "RequireLogin")]
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password of the account.", secret)] password: String,
    ) -> Result<bool> {
        let caller = ctx.caller().identity()?;
        let deleted = ctx
            .accounts()
            .delete_own(caller, &Secret::new(password), ctx.peer())
            .await;
        deleted.map_err(public)?;
        clear_cookie_of(ctx, caller);
        Ok(true)
    }
}
