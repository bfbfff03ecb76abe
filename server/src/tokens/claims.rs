//! What stands in an access token.

use serde::{Deserialize, Serialize};

use super::json::{optional_whole, whole};
use crate::values::{Identity, Role, SessionId, UnixMillis, UserId};

/// The claims of an access token (RFC 9068 §2.2, and three of ours: `sid`, `ver`, `role`).
///
/// Times are whole seconds since 1970. No address and no name: anyone who holds the token can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is for.
    pub aud: Audience,
    /// The user's id.
    #[serde(with = "text")]
    pub sub: UserId,
    /// The client that it was issued to.
    pub client_id: String,
    /// The session's id.
    #[serde(with = "text")]
    pub sid: SessionId,
    /// The user's token version; a lower one than the user's own is stale.
    #[serde(deserialize_with = "whole")]
    pub ver: i64,
    /// What the user may do.
    pub role: Role,
    /// When it was signed.
    #[serde(deserialize_with = "whole")]
    pub iat: i64,
    /// From when on it is good, where a signer says so. Ours does not.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_whole"
    )]
    pub nbf: Option<i64>,
    /// When it stops being good.
    #[serde(deserialize_with = "whole")]
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
    /// When the user last proved their password.
    #[serde(deserialize_with = "whole")]
    pub auth_time: i64,
}

impl From<&Claims> for Identity {
    fn from(claims: &Claims) -> Self {
        Self {
            user: claims.sub,
            session: claims.sid,
            version: claims.ver,
            role: claims.role,
            auth_time: UnixMillis(claims.auth_time.saturating_mul(1000)),
        }
    }
}

/// `aud` is one text or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// The usual form, and ours.
    One(String),
    /// Several audiences.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// Ids as their canonical text.
mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::values::Mismatch;

    pub(super) fn serialize<T: ToString, S: Serializer>(
        id: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&id.to_string())
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: TryFrom<String, Error = Mismatch>,
        D: Deserializer<'de>,
    {
        T::try_from(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
