//! The table `users`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Lock;
use super::schema::{auth_events, sessions, users};
use super::{AuthEventRow, SessionRow, Storage, StorageError};
use crate::values::{Email, Name, Role, SessionId, UnixMillis, UserId};

/// One account.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
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
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// A prefix of the address or of the name, in lower case.
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

/// What became of a profile change.
#[derive(Debug)]
pub enum ProfileUpdate {
    /// Written; the row as it is now.
    Done(Box<UserRow>),
    /// The caller's session has ended, or the account was disabled or deleted.
    SessionEnded,
    /// Another account has the address.
    EmailTaken,
}

#[derive(AsChangeset)]
#[diesel(table_name = users)]
struct ProfileColumns {
    name: Option<String>,
    name_key: Option<String>,
    email: Option<String>,
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
                .values(user)
                .execute(conn)
                .await?;
            if let Some(session) = session {
                diesel::insert_into(sessions::table)
                    .values(session)
                    .execute(conn)
                    .await?;
            }
            diesel::insert_into(auth_events::table)
                .values(event)
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_user(&self, id: &UserId) -> Result<Option<UserRow>, StorageError> {
        with_conn!(self, |conn| users::table
            .find(id.to_string())
            .select(UserRow::as_select())
            .first(conn)
            .await
            .optional())
    }

    /// The account with this address.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn find_user_by_email(&self, email: &Email) -> Result<Option<UserRow>, StorageError> {
        with_conn!(self, |conn| users::table
            .filter(users::email.eq(email.as_str()))
            .select(UserRow::as_select())
            .first(conn)
            .await
            .optional())
    }

    /// Up to `limit` accounts, newest first, that come after `after` in that order.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn list_users(
        &self,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<UserRow>, StorageError> {
        with_conn!(self, |conn| {
            let mut query = users::table
                .select(UserRow::as_select())
                .order(users::id.desc())
                .limit(limit)
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(users::id.lt(after.to_string()));
            }
            if let Some(role) = filter.role {
                query = query.filter(users::role.eq(role.as_str()));
            }
            if let Some(prefix) = &filter.search {
                let end = after_prefix(prefix);
                query = query.filter(
                    (users::email.ge(prefix).and(users::email.lt(end.clone())))
                        .or(users::name_key.ge(prefix).and(users::name_key.lt(end))),
                );
            }
            query.load(conn).await
        })
    }

    /// Writes a profile change, if the session that asks for it is still alive.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn update_profile(
        &self,
        id: &UserId,
        session: &SessionId,
        change: &ProfileChange,
        event: AuthEventRow,
        now: UnixMillis,
    ) -> Result<ProfileUpdate, StorageError> {
        let columns = || ProfileColumns {
            name: change.name.as_ref().map(|name| name.as_str().to_owned()),
            name_key: change
                .name
                .as_ref()
                .map(|name| name.as_str().to_lowercase()),
            email: change.email.as_ref().map(|email| email.as_str().to_owned()),
        };
        let written = with_write!(self, |conn| {
            let Some(user) = conn
                .lock_user(id)
                .await?
                .filter(|user| user.disabled_at.is_none())
            else {
                return Ok(ProfileUpdate::SessionEnded);
            };
            let alive: Option<String> = sessions::table
                .find(session.to_string())
                .filter(alive!(now))
                .select(sessions::id)
                .first(conn)
                .await
                .optional()?;
            if alive.is_none() {
                return Ok(ProfileUpdate::SessionEnded);
            }
            diesel::update(users::table.find(user.id.to_string()))
                .set(columns())
                .execute(conn)
                .await?;
            diesel::insert_into(auth_events::table)
                .values(event)
                .execute(conn)
                .await?;
            let user = users::table
                .find(user.id.to_string())
                .select(UserRow::as_select())
                .first(conn)
                .await?;
            Ok(ProfileUpdate::Done(Box::new(user)))
        });
        match written {
            Err(StorageError::Conflict) => Ok(ProfileUpdate::EmailTaken),
            other => other,
        }
    }
}
