//! Guards: who may call a field.

use async_graphql::{Context, Guard, Result};

use super::context::ContextExt as _;
use super::error::{Denial, deny, public};
use crate::values::Role;

/// Lets signed-in callers pass.
pub struct RequireLogin;

impl Guard for RequireLogin {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        ctx.caller().identity().map(|_| ())
    }
}

/// Lets callers pass that have this role or a more powerful one.
pub struct RequireRole(pub Role);

impl Guard for RequireRole {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        if ctx.caller().identity()?.role >= self.0 {
            Ok(())
        } else {
            Err(deny(Denial::RoleRequired(self.0)))
        }
    }
}

/// Lets callers pass that proved their password lately, so that an open screen is not enough (OWASP ASVS 5.0, 7.5.1).
pub struct RequireFreshAuth;

impl Guard for RequireFreshAuth {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        let caller = ctx.caller().identity()?;
        ctx.accounts().check_fresh(caller).map_err(public)
    }
}

/// Refuses what came in an address, for arguments that must not stand there: addresses are kept and logged on the way.
pub struct RequireBody;

impl Guard for RequireBody {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        match ctx.call().in_address {
            true => Err(deny(Denial::PostRequired)),
            false => Ok(()),
        }
    }
}
