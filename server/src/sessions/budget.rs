//! The budgets of throttling: when there may be one more try, and what each costs.

use std::time::Duration;

use crate::config::Rate;
use crate::storage::ThrottleRow;
use crate::values::UnixMillis;

/// The delay after the last free try; it doubles with each one more.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// After how long without a try its budget is as new.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

/// How much of something there may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    /// So many tries at once, and then each one after a longer delay.
    Delay { free: u32, longest: Duration },
    /// So many at once, given back one by one over the time.
    Rate(Rate),
}

/// A budget that a try uses, and its row's key.
#[derive(Clone, Debug)]
pub(super) struct Charge {
    pub(super) key: String,
    pub(super) budget: Budget,
}

impl Charge {
    /// How long it is until there may be one more.
    pub(super) fn wait(&self, row: &ThrottleRow, now: UnixMillis) -> Duration {
        match self.budget {
            _ if row.forgotten_at <= now => Duration::ZERO,
            // Whatever the clocks of other nodes said.
            Budget::Delay { free, .. } if row.tries < i64::from(free) => Duration::ZERO,
            Budget::Delay { .. } => row.free_at.since(now),
            // The generic cell rate algorithm: `free_at` is when all of it will have been given back (ITU-T I.371).
            Budget::Rate(rate) => (row.free_at + rate.interval()).since(now + rate.per),
        }
    }

    pub(super) fn book(&self, row: &mut ThrottleRow, now: UnixMillis) {
        if row.forgotten_at <= now {
            *row = ThrottleRow::unused(std::mem::take(&mut row.key));
        }
        row.noted = 0;
        row.tries += 1;
        match self.budget {
            Budget::Delay { free, longest } => {
                row.free_at = now + delay(row.tries - i64::from(free), longest);
                row.forgotten_at = now + MEMORY;
            }
            Budget::Rate(rate) => {
                row.free_at = row.free_at.max(now) + rate.interval();
                row.forgotten_at = row.free_at;
            }
        }
    }

    pub(super) fn succeed(&self, row: &mut ThrottleRow, at: UnixMillis) {
        match self.budget {
            Budget::Delay { .. } => row.forgotten_at = UnixMillis(0),
            Budget::Rate(_) => self.undo(row, at),
        }
    }

    /// `at` is when the try was booked that did not take place.
    pub(super) fn undo(&self, row: &mut ThrottleRow, at: UnixMillis) {
        match self.budget {
            Budget::Delay { free, longest } => {
                // Unless another try was booked meanwhile, whose delay stays.
                if row.free_at == at + delay(row.tries - i64::from(free), longest) {
                    row.free_at = at;
                }
            }
            Budget::Rate(rate) => {
                row.free_at = row.free_at - rate.interval();
                row.forgotten_at = row.free_at;
            }
        }
        row.tries = (row.tries - 1).max(0);
    }
}

/// The delay after a try: none as long as free ones are left, and then double with each. `over` is 0 at the last free one.
fn delay(over: i64, longest: Duration) -> Duration {
    match u32::try_from(over) {
        Ok(over) => FIRST_DELAY
            .saturating_mul(2_u32.saturating_pow(over))
            .min(longest),
        Err(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000_000;

    fn charge(budget: Budget) -> (Charge, ThrottleRow) {
        let key = "k".to_owned();
        (
            Charge {
                key: key.clone(),
                budget,
            },
            ThrottleRow::unused(key),
        )
    }

    #[test]
    fn after_the_free_tries_the_delay_doubles_up_to_the_longest() {
        let (charge, mut row) = charge(Budget::Delay {
            free: 5,
            longest: Duration::from_secs(300),
        });
        let mut now = UnixMillis(START);
        let mut waits = Vec::new();
        for _ in 0..16 {
            charge.book(&mut row, now);
            let wait = charge.wait(&row, now);
            waits.push(wait.as_secs());
            now = now + wait;
            assert_eq!(charge.wait(&row, now), Duration::ZERO);
        }
        assert_eq!(
            waits,
            [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
        );
        charge.succeed(&mut row, now);
        charge.book(&mut row, now);
        assert_eq!((row.tries, charge.wait(&row, now)), (1, Duration::ZERO));
    }

    #[test]
    fn a_day_without_a_try_is_forgotten_and_a_shorter_one_is_not() {
        let (charge, mut row) = charge(Budget::Delay {
            free: 1,
            longest: Duration::from_secs(300),
        });
        let now = UnixMillis(START);
        for _ in 0..10 {
            charge.book(&mut row, now);
        }
        charge.book(&mut row, now + MEMORY - Duration::from_millis(1));
        assert_eq!(row.tries, 11);
        charge.book(&mut row, now + MEMORY + MEMORY);
        assert_eq!(row.tries, 1);
    }

    #[test]
    fn a_rate_gives_its_count_at_once_and_then_one_per_interval() {
        let rate = Rate {
            count: 20,
            per: Duration::from_secs(60),
        };
        let (charge, mut row) = charge(Budget::Rate(rate));
        let now = UnixMillis(START);
        for _ in 0..20 {
            assert_eq!(charge.wait(&row, now), Duration::ZERO);
            charge.book(&mut row, now);
        }
        assert_eq!(charge.wait(&row, now), Duration::from_secs(3));
        let later = now + Duration::from_secs(3);
        assert_eq!(charge.wait(&row, later), Duration::ZERO);
        charge.book(&mut row, later);
        assert_ne!(charge.wait(&row, later), Duration::ZERO);
        charge.undo(&mut row, later);
        assert_eq!(charge.wait(&row, later), Duration::ZERO);
    }

    #[test]
    fn those_who_come_at_once_do_not_wait_for_each_other() {
        for succeeds in [false, true] {
            let (charge, mut row) = charge(Budget::Delay {
                free: 2,
                longest: Duration::from_secs(300),
            });
            let (early, late) = (UnixMillis(START), UnixMillis(START + 5));
            charge.book(&mut row, late);
            if succeeds {
                charge.succeed(&mut row, late);
            }
            assert_eq!(charge.wait(&row, early), Duration::ZERO);
        }
    }

    #[test]
    fn what_did_not_take_place_costs_nothing() {
        for tries in [1, 2, 12] {
            let (charge, mut row) = charge(Budget::Delay {
                free: 2,
                longest: Duration::from_secs(300),
            });
            let mut now = UnixMillis(START);
            for _ in 0..tries {
                charge.book(&mut row, now);
                now = now + charge.wait(&row, now);
            }
            charge.book(&mut row, now);
            charge.undo(&mut row, now);
            assert_eq!((row.tries, charge.wait(&row, now)), (tries, Duration::ZERO));
        }
    }

    #[test]
    fn what_did_not_take_place_takes_no_delay_from_another_try() {
        let (charge, mut row) = charge(Budget::Delay {
            free: 1,
            longest: Duration::from_secs(300),
        });
        let now = UnixMillis(START);
        charge.book(&mut row, now);
        let later = now + Duration::from_secs(1);
        charge.book(&mut row, later);
        charge.undo(&mut row, now);
        assert_eq!(charge.wait(&row, later), Duration::from_secs(2));
    }
}
