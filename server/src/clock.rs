//! Where time and randomness come in: tests move the one and may fix the other.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SecureRandom;

use crate::values::UnixMillis;

/// Tells the time. Every rule about expiry asks this and nothing else.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixMillis;

    /// How long ago some fixed moment was. It never jumps, and runs while the machine is suspended.
    fn uptime(&self) -> Duration {
        uptime()
    }
}

/// What [`Clock::uptime`] tells of this machine. Only Linux has a clock of its own for it; elsewhere the monotonic one runs on.
pub fn uptime() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
}

/// The node's clock plus its measured distance from the database's clock.
///
/// Expiry, grace and keys are compared between nodes, so all of them have to tell the database's time.
#[derive(Debug, Default)]
pub struct DatabaseClock {
    /// Milliseconds to add to the node's clock: the last that were measured.
    offset: AtomicI64,
    /// Whether they can be trusted.
    is_measured: AtomicBool,
}

impl DatabaseClock {
    /// A larger change between two measurements means that one of the clocks cannot be trusted.
    const JUMP: Duration = Duration::from_secs(10);
    /// A measurement that took longer tells too little.
    const LONGEST: Duration = Duration::from_secs(1);

    /// Whether the distance is known, so that this node may serve.
    pub fn is_measured(&self) -> bool {
        self.is_measured.load(Ordering::Acquire)
    }

    /// Takes in the database's time, read between `before` and `after` on the node's clock.
    ///
    /// After a jump of more than 10 s the clock goes on as before and is not to be trusted until the next measurement agrees.
    pub fn measured(&self, before: UnixMillis, database: UnixMillis, after: UnixMillis) {
        if after.since(before) > Self::LONGEST {
            return;
        }
        let offset = database.0 - i64::midpoint(before.0, after.0);
        let known = self.offset.load(Ordering::Acquire);
        let jumped =
            self.is_measured() && Duration::from_millis(known.abs_diff(offset)) > Self::JUMP;
        if jumped {
            tracing::warn!(
                from_ms = known,
                to_ms = offset,
                "the clock jumped against the database's; measuring again"
            );
        } else {
            self.offset.store(offset, Ordering::Release);
        }
        self.is_measured.store(!jumped, Ordering::Release);
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(node_time().0 + self.offset.load(Ordering::Acquire))
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
        clock.measured(UnixMillis(0), UnixMillis(60_000), UnixMillis(0));
        assert!(!clock.is_measured());
        assert!(
            clock.now().since(node_time()) < Duration::from_secs(1),
            "until then it goes on as before"
        );
        clock.measured(UnixMillis(0), UnixMillis(60_000), UnixMillis(0));
        assert!(clock.is_measured());
        assert!(clock.now().since(node_time()) > Duration::from_secs(59));
    }

    #[test]
    fn a_measurement_that_had_to_wait_is_no_measurement() {
        let clock = DatabaseClock::default();
        clock.measured(UnixMillis(0), UnixMillis(0), UnixMillis(1_001));
        assert!(!clock.is_measured());
    }
}
