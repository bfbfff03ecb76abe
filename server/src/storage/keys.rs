//! The table `keys`: the rings of signing keys and of refresh keys, encrypted.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::connect::Lock;
use super::schema::keys;
use super::{Storage, StorageError};
use crate::values::{Mismatch, UnixMillis};

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

impl Storage {
    /// The keys for `purpose`, oldest first; when there are none, `first` is written and is the ring.
    ///
    /// Under a lock, so that nodes which start together agree on one first key.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn keys_or_first(
        &self,
        purpose: KeyPurpose,
        first: &KeyRow,
    ) -> Result<Vec<KeyRow>, StorageError> {
        with_write!(self, |conn| {
            conn.lock_name("keys").await?;
            let ring: Vec<KeyRow> = keys::table
                .filter(keys::purpose.eq(purpose.as_str()))
                .order((keys::signs_from, keys::id))
                .select(KeyRow::as_select())
                .load(conn)
                .await?;
            if !ring.is_empty() {
                return Ok(ring);
            }
            diesel::insert_into(keys::table)
                .values(first.clone())
                .execute(conn)
                .await?;
            Ok(vec![first.clone()])
        })
    }
}
