//! How much may be tried.

use std::time::Duration;

use super::source::Source;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// How much may be tried. `None` is `off`: without limit.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// `COUNTERSIGN_LIMITS__FREE_ATTEMPTS`: how many wrong passwords in a row of one account before there are delays.
    pub free_attempts: u32,
    /// `COUNTERSIGN_LIMITS__LONGEST_DELAY`: how long the delay grows, from one second on.
    pub longest_delay: Duration,
    /// `COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE`: wrong passwords and made-up tokens from one address.
    pub failures_per_minute: Option<Rate>,
    /// `COUNTERSIGN_LIMITS__FAILURES_PER_HOUR`: the same for longer.
    pub failures_per_hour: Option<Rate>,
    /// `COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR`: tries to register from one address.
    pub registrations_per_hour: Option<Rate>,
    /// `COUNTERSIGN_LIMITS__STRENGTH_PER_MINUTE`: estimates of a password's strength for one address, on each node.
    pub strength_per_minute: Option<Rate>,
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// The time for each.
    pub fn interval(&self) -> Duration {
        self.per / self.count.max(1)
    }
}

impl LimitSettings {
    pub(super) fn read(source: &mut Source, development: bool) -> Self {
        let settings = Self {
            free_attempts: source.number("limits.free_attempts", 5, 1..=100),
            longest_delay: source.duration("limits.longest_delay", "5m", "1s", "1h"),
            failures_per_minute: source.rate("limits.failures_per_minute", 20, MINUTE),
            failures_per_hour: source.rate("limits.failures_per_hour", 300, HOUR),
            registrations_per_hour: source.rate("limits.registrations_per_hour", 60, HOUR),
            strength_per_minute: source.rate("limits.strength_per_minute", 120, MINUTE),
        };
        let rates = [
            ("limits.failures_per_minute", settings.failures_per_minute),
            ("limits.failures_per_hour", settings.failures_per_hour),
            (
                "limits.registrations_per_hour",
                settings.registrations_per_hour,
            ),
            ("limits.strength_per_minute", settings.strength_per_minute),
        ];
        for (key, rate) in rates {
            if !development && rate.is_none() {
                source.warn(
                    key,
                    "is off: one address may try as often as it likes, unless what is in front of the server limits it",
                );
            }
        }
        settings
    }
}
