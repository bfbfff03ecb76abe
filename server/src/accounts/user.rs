//! What the rest of the server may know of an account.

use crate::storage::UserRow;
use crate::values::{Email, Name, Role, UnixMillis, UserId};

/// An account, without its password.
#[derive(Clone, Debug)]
pub struct User {
    /// The account's id.
    pub id: UserId,
    /// Where mail reaches them.
    pub email: Email,
    /// What they are called.
    pub name: Name,
    /// What they may do.
    pub role: Role,
    /// When they registered.
    pub created_at: UnixMillis,
    /// Whether an administrator switched the account off.
    pub disabled: bool,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            role: row.role,
            created_at: row.created_at,
            disabled: row.disabled_at.is_some(),
        }
    }
}
