//! The table `keys`: the rings of signing keys and of refresh keys, encrypted.

use std::time::Duration;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Dialect;
use super::revocations::{Revoked, revoke};
use super::schema::{keys, longest_access_ttl, longest_refresh_ttl};
use super::{Storage, StorageError};
use crate::values::{Mismatch, Reason, UnixMillis};

/// What a key is for. A key never serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Signs access tokens.
    Access,
    /// Makes the mac of refresh tokens.
    Refresh,
}

impl KeyPurpose {
    /// The name in the database, and in what the encryption binds a key to.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "ACCESS",
            Self::Refresh => "REFRESH",
        }
    }
}

impl From<KeyPurpose> for String {
    fn from(purpose: KeyPurpose) -> String {
        purpose.as_str().to_owned()
    }
}

impl TryFrom<String> for KeyPurpose {
    type Error = Mismatch;
    fn try_from(text: String) -> Result<Self, Mismatch> {
        match text.as_str() {
            "ACCESS" => Ok(Self::Access),
            "REFRESH" => Ok(Self::Refresh),
            _ => Err(Mismatch("ACCESS or REFRESH")),
        }
    }
}

/// One key, its private part encrypted.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = keys)]
pub struct KeyRow {
    /// The key id: `kid` of a signing key, 8 hexadecimal digits of a refresh key.
    pub id: String,
    /// What it is for.
    #[diesel(deserialize_as = String, serialize_as = String)]
    pub purpose: KeyPurpose,
    /// Its algorithm's JOSE name (RFC 7518 §3.1, RFC 8037 §3.1).
    pub algorithm: String,
    /// The private part, encrypted, in base64url.
    pub sealed: String,
    /// When it was made.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub created_at: UnixMillis,
    /// From when on it signs.
    #[diesel(deserialize_as = i64, serialize_as = i64)]
    pub signs_from: UnixMillis,
}

/// What is to be done to a ring.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// A key that is added.
    pub add: Option<KeyRow>,
    /// A key that signs from now on, before its time.
    pub promote: Option<String>,
    /// Keys that are deleted.
    pub remove: Vec<String>,
}

impl KeyChange {
    fn ids(&self) -> impl Iterator<Item = &String> {
        let added = self.add.as_ref().map(|key| &key.id);
        added.into_iter().chain(&self.promote).chain(&self.remove)
    }
}

/// Looks at a ring, oldest key first, and says what is to be done to it.
pub type KeyDecision<'a, E> = &'a (dyn Fn(&[KeyRow]) -> Result<KeyChange, E> + Sync);

/// The ring for a purpose, oldest key first.
macro_rules! ring {
    ($conn:expr, $purpose:expr) => {
        keys::table
            .filter(keys::purpose.eq($purpose.as_str()))
            .order((keys::signs_from, keys::id))
            .select(KeyRow::as_select())
            .load::<KeyRow>($conn)
    };
}

impl Storage {
    /// The keys for `purpose`, oldest first.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<KeyRow>, StorageError> {
        with_read!(self, |conn| ring!(conn, purpose).await)
    }

    /// Changes the ring for `purpose` as `decide` says, and has every node read it again; whether anything changed, or what
    /// `decide` refused with.
    ///
    /// Under a lock, so that nodes which decide at once decide one after the other.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn change_keys<E: Send>(
        &self,
        purpose: KeyPurpose,
        decide: KeyDecision<'_, E>,
        now: UnixMillis,
    ) -> Result<Result<bool, E>, StorageError> {
        with_write!(self, |conn| {
            conn.lock_name("keys").await?;
            let change = match decide(&ring!(conn, purpose).await?) {
                Ok(change) => change,
                Err(refusal) => return Ok(Err(refusal)),
            };
            for id in &change.remove {
                diesel::delete(keys::table.find(id)).execute(conn).await?;
            }
            if let Some(id) = &change.promote {
                diesel::update(keys::table.find(id))
                    .set(keys::signs_from.eq(now.0))
                    .execute(conn)
                    .await?;
            }
            if let Some(key) = &change.add {
                diesel::insert_into(keys::table)
                    .values(key.clone())
                    .execute(conn)
                    .await?;
            }
            let mut changed = false;
            for id in change.ids() {
                revoke!(conn, Revoked::Keys(id.clone()), Reason::KeysChanged, now);
                changed = true;
            }
            Ok(Ok(changed))
        })
    }

    /// Has every node read its keys again, after a change of key files.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn announce_key(&self, id: &str, now: UnixMillis) -> Result<(), StorageError> {
        with_write!(self, |conn| {
            revoke!(conn, Revoked::Keys(id.to_owned()), Reason::KeysChanged, now);
            Ok(())
        })
    }

    /// Remembers that sessions live for `ttl` unused: no refresh key may be given up sooner.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn note_refresh_ttl(&self, ttl: Duration) -> Result<(), StorageError> {
        let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        with_write!(self, |conn| {
            let shorter = longest_refresh_ttl::table.filter(longest_refresh_ttl::millis.lt(millis));
            diesel::update(shorter)
                .set(longest_refresh_ttl::millis.eq(millis))
                .execute(conn)
                .await?;
            Ok(())
        })
    }

    /// The longest life that any node was ever configured to give what a key for `purpose` makes.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn longest_life(&self, purpose: KeyPurpose) -> Result<Duration, StorageError> {
        let millis: i64 = match purpose {
            KeyPurpose::Access => with_read!(self, |conn| longest_access_ttl::table
                .select(longest_access_ttl::millis)
                .first(conn)
                .await)?,
            KeyPurpose::Refresh => with_read!(self, |conn| longest_refresh_ttl::table
                .select(longest_refresh_ttl::millis)
                .first(conn)
                .await)?,
        };
        Ok(Duration::from_millis(
            u64::try_from(millis).unwrap_or_default(),
        ))
    }
}
