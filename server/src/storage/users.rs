//! The table `users`.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Dialect;
use super::recoveries::drop_recovery;
use super::revocations::revoke;
use super::schema::{sessions, users};
use super::{
    AuthEventRow, Denied, EndEvent, Ends, NewNonce, Proof, Revoked, SessionRow, Storage,
    StorageError,
};
use crate::values::{Email, Identity, Name, Reason, Role, SessionId, UnixMillis, UserId};

/// One account.
#[derive(Clone, derive_more::Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub struct UserRow {
    /// The account's id.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub id: UserId,
    /// Where mail reaches them; unique.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub email: Email,
    /// What they are called.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub name: Name,
    /// The name in lower case, for searching.
    pub name_key: String,
    /// What they may do.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub role: Role,
    /// A PHC string.
    #[debug("[redacted]")]
    pub password_hash: String,
    /// `ver` in their tokens.
    pub token_version: i64,
    /// When an administrator switched the account off, in milliseconds since 1970.
    pub disabled_at: Option<i64>,
    /// When they registered.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub created_at: UnixMillis,
}

/// Which accounts a list shows.
#[derive(Clone, derive_more::Debug, Default)]
pub struct UserFilter {
    /// A prefix of the address or of the name, in lower case.
    #[debug("[redacted]")]
    pub search: Option<String>,
    /// Only this role.
    pub role: Option<Role>,
}

/// What to write into an account; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// The new name.
    pub name: Option<Name>,
    /// The new address.
    pub email: Option<Email>,
}

#[derive(AsChangeset)]
#[diesel(table_name = users)]
struct ProfileColumns {
    name: Option<String>,
    name_key: Option<String>,
    email: Option<String>,
}

/// So many accounts are sorted in no time; of a million, more than these are met on a walk of a few thousand.
const FEW: i64 = 2_000;

/// The row of `locks` that is held by whatever may leave fewer administrators.
const ADMINISTRATORS: &str = "administrators";

/// Locks an account that an administrator, or without a caller the operator, is about to change. The administrators' lock
/// comes first: of two who would demote each other, the second finds itself demoted.
macro_rules! administered {
    ($conn:expr, $caller:expr, $id:expr, $now:expr) => {{
        $conn.lock_name(ADMINISTRATORS).await?;
        let user = $conn.lock_user($id).await?;
        if let Some(caller) = $caller {
            authorise!($conn, caller, Role::Admin, $now);
        }
        user.ok_or(Denied::Missing)?
    }};
}

/// Refuses, under the administrators' lock, what would leave nobody to administer.
macro_rules! spare_last_administrator {
    ($conn:expr, $user:expr) => {{
        let others: i64 = users::table
            .filter(users::role.eq(Role::Admin.as_str()))
            .filter(users::disabled_at.is_null())
            .filter(users::id.ne($user.id.to_string()))
            .count()
            .get_result($conn)
            .await?;
        if $user.role == Role::Admin && $user.disabled_at.is_none() && others == 0 {
            return Err(Denied::LastAdministrator.into());
        }
    }};
}

/// Deletes an account; its sessions go with it.
macro_rules! delete {
    ($conn:expr, $user:expr, $event:expr, $now:expr) => {{
        diesel::delete(users::table.find($user.id.to_string()))
            .execute($conn)
            .await?;
        $conn.insert_event($event.clone()).await?;
        let revoked = Revoked::User {
            id: $user.id,
            min_version: $user.token_version + 1,
            ends: Ends::AllBut(None),
        };
        revoke!($conn, revoked, Reason::AccountDeleted, $now);
    }};
}

/// The row as the transaction has left it.
macro_rules! reread {
    ($conn:expr, $id:expr) => {
        Ok(users::table
            .find($id.to_string())
            .select(UserRow::as_select())
            .first($conn)
            .await?)
    };
}

/// A change that ends no session, and makes tokens stale where it raises the version.
fn changed(user: &UserRow, raise: i64) -> Revoked {
    Revoked::User {
        id: user.id,
        min_version: user.token_version + raise,
        ends: Ends::Nothing,
    }
}

/// The least text that sorts after every text that starts with `prefix`: both databases compare these columns by bytes.
fn after_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

impl Storage {
    /// Writes a new account with its first session, where it has one, and the event that records it.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when the address is taken.
    pub async fn insert_user(
        &self,
        user: UserRow,
        session: Option<SessionRow>,
        event: AuthEventRow,
    ) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            diesel::insert_into(users::table)
                .values(user.clone())
                .execute(conn)
                .await?;
            if let Some(session) = &session {
                diesel::insert_into(sessions::table)
                    .values(session.clone())
                    .execute(conn)
                    .await?;
            }
            conn.insert_event(event.clone()).await?;
            Ok(())
        })
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_user(&self, id: &UserId) -> Result<Option<UserRow>, StorageError> {
        with_lookup!(self, |conn| users::table
            .find(id.to_string())
            .select(UserRow::as_select())
            .first(conn)
            .await
            .optional())
    }

    /// The accounts with these ids, as far as there are any.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_users(&self, ids: &[&str]) -> Result<Vec<UserRow>, StorageError> {
        with_read!(self, |conn| users::table
            .filter(users::id.eq_any(ids))
            .select(UserRow::as_select())
            .load(conn)
            .await)
    }

    /// The account with this address.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_user_by_email(&self, email: &Email) -> Result<Option<UserRow>, StorageError> {
        with_lookup!(self, |conn| users::table
            .filter(users::email.eq(email.as_str()))
            .select(UserRow::as_select())
            .first(conn)
            .await
            .optional())
    }

    /// Up to `limit` accounts, newest first, that come after `after` in that order.
    ///
    /// What a search finds are few accounts, which are sorted, or many, some of which are soon met on a walk from the newest.
    /// The wrong one of the two ways reads every account there is, so it is looked first how many they are.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn list_users(
        &self,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<UserRow>, StorageError> {
        let search = filter.search.as_ref();
        let search = search.map(|prefix| (prefix.clone(), after_prefix(prefix)));
        let finds_many = match &search {
            Some((from, to)) => self.finds_many(from, to).await?,
            None => false,
        };
        with_read!(self, |conn| {
            let mut query = users::table
                .select(UserRow::as_select())
                .order(users::id.desc())
                .limit(limit)
                .into_boxed();
            // What is made another expression than what is indexed is looked at in what was found by something else.
            let finds_few = search.is_some() && !finds_many;
            if let Some(after) = after {
                let after = after.to_string();
                query = match finds_few {
                    true => query.filter(users::id.concat("").lt(after)),
                    false => query.filter(users::id.lt(after)),
                };
            }
            if let Some(role) = filter.role {
                query = match finds_few {
                    true => query.filter(users::role.concat("").eq(role.as_str())),
                    false => query.filter(users::role.eq(role.as_str())),
                };
            }
            query = match search.clone() {
                None => query,
                Some((from, to)) if finds_many => {
                    let (email, name) = (users::email.concat(""), users::name_key.concat(""));
                    let is_found = (email.ge(from.clone()).and(email.lt(to.clone())))
                        .or(name.ge(from).and(name.lt(to)));
                    query.filter(is_found)
                }
                Some((from, to)) => {
                    let (email, name) = (users::email, users::name_key);
                    let is_found = (email.ge(from.clone()).and(email.lt(to.clone())))
                        .or(name.ge(from).and(name.lt(to)));
                    // The few are sorted: to walk all accounts in this order takes longer.
                    query.filter(is_found).order(users::id.concat("").desc())
                }
            };
            query.load(conn).await
        })
    }

    /// Whether more than [`FEW`] accounts have an address, or a name, from `from` to before `to`.
    async fn finds_many(&self, from: &str, to: &str) -> Result<bool, StorageError> {
        let emails = || {
            let found = users::email.ge(from).and(users::email.lt(to));
            users::table
                .filter(found)
                .select(users::email)
                .limit(1)
                .offset(FEW)
        };
        let names = || {
            let found = users::name_key.ge(from).and(users::name_key.lt(to));
            users::table
                .filter(found)
                .select(users::name_key)
                .limit(1)
                .offset(FEW)
        };
        with_read!(self, |conn| diesel::select(
            exists(emails()).or(exists(names()))
        )
        .get_result(conn)
        .await)
    }

    /// Writes a profile change; the row as it is then.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when the address is taken; [`Denied`] when the caller's session has ended.
    pub async fn update_profile(
        &self,
        caller: &Identity,
        change: &ProfileChange,
        event: AuthEventRow,
        now: UnixMillis,
    ) -> Result<UserRow, StorageError> {
        let columns = || ProfileColumns {
            name: change.name.as_ref().map(|name| name.as_str().to_owned()),
            name_key: change
                .name
                .as_ref()
                .map(|name| name.as_str().to_lowercase()),
            email: change.email.as_ref().map(|email| email.as_str().to_owned()),
        };
        with_write!(self, |conn| {
            conn.lock_user(&caller.user).await?;
            let user = authorise!(conn, caller, Role::User, now);
            diesel::update(users::table.find(user.id.to_string()))
                .set(columns())
                .execute(conn)
                .await?;
            conn.insert_event(event.clone()).await?;
            revoke!(conn, changed(&user, 0), Reason::ProfileChanged, now);
            reread!(conn, user.id)
        })
    }

    /// Writes a new password, ends every other session of the user and makes every earlier token of the caller's worthless;
    /// user and session as they are then.
    ///
    /// # Errors
    /// [`Denied`]: the caller's session or password is not what it was.
    pub async fn change_password(
        &self,
        proof: Proof<'_>,
        password_hash: &str,
        renewal: &NewNonce,
        ended: EndEvent<'_>,
    ) -> Result<(UserRow, SessionRow), StorageError> {
        let (caller, now) = (proof.caller, proof.now);
        with_write!(self, |conn| {
            let user = proven!(conn, proof);
            diesel::update(users::table.find(user.id.to_string()))
                .set(users::password_hash.eq(password_hash))
                .execute(conn)
                .await?;
            drop_recovery!(conn, user);
            let session = renew_nonce!(conn, caller.session, renewal, now);
            conn.insert_event(proof.event.clone()).await?;
            let spared = Some(caller.session);
            end_all!(conn, &user, spared, Reason::PasswordChanged, ended, now);
            let user: Result<UserRow, StorageError> = reread!(conn, user.id);
            Ok((user?, session))
        })
    }

    /// Puts another hash of the same password in the place of `old`; `false` when that is no longer stored. Nobody is signed
    /// out, as nothing changed for the user.
    ///
    /// # Errors
    /// [`StorageError`] when the database did not do its part.
    pub async fn replace_hash(
        &self,
        id: &UserId,
        old: &str,
        new: &str,
    ) -> Result<bool, StorageError> {
        with_write!(self, |conn| {
            let found = users::table
                .find(id.to_string())
                .filter(users::password_hash.eq(old));
            let replaced = diesel::update(found).set(users::password_hash.eq(new));
            Ok(replaced.execute(conn).await? == 1)
        })
    }

    /// Deletes the caller's account with everything but the audit trail.
    ///
    /// # Errors
    /// [`Denied::LastAdministrator`] when nobody could administer any more; else as for a password change.
    pub async fn delete_own(&self, proof: Proof<'_>) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            conn.lock_name(ADMINISTRATORS).await?;
            let user = proven!(conn, proof);
            spare_last_administrator!(conn, user);
            delete!(conn, user, proof.event, proof.now);
            Ok(())
        })
    }

    /// Deletes somebody's account with everything but the audit trail, for an administrator or, without a caller, the operator.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn delete_user(
        &self,
        caller: Option<&Identity>,
        id: &UserId,
        event: AuthEventRow,
        now: UnixMillis,
    ) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            let user = administered!(conn, caller, id, now);
            spare_last_administrator!(conn, user);
            delete!(conn, user, event, now);
            Ok(())
        })
    }

    /// Gives somebody another role, for an administrator or, without a caller, the operator; the row as it is then.
    ///
    /// # Errors
    /// [`Denied`]: the caller may not, there is no such account, or nobody could administer any more.
    pub async fn set_role(
        &self,
        caller: Option<&Identity>,
        id: &UserId,
        role: Role,
        event: AuthEventRow,
        now: UnixMillis,
    ) -> Result<UserRow, StorageError> {
        with_write!(self, |conn| {
            let user = administered!(conn, caller, id, now);
            if user.role == role {
                return Ok(user);
            }
            spare_last_administrator!(conn, user);
            diesel::update(users::table.find(id.to_string()))
                .set((
                    users::role.eq(role.as_str()),
                    users::token_version.eq(users::token_version + 1),
                ))
                .execute(conn)
                .await?;
            conn.insert_event(event.clone()).await?;
            revoke!(conn, changed(&user, 1), Reason::RoleChanged, now);
            reread!(conn, id)
        })
    }

    /// Switches somebody's account off, which ends all sessions, or on again, for an administrator or, without a caller, the
    /// operator; the row as it is then.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn set_disabled(
        &self,
        caller: Option<&Identity>,
        id: &UserId,
        disabled: bool,
        event: AuthEventRow,
        ended: EndEvent<'_>,
        now: UnixMillis,
    ) -> Result<UserRow, StorageError> {
        with_write!(self, |conn| {
            let user = administered!(conn, caller, id, now);
            if user.disabled_at.is_some() == disabled {
                return Ok(user);
            }
            spare_last_administrator!(conn, user);
            diesel::update(users::table.find(id.to_string()))
                .set(users::disabled_at.eq(disabled.then_some(now.0)))
                .execute(conn)
                .await?;
            conn.insert_event(event.clone()).await?;
            if disabled {
                drop_recovery!(conn, user);
                end_all!(conn, &user, None, Reason::AccountDisabled, ended, now);
            }
            reread!(conn, id)
        })
    }
}
