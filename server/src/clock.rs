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

/// How long the node has been up, plus the measured distance from there to the database's clock.
///
/// Expiry, grace and keys are compared between nodes, so all of them have to tell the database's time. The node's own clock has
/// no part in it: whoever sets that, by mistake or by force, changes nothing.
#[derive(Debug, Default)]
pub struct DatabaseClock {
    /// Milliseconds to add to the uptime: the last that were measured.
    offset: AtomicI64,
    /// Whether they can be trusted.
    is_measured: AtomicBool,
}

impl DatabaseClock {
    /// A larger change between two measurements means that the database's clock was set, or is another's.
    const JUMP: Duration = Duration::from_secs(10);
    /// A measurement that took longer tells too little.
    const LONGEST: Duration = Duration::from_secs(1);

    /// Whether the distance is known, so that this node may serve.
    pub fn is_measured(&self) -> bool {
        self.is_measured.load(Ordering::Acquire)
    }

    /// Takes in the database's time, which was asked for and answered at these uptimes.
    ///
    /// After a jump of more than 10 s the clock goes on as before and is not to be trusted until the next measurement agrees.
    pub fn measured(&self, sent: Duration, database: UnixMillis, answered: Duration) {
        if answered.saturating_sub(sent) > Self::LONGEST {
            return;
        }
        let offset = database.0 - i64::midpoint(millis(sent), millis(answered));
        let known = self.offset.load(Ordering::Acquire);
        let jumped =
            self.is_measured() && Duration::from_millis(known.abs_diff(offset)) > Self::JUMP;
        if jumped {
            tracing::warn!(
                by_ms = offset - known,
                "the database's clock jumped; measuring again"
            );
        } else {
            self.offset.store(offset, Ordering::Release);
        }
        self.is_measured.store(!jumped, Ordering::Release);
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(millis(uptime()) + self.offset.load(Ordering::Acquire))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The node's own clock: SQLite's time, and that of commands that run before there is a database.
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

    const SECOND: Duration = Duration::from_secs(1);

    /// Measures a clock that is so many milliseconds from 1970.
    fn measure(clock: &DatabaseClock, database: i64) {
        clock.measured(uptime(), UnixMillis(database), uptime());
    }

    #[test]
    fn the_clock_is_the_databases() {
        let clock = DatabaseClock::default();
        assert!(!clock.is_measured());
        clock.measured(
            SECOND,
            UnixMillis(61_010),
            SECOND + Duration::from_millis(20),
        );
        assert!(clock.is_measured());
        let expected = UnixMillis(millis(uptime()) + 60_000);
        assert!(expected.since(clock.now()) < SECOND && clock.now().since(expected) < SECOND);
    }

    #[test]
    fn a_jump_has_to_be_measured_twice() {
        let clock = DatabaseClock::default();
        measure(&clock, 1_000_000);
        measure(&clock, 1_060_000);
        assert!(!clock.is_measured());
        let until_then = clock.now();
        assert!(
            until_then.since(UnixMillis(1_000_000)) < SECOND,
            "it goes on as before"
        );
        measure(&clock, 1_060_000);
        assert!(clock.is_measured());
        assert!(clock.now().since(until_then) > 59 * SECOND);
    }

    #[test]
    fn a_measurement_that_had_to_wait_is_no_measurement() {
        let clock = DatabaseClock::default();
        clock.measured(SECOND, UnixMillis(0), 2 * SECOND + Duration::from_millis(1));
        assert!(!clock.is_measured());
    }
}
