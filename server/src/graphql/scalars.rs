//! The scalars and enums of the contract, and their conversion from the domain's values.

use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::Timestamp;

use crate::values::{self, UnixMillis};

/// A point in time as it travels: RFC 3339 in UTC.
#[derive(Clone, Copy, Debug)]
pub struct DateTime(Timestamp);

/// RFC 3339 timestamp in UTC, for example 2026-11-21T09:30:00Z.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let time = text
            .parse()
            .map_err(|_| InputValueError::custom("not an RFC 3339 timestamp"))?;
        Ok(Self(time))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<UnixMillis> for DateTime {
    fn from(time: UnixMillis) -> Self {
        // Beyond jiff's range of years, -9999 to 9999, there is nothing to show.
        Self(Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::MAX))
    }
}

/// What a user may do. Ordered: every role may do what the roles before it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "values::Role")]
pub enum Role {
    /// Their own account.
    User,
    /// Sees all accounts.
    Manager,
    /// Changes other accounts.
    Admin,
}

/// How a browser or a native app gets its refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "values::Transport")]
pub enum TokenTransport {
    /// As a Set-Cookie header: HttpOnly, Secure, SameSite=Strict, __Host- prefix. JavaScript never sees it. For browsers.
    Cookie,
    /// In the field refreshToken of the answer. For native apps, servers and scripts.
    Body,
}
