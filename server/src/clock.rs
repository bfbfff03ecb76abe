//! Where time and randomness come in: tests move the one and may fix the other.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SecureRandom;

use crate::values::UnixMillis;

/// Tells the time. Every rule about expiry asks this and nothing else.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixMillis;
}

/// The node's clock plus its measured distance from the database's clock.
///
/// Expiry, grace and keys are compared between nodes, so all of them have to tell the database's time.
#[derive(Debug)]
pub struct DatabaseClock {
    /// Milliseconds to add to the node's clock; [`Self::UNKNOWN`] until measured, and after a jump until measured again.
    offset: AtomicI64,
}

impl Default for DatabaseClock {
    fn default() -> Self {
        Self {
            offset: AtomicI64::new(Self::UNKNOWN),
        }
    }
}

impl DatabaseClock {
    const UNKNOWN: i64 = i64::MIN;
    /// A larger change between two measurements means that one of the clocks cannot be trusted.
    const JUMP: Duration = Duration::from_secs(10);

    /// Whether the distance is known, so that this node may serve.
    pub fn is_measured(&self) -> bool {
        self.offset.load(Ordering::Relaxed) != Self::UNKNOWN
    }

    /// Takes in the database's time, read between `before` and `after` on the node's clock.
    ///
    /// A jump of more than 10 s makes the offset unknown; the next measurement sets it anew.
    pub fn measured(&self, before: UnixMillis, database: UnixMillis, after: UnixMillis) {
        let offset = database.0 - i64::midpoint(before.0, after.0);
        let known = self.offset.load(Ordering::Relaxed);
        let jumped =
            known != Self::UNKNOWN && Duration::from_millis(known.abs_diff(offset)) > Self::JUMP;
        if jumped {
            tracing::warn!(
                from_ms = known,
                to_ms = offset,
                "the clock jumped against the database's; measuring again"
            );
        }
        self.offset.store(
            if jumped { Self::UNKNOWN } else { offset },
            Ordering::Relaxed,
        );
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> UnixMillis {
        let offset = self.offset.load(Ordering::Relaxed);
        UnixMillis(node_time().0 + if offset == Self::UNKNOWN { 0 } else { offset })
    }
}

/// The node's own clock, for measuring and for commands that run before there is a database.
pub fn node_time() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A source of randomness.
pub type Rng = dyn SecureRandom + Send + Sync;

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done without it.
pub fn random<const N: usize>(rng: &Rng) -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "no secret may be made without randomness, and no input can cause this"
    )]
    rng.fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_the_databases() {
        let clock = DatabaseClock::default();
        assert!(!clock.is_measured());
        clock.measured(UnixMillis(1_000), UnixMillis(61_010), UnixMillis(1_020));
        assert!(clock.is_measured());
        assert!(clock.now().since(node_time()) > Duration::from_secs(59));
    }

    #[test]
    fn a_jump_has_to_be_measured_twice() {
        let clock = DatabaseClock::default();
        clock.measured(UnixMillis(0), UnixMillis(0), UnixMillis(0));
        clock.measured(UnixMillis(0), UnixMillis(11_000), UnixMillis(0));
        assert!(!clock.is_measured());
        clock.measured(UnixMillis(0), UnixMillis(11_000), UnixMillis(0));
        assert!(clock.is_measured());
    }
}
