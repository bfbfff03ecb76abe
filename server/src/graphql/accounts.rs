//! Accounts in GraphQL: types, queries and mutations.

use async_graphql::connection::PageInfo;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::context::{Caller, ContextExt as _, boxed};
use super::error::{password_reason, public};
use super::guard::{RequireBody, RequireLogin, RequireRole};
use super::limits::MAX_COMPLEXITY;
use super::paging::{Page, cursor, page_size};
use super::scalars::{DateTime, Role, TokenTransport};
use super::sessions::{AuthPayload, answer, sign_in};
use crate::accounts::{self, AccountError, NewAccount};
use crate::values::{self, Secret, UserId};

/// An account.
#[derive(SimpleObject)]
pub struct User {
    /// The account's id; it never changes.
    id: ID,
    /// The address that the user signs in with, in lower case.
    email: String,
    /// What the user is called.
    name: String,
    /// What the user may do.
    role: Role,
    /// When the account was made.
    created_at: DateTime,
    /// True while an administrator has switched the account off.
    disabled: bool,
    /// False until the address was proven; always false in version 1.
    email_verified: bool,
}

impl From<&accounts::User> for User {
    fn from(user: &accounts::User) -> Self {
        Self {
            id: user.id.to_string().into(),
            email: user.email.as_str().to_owned(),
            name: user.name.as_str().to_owned(),
            role: user.role.into(),
            created_at: user.created_at.into(),
            disabled: user.disabled,
            email_verified: false,
        }
    }
}

impl From<accounts::User> for User {
    fn from(user: accounts::User) -> Self {
        Self::from(&user)
    }
}

/// What a registration form has to know.
#[derive(SimpleObject)]
pub struct PasswordPolicy {
    /// The fewest characters that a password may have.
    min_length: usize,
    /// The most characters that a password may have.
    max_length: usize,
}

/// How hard a password is to guess, and whether it would be accepted.
#[derive(SimpleObject)]
pub struct PasswordStrength {
    /// From 0, guessed at once, to 4, out of reach. 3 is needed.
    score: u8,
    /// The power of ten of guesses that an attacker needs.
    guesses_log10: f64,
    /// Whether the password may be used.
    accepted: bool,
    /// Why not: the reason that `register` would give. Null when it may be used.
    reason: Option<String>,
    /// What is wrong with it, for people.
    warning: Option<String>,
    /// What would make it better, for people.
    suggestions: Vec<String>,
}

impl From<accounts::Strength> for PasswordStrength {
    fn from(strength: accounts::Strength) -> Self {
        let accounts::Strength { estimate, fault } = strength;
        // Of a weak one the estimate says more exactly what is wrong, and the suggestions stand by themselves.
        let told = match &fault {
            None | Some(AccountError::PasswordTooWeak(_)) => None,
            Some(fault) => Some(fault.to_string()),
        };
        Self {
            score: estimate.score,
            guesses_log10: estimate.guesses_log10,
            accepted: fault.is_none(),
            reason: fault.map(|fault| password_reason(&fault).to_owned()),
            warning: told.or(estimate.warning),
            suggestions: estimate.suggestions,
        }
    }
}

/// A new account.
#[derive(InputObject)]
pub struct RegisterInput {
    /// The address to sign in with.
    email: String,
    /// The password; `passwordPolicy` tells its length, and guessable ones are refused.
    #[graphql(secret)]
    password: String,
    /// What to call the user: 1 to 100 characters.
    name: String,
}

/// An address and its password.
#[derive(InputObject)]
pub struct LoginInput {
    /// The address of the account.
    email: String,
    /// The password of the account.
    #[graphql(secret)]
    password: String,
}

/// What to change of one's own account; what is left out stays.
#[derive(InputObject)]
pub struct UpdateProfileInput {
    /// The new name: 1 to 100 characters.
    name: Option<String>,
    /// The new address.
    email: Option<String>,
}

/// One page of accounts (Relay Cursor Connections Specification).
#[derive(SimpleObject)]
pub struct UserConnection {
    /// The accounts of this page, each with its cursor.
    edges: Vec<UserEdge>,
    /// Where this page begins and ends, and whether there are others.
    page_info: PageInfo,
}

/// An account in a list.
#[derive(SimpleObject)]
pub struct UserEdge {
    /// Its place in the list: the page after it is asked for with `after`.
    cursor: String,
    /// The account.
    node: User,
}

impl From<accounts::User> for UserEdge {
    fn from(user: accounts::User) -> Self {
        Self {
            cursor: cursor(&user.id),
            node: user.into(),
        }
    }
}

/// More than half of what a request may ask for, so that it holds one of them.
const STRENGTH_COMPLEXITY: usize = MAX_COMPLEXITY / 2 + 1;

/// Queries about accounts.
#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The signed-in user, read from the database. Errors with UNAUTHENTICATED when there is none.
    #[graphql(guard = "RequireLogin")]
    async fn me(&self, ctx: &Context<'_>) -> Result<User> {
        let user = ctx
            .accounts()
            .of_caller(ctx.caller().identity()?)
            .await
            .map_err(public)?;
        Ok(User::from(&*user))
    }

    /// The signed-in user, or null where no token was sent. A token that was sent and is expired, stale or bad errors with its reason, so that the client renews.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        if let Caller::Anonymous = ctx.caller() {
            return Ok(None);
        }
        let user = ctx
            .accounts()
            .of_caller(ctx.caller().identity()?)
            .await
            .map_err(public)?;
        Ok(Some(User::from(&*user)))
    }

    /// All accounts, newest first. Needs MANAGER.
    #[graphql(
        guard = "RequireRole(values::Role::Manager)",
        complexity = "page_size(first) * child_complexity"
    )]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many: 1 to 100, else BAD_USER_INPUT.", default = 20)] first: Option<
            i32,
        >,
        #[graphql(desc = "The endCursor of the page before.")] after: Option<String>,
        #[graphql(desc = "A prefix of the address or of the name, without case.")] search: Option<
            String,
        >,
        #[graphql(desc = "Only accounts with this role.")] role: Option<Role>,
    ) -> Result<UserConnection> {
        let page: Page<UserId> = Page::read(first, after.as_deref())?;
        let role = role.map(Into::into);
        let listing = ctx
            .accounts()
            .list(search.as_deref(), role, page.after, page.limit());
        let found = boxed(listing).await.map_err(public)?;
        let (edges, page_info) = page.edges(found, UserEdge::from, |edge| &edge.cursor);
        Ok(UserConnection { edges, page_info })
    }

    /// One account by its id, or null when there is none. Needs MANAGER.
    #[graphql(guard = "RequireRole(values::Role::Manager)")]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account's id.")] id: ID,
    ) -> Result<Option<User>> {
        let Some(id) = UserId::parse(&id) else {
            return Ok(None);
        };
        let user = boxed(ctx.accounts().find(&id)).await.map_err(public)?;
        Ok(user.map(User::from))
    }

    /// What a registration form has to know.
    async fn password_policy(&self, ctx: &Context<'_>) -> PasswordPolicy {
        let (min_length, max_length) = ctx.accounts().password_length_limits();
        PasswordPolicy {
            min_length,
            max_length,
        }
    }

    /// How hard a password is to guess, for the form that asks for a new one. By POST only: an address is no place for a password.
    #[graphql(guard = "RequireBody", complexity = "STRENGTH_COMPLEXITY")]
    async fn password_strength(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password as far as it is typed.", secret)] password: String,
        #[graphql(desc = "The user's address: attackers try it first.")] email: Option<String>,
        #[graphql(desc = "The user's name.")] name: Option<String>,
    ) -> Result<PasswordStrength> {
        let hints = email.into_iter().chain(name).collect();
        let strength = ctx
            .accounts()
            .password_strength(&Secret::new(password), hints, ctx.peer())
            .await;
        Ok(strength.map_err(public)?.into())
    }
}

/// Mutations of accounts.
#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Makes an account and signs it in.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account.")] input: RegisterInput,
        #[graphql(
            desc = "How the refresh token comes back.",
            default_with = "TokenTransport::Cookie"
        )]
        transport: TokenTransport,
    ) -> Result<AuthPayload> {
        let account = NewAccount {
            email: input.email,
            name: input.name,
            password: Secret::new(input.password),
            role: values::Role::User,
        };
        let grant = ctx
            .accounts()
            .register(account, &sign_in(ctx, transport)?)
            .await
            .map_err(public)?;
        Ok(answer(ctx, grant))
    }

    /// Signs in with an address and a password.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address and the password.")] input: LoginInput,
        #[graphql(
            desc = "How the refresh token comes back.",
            default_with = "TokenTransport::Cookie"
        )]
        transport: TokenTransport,
    ) -> Result<AuthPayload> {
        let (email, password) = (input.email, Secret::new(input.password));
        let grant = ctx
            .accounts()
            .login(&email, &password, &sign_in(ctx, transport)?)
            .await
            .map_err(public)?;
        Ok(answer(ctx, grant))
    }

    /// Changes one's own name or address. Changing the email needs a fresh auth_time.
    #[graphql(guard = "RequireLogin")]
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateProfileInput,
    ) -> Result<User> {
        let caller = ctx.caller().identity()?;
        let changed = ctx
            .accounts()
            .update_profile(
                caller,
                input.name.as_deref(),
                input.email.as_deref(),
                ctx.peer(),
            )
            .await;
        Ok(changed.map_err(public)?.into())
    }
}
