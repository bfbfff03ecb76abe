//! What was taken back lately, in memory: a check is two look-ups and no call of the database.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::clock::Clock;
use crate::storage::{Ends, Revocation, Revoked};
use crate::values::{Identity, SessionId, UserId};

/// Past this age of the last read a check has to ask the database.
const FRESH: Duration = Duration::from_secs(5);
/// So many entries are kept, some 100 MB. An attacker needs as many sign-ins to get there; past it the database is asked.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Expired entries are swept out when so many were added since the last time, or this share of all.
const SWEEP_AFTER: usize = 1024;

/// What is known of a token that was signed and has not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was taken back.
    Good,
    /// The user has changed since: a renewal helps.
    Stale,
    /// The session was ended.
    Ended,
    /// The feed was not read for too long: only the database knows.
    Unknown,
}

/// How far the feed was read for one user. It moves with every row of theirs, and with every connection to the feed: after a failover
/// numbers may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    connection: u64,
    seq: Option<i64>,
}

/// The revocations that a node has read, and how long ago it did.
pub struct Revocations {
    clock: Arc<dyn Clock>,
    entries: RwLock<Entries>,
    max_entries: usize,
    /// When the last successful read was sent, and when one was last found wanting; nanoseconds of [`Clock::uptime`].
    read_at: AtomicU64,
    doubted_at: AtomicU64,
}

#[derive(Default)]
struct Entries {
    sessions: HashMap<SessionId, Expiry>,
    users: HashMap<UserId, UserEntry>,
    added: usize,
    /// Until then an entry is missing that did not fit.
    incomplete_until: Duration,
    /// Counts the connections to the feed.
    connection: u64,
}

/// Seconds of [`Clock::uptime`], rounded up.
#[derive(Clone, Copy)]
struct Expiry(u32);

struct UserEntry {
    /// The lowest version that is good.
    min_version: i64,
    /// Below this version sessions ended, but for one.
    ended_below: i64,
    spared: Option<SessionId>,
    /// The last row that was applied.
    seq: i64,
    expiry: Expiry,
}

impl Expiry {
    fn new(at: Duration) -> Self {
        Self(u32::try_from(at.as_secs() + 1).unwrap_or(u32::MAX))
    }

    fn is_over(self, now: Duration) -> bool {
        u64::from(self.0) < now.as_secs()
    }
}

impl Revocations {
    /// Knows nothing yet, and says so. Of more than `max_entries` it keeps none, and asks for the database instead.
    pub fn new(clock: Arc<dyn Clock>, max_entries: usize) -> Self {
        Self {
            clock,
            entries: RwLock::default(),
            max_entries,
            read_at: AtomicU64::new(0),
            doubted_at: AtomicU64::new(0),
        }
    }

    /// What is known of the token of `caller`.
    pub fn check(&self, caller: &Identity) -> Standing {
        let entries = self.entries();
        let now = self.clock.uptime();
        if entries.sessions.contains_key(&caller.session) {
            return Standing::Ended;
        }
        match entries.users.get(&caller.user) {
            Some(user)
                if caller.version < user.ended_below && user.spared != Some(caller.session) =>
            {
                Standing::Ended
            }
            Some(user) if caller.version < user.min_version => Standing::Stale,
            _ if !entries.are_complete(now) || !self.is_fresh(now) => Standing::Unknown,
            _ => Standing::Good,
        }
    }

    /// How far the feed was read for a user; `None` while it cannot be trusted.
    ///
    /// What the database said of the user after this was asked is right, but for what a row that is still on its way says, for as
    /// long as the position is the same.
    pub fn position(&self, user: &UserId) -> Option<Position> {
        let entries = self.entries();
        let now = self.clock.uptime();
        let position = Position {
            connection: entries.connection,
            seq: entries.users.get(user).map(|user| user.seq),
        };
        (entries.are_complete(now) && self.is_fresh(now)).then_some(position)
    }

    /// The feed is about to be read over a new connection.
    pub fn is_connected_anew(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.connection += 1;
    }

    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the feed was read lately: else checks ask the database.
    pub fn are_current(&self) -> bool {
        self.age() <= FRESH
    }

    /// How long ago the last successful read was sent.
    pub fn age(&self) -> Duration {
        let read_at = Duration::from_nanos(self.read_at.load(Ordering::Acquire));
        self.clock.uptime().saturating_sub(read_at)
    }

    /// How many entries are kept.
    pub fn kept(&self) -> usize {
        let entries = self.entries();
        entries.sessions.len() + entries.users.len()
    }

    /// Whether everything is known that was committed more than 5 s ago.
    fn is_fresh(&self, now: Duration) -> bool {
        let read_at = self.read_at.load(Ordering::Acquire);
        read_at > self.doubted_at.load(Ordering::Acquire)
            && now.saturating_sub(Duration::from_nanos(read_at)) <= FRESH
    }

    /// A read that was sent at `sent` was applied.
    pub fn has_read(&self, sent: Duration) {
        self.read_at.fetch_max(nanos(sent), Ordering::AcqRel);
    }

    /// Something may have been committed that no read has brought: until one does that is sent after now, the database is asked.
    pub fn doubt(&self) {
        self.doubted_at
            .fetch_max(nanos(self.clock.uptime()), Ordering::AcqRel);
    }

    /// Takes in a row; whether it says something new. An entry lives as long as any token that was signed before, from now.
    pub fn apply(&self, row: &Revocation) -> bool {
        let now = self.clock.uptime();
        let expiry = Expiry::new(now + row.life);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.make_room(now);
        let is_full = entries.sessions.len() + entries.users.len() >= self.max_entries;
        let is_known = match &row.revoked {
            Revoked::Session(id) => entries.sessions.contains_key(id),
            Revoked::User { id, .. } => entries.users.contains_key(id),
            Revoked::Keys(_) => return true,
        };
        if is_full && !is_known {
            entries.incomplete_until = entries.incomplete_until.max(now + row.life);
            return true;
        }
        match &row.revoked {
            Revoked::Session(id) => entries.sessions.insert(*id, expiry).is_none(),
            Revoked::User {
                id,
                min_version,
                ends,
            } => entries.raise(*id, *min_version, *ends, row.seq, expiry),
            Revoked::Keys(_) => true,
        }
    }
}

impl Entries {
    fn are_complete(&self, now: Duration) -> bool {
        now >= self.incomplete_until
    }

    /// Sweeps once in a while, so that a burst of rows does not walk all entries for each.
    fn make_room(&mut self, now: Duration) {
        self.added += 1;
        if self.added > SWEEP_AFTER.max((self.sessions.len() + self.users.len()) / 2) {
            self.added = 0;
            sweep(&mut self.sessions, |expiry| expiry.is_over(now));
            sweep(&mut self.users, |user| user.expiry.is_over(now));
        }
    }

    fn raise(
        &mut self,
        id: UserId,
        min_version: i64,
        ends: Ends,
        seq: i64,
        expiry: Expiry,
    ) -> bool {
        let user = self.users.entry(id).or_insert(UserEntry {
            min_version: 0,
            ended_below: 0,
            spared: None,
            seq: i64::MIN,
            expiry,
        });
        // Whatever changes a user locks its row first, so a user's rows are numbered in the order of their commits. After a
        // failover that lost some, numbers come again; what takes back more is new all the same.
        if seq <= user.seq && min_version <= user.min_version {
            return false;
        }
        user.seq = seq;
        user.expiry = expiry;
        user.min_version = user.min_version.max(min_version);
        if let Ends::AllBut(spared) = ends {
            user.ended_below = min_version;
            user.spared = spared;
        }
        true
    }
}

fn sweep<K: Eq + Hash, V>(map: &mut HashMap<K, V>, is_over: impl Fn(&V) -> bool) {
    map.retain(|_, value| !is_over(value));
    map.shrink_to(map.len() * 2);
}

fn nanos(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DatabaseClock;
    use crate::values::{Reason, Role, UnixMillis};

    fn revocations(max_entries: usize) -> Revocations {
        let clock = Arc::new(DatabaseClock::default());
        let revocations = Revocations::new(clock, max_entries);
        revocations.has_read(crate::clock::uptime());
        revocations
    }

    fn caller(user: u8, session: u8, version: i64) -> Identity {
        Identity {
            user: UserId::new(UnixMillis(0), [user; 10]),
            session: SessionId::new(UnixMillis(0), [session; 10]),
            version,
            role: Role::User,
            auth_time: UnixMillis(0),
        }
    }

    fn row(seq: i64, revoked: Revoked, life: Duration) -> Revocation {
        let (reason, at) = (Reason::LoggedOut, UnixMillis(0));
        Revocation {
            seq,
            revoked,
            reason,
            at,
            life,
        }
    }

    fn raise(seq: i64, min_version: i64, ends: Ends) -> Revocation {
        let id = caller(1, 1, 1).user;
        row(
            seq,
            Revoked::User {
                id,
                min_version,
                ends,
            },
            Duration::from_secs(60),
        )
    }

    fn end(session: u8, life: u64) -> Revocation {
        let id = caller(1, session, 1).session;
        row(1, Revoked::Session(id), Duration::from_secs(life))
    }

    #[test]
    fn an_ended_session_is_ended_whatever_the_version() {
        let revocations = revocations(10);
        assert!(revocations.apply(&end(1, 60)));
        assert!(!revocations.apply(&end(1, 60)), "twice changes nothing");
        assert_eq!(revocations.check(&caller(1, 1, 9)), Standing::Ended);
        assert_eq!(revocations.check(&caller(1, 2, 1)), Standing::Good);
    }

    #[test]
    fn a_raised_version_makes_lower_ones_stale_and_never_falls() {
        let revocations = revocations(10);
        assert!(revocations.apply(&raise(1, 3, Ends::Nothing)));
        assert!(revocations.apply(&raise(2, 2, Ends::Nothing)));
        assert!(!revocations.apply(&raise(1, 3, Ends::Nothing)));
        assert_eq!(revocations.check(&caller(1, 1, 2)), Standing::Stale);
        assert_eq!(revocations.check(&caller(1, 1, 3)), Standing::Good);
        assert_eq!(revocations.check(&caller(2, 2, 1)), Standing::Good);
    }

    #[test]
    fn all_sessions_end_but_the_spared_one_which_is_stale() {
        let revocations = revocations(10);
        let spared = caller(1, 7, 1).session;
        revocations.apply(&raise(1, 2, Ends::AllBut(Some(spared))));
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Ended);
        assert_eq!(revocations.check(&caller(1, 7, 1)), Standing::Stale);
        assert_eq!(revocations.check(&caller(1, 7, 2)), Standing::Good);
        // A session that was opened since is good, and a later role change ends none.
        revocations.apply(&raise(2, 3, Ends::Nothing));
        assert_eq!(revocations.check(&caller(1, 8, 2)), Standing::Stale);
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Ended);
    }

    #[test]
    fn who_has_not_read_does_not_know() {
        let clock = Arc::new(DatabaseClock::default());
        let revocations = Revocations::new(clock, 10);
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Unknown);
        let before = crate::clock::uptime();
        revocations.has_read(before);
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Good);
        revocations.doubt();
        revocations.has_read(before);
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Unknown);
        revocations.apply(&end(1, 60));
        assert_eq!(
            revocations.check(&caller(1, 1, 1)),
            Standing::Ended,
            "what is known is known"
        );
        revocations.has_read(crate::clock::uptime());
        assert_eq!(revocations.check(&caller(1, 2, 1)), Standing::Good);
    }

    #[test]
    fn a_read_that_is_too_old_is_no_knowledge() {
        let revocations = Revocations::new(Arc::new(DatabaseClock::default()), 10);
        revocations
            .has_read(crate::clock::uptime().saturating_sub(FRESH + Duration::from_millis(1)));
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Unknown);
    }

    #[test]
    fn what_does_not_fit_is_not_forgotten_but_asked_for() {
        let revocations = revocations(2);
        for session in 1..=3 {
            assert!(revocations.apply(&end(session, 60)));
        }
        assert_eq!(revocations.check(&caller(1, 1, 1)), Standing::Ended);
        assert_eq!(revocations.check(&caller(1, 3, 1)), Standing::Unknown);
    }

    #[test]
    fn expired_entries_make_room() {
        let revocations = revocations(1_000_000);
        let before = |session: u32| {
            let mut random = [0; 10];
            random[..4].copy_from_slice(&session.to_be_bytes());
            Revoked::Session(SessionId::new(UnixMillis(0), random))
        };
        for session in 0..5_000 {
            let mut entries = revocations.entries.write().unwrap();
            let Revoked::Session(id) = before(session) else {
                unreachable!()
            };
            entries.sessions.insert(id, Expiry(0));
        }
        for session in 5_000..11_000 {
            revocations.apply(&row(1, before(session), Duration::from_secs(60)));
        }
        assert_eq!(revocations.entries.read().unwrap().sessions.len(), 6_000);
    }
}
