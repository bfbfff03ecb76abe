//! Accounts that were read lately, so that `me` asks the database once a minute.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use super::User;
use crate::tokens::Position;
use crate::values::{Identity, UserId};

/// So many are remembered, some 10 MB with names and addresses of the usual length.
const MAX_USERS: usize = 16_384;
/// No change goes by without a row in the feed. Should one all the same, written by hand perhaps, it is seen after this.
const LIFE: Duration = Duration::from_secs(60);

/// Accounts as they were read, each with how far the feed of revocations was read before that.
///
/// Every transaction that changes what an account shows writes a row of that user to the feed. So while the position is the same,
/// nothing was read from the feed that the account does not show yet. There is nothing to take out, and so nothing to race with:
/// an account that was read before a change, and is put in after it, has the position of before.
pub(super) struct KnownUsers(Cache<UserId, Known>);

#[derive(Clone)]
struct Known {
    user: Arc<User>,
    version: i64,
    position: Position,
    /// A time of [`crate::clock::Clock::uptime`].
    read_at: Duration,
}

impl Default for KnownUsers {
    fn default() -> Self {
        Self(Cache::new(MAX_USERS))
    }
}

impl KnownUsers {
    /// The caller's account, where it was read lately and nothing was heard of it since. Who has a token of a later version knows
    /// of a change of which this node has not heard.
    pub(super) fn find(
        &self,
        caller: &Identity,
        position: Position,
        now: Duration,
    ) -> Option<Arc<User>> {
        let known = self.0.get(&caller.user)?;
        let is_current = known.position == position
            && known.version >= caller.version
            && now.saturating_sub(known.read_at) < LIFE;
        is_current.then_some(known.user)
    }

    /// Remembers an enabled account; `position` and `read_at` are of before it was read. Enabling one writes no row.
    pub(super) fn remember(
        &self,
        user: Arc<User>,
        version: i64,
        position: Position,
        read_at: Duration,
    ) {
        let known = Known {
            user: Arc::clone(&user),
            version,
            position,
            read_at,
        };
        self.0.insert(user.id, known);
    }
}
