//! Guards: who may call a field.

use async_graphql::{Context, Guard, Result};

use super::context::ContextExt as _;
use super::error::{Denial, deny};
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
