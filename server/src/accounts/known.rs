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
        user: &Arc<User>,
        version: i64,
        position: Position,
        read_at: Duration,
    ) {
        let known = Known {
            user: Arc::clone(user),
            version,
            position,
            read_at,
        };
        self.0.insert(user.id, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DatabaseClock, uptime};
    use crate::storage::{Ends, Revocation, Revoked};
    use crate::tokens::Revocations;
    use crate::values::{Email, Name, Reason, Role, SessionId, UnixMillis};

    fn revocations() -> Revocations {
        let revocations = Revocations::new(Arc::new(DatabaseClock::default()), 10);
        revocations.has_read(uptime());
        revocations
    }

    fn caller(version: i64) -> Identity {
        Identity {
            user: UserId::new(UnixMillis(0), [1; 10]),
            session: SessionId::new(UnixMillis(0), [1; 10]),
            version,
            role: Role::User,
            auth_time: UnixMillis(0),
        }
    }

    fn named(name: &str) -> Arc<User> {
        Arc::new(User {
            id: caller(1).user,
            email: Email::parse("ana@example.com").unwrap(),
            name: Name::parse(name).unwrap(),
            role: Role::User,
            created_at: UnixMillis(0),
            disabled: false,
        })
    }

    /// The row of a change of profile, which raises nothing.
    fn change(seq: i64) -> Revocation {
        let revoked = Revoked::User {
            id: caller(1).user,
            min_version: 1,
            ends: Ends::Nothing,
        };
        Revocation {
            seq,
            revoked,
            reason: Reason::ProfileChanged,
            at: UnixMillis(0),
            life: Duration::from_secs(600),
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_found_after_it() {
        let (revocations, known) = (revocations(), KnownUsers::default());
        let before = revocations.position(&caller(1).user).unwrap();
        known.remember(&named("Ana"), 1, before, Duration::ZERO);
        assert!(known.find(&caller(1), before, Duration::ZERO).is_some());
        revocations.apply(&change(1));
        let after = revocations.position(&caller(1).user).unwrap();
        assert!(known.find(&caller(1), after, Duration::ZERO).is_none());
        // A read that began before the change ends after that of somebody who has seen it.
        known.remember(&named("Maria"), 1, after, Duration::ZERO);
        known.remember(&named("Ana"), 1, before, Duration::ZERO);
        assert!(known.find(&caller(1), after, Duration::ZERO).is_none());
        revocations.apply(&change(1));
        assert_eq!(
            revocations.position(&caller(1).user),
            Some(after),
            "the same row"
        );
        revocations.is_connected_anew();
        assert_ne!(revocations.position(&caller(1).user), Some(after));
    }

    #[test]
    fn nothing_is_found_past_a_minute_or_for_a_later_version() {
        let (revocations, known) = (revocations(), KnownUsers::default());
        let position = revocations.position(&caller(1).user).unwrap();
        known.remember(&named("Ana"), 2, position, LIFE);
        let find = |version, now| known.find(&caller(version), position, now).is_some();
        assert!(find(1, LIFE) && find(2, LIFE));
        assert!(!find(3, LIFE));
        assert!(find(2, 2 * LIFE - Duration::from_nanos(1)));
        assert!(!find(2, 2 * LIFE));
    }

    #[test]
    fn there_is_no_position_while_the_feed_cannot_be_trusted() {
        let revocations = revocations();
        let user = caller(1).user;
        revocations.doubt();
        assert_eq!(revocations.position(&user), None);
        revocations.has_read(uptime());
        assert!(revocations.position(&user).is_some());
        let unread = Revocations::new(Arc::new(DatabaseClock::default()), 10);
        assert_eq!(unread.position(&user), None);
        let full = Revocations::new(Arc::new(DatabaseClock::default()), 0);
        full.has_read(uptime());
        full.apply(&change(1));
        assert_eq!(full.position(&user), None, "what does not fit is not known");
    }
}
