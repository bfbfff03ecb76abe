//! Throttling: how often a password may be tried (OWASP Authentication Cheat Sheet, "Account Lockout"; ASVS 5.0, 6.3.1).
//!
//! A try is booked before the password is hashed and given back when it was right, in the database, so that neither parallel
//! calls nor several nodes add up to more. Nobody is ever locked out: what is over a budget is told when to come again. A
//! device that signed in before has a budget of its own, so that a stranger's guesses do not slow its owner.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::SessionError;
use crate::clock::Clock;
use crate::config::{LimitSettings, Rate};
use crate::storage::{AuthEventRow, Denied, Storage, StorageError, ThrottleRow};
use crate::tokens::Mac;
use crate::values::{Peer, UnixMillis, UserId};

/// The delay after the last free try; it doubles with each one more.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// After how long without a try its budget is as new.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// How much more than one address a /48 of IPv6 may try: it is one customer's, or one company's.
const NETWORK_FACTOR: u32 = 4;

/// Counts what is tried.
pub struct Throttle {
    storage: Storage,
    clock: Arc<dyn Clock>,
    mac: Mac,
    settings: LimitSettings,
}

/// Whose password is tried.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// That of the account with this address, whether there is one or not.
    Email(&'a str),
    /// That of this signed-in user.
    User(&'a UserId),
    /// That of the owner of this device, who signed in on it before.
    Device(&'a str),
}

/// How much of something there may be.
#[derive(Clone, Copy, Debug)]
enum Budget {
    /// So many tries at once, and then each one after a longer delay.
    Delay { free: u32, longest: Duration },
    /// So many at once, given back one by one over the time.
    Rate(Rate),
}

/// A budget that a try uses, and its row's key.
#[derive(Clone, Debug)]
struct Charge {
    key: String,
    budget: Budget,
}

/// What was booked for one try.
#[must_use = "what is not given back stays booked"]
pub struct Booked(Vec<Charge>);

impl Throttle {
    /// Counts in `storage`; `mac` hides in its keys what they count.
    pub fn new(storage: Storage, clock: Arc<dyn Clock>, mac: Mac, settings: LimitSettings) -> Self {
        Self {
            storage,
            clock,
            mac,
            settings,
        }
    }

    /// Books one try at a password; `refused` is the line of the audit trail for when there have been too many.
    ///
    /// # Errors
    /// [`SessionError::Throttled`] with the time after which the next one is allowed.
    pub async fn book_password(
        &self,
        target: Target<'_>,
        peer: &Peer,
        refused: AuthEventRow,
    ) -> Result<Booked, SessionError> {
        let (kind, of) = match target {
            Target::Email(email) => ("email", email.to_owned()),
            Target::User(user) => ("user", user.to_string()),
            Target::Device(device) => ("device", device.to_owned()),
        };
        let mut charges = self.failures_of(peer);
        charges.push(Charge {
            key: self.key(kind, &of),
            budget: Budget::Delay {
                free: self.settings.free_attempts,
                longest: self.settings.longest_delay,
            },
        });
        self.book(charges, Some(refused)).await
    }

    /// Books the making of an account.
    ///
    /// # Errors
    /// [`SessionError::Throttled`] with the time after which the next one is allowed.
    pub async fn book_registration(&self, peer: &Peer) -> Result<Booked, SessionError> {
        let rates = [("registrations", self.settings.registrations_per_hour)];
        self.book(self.rates_of(peer, &rates), None).await
    }

    /// Books what was wrong and needs no budget to be tried, such as a refresh token that we did not make: passwords can be
    /// tried less often from there.
    pub async fn note_failure(&self, peer: &Peer) {
        match self.book(self.failures_of(peer), None).await {
            Ok(_) | Err(SessionError::Throttled(_)) => {}
            Err(error) => tracing::warn!(%error, "a failure could not be booked"),
        }
    }

    /// The try was right: its target's budget is as new, and the addresses' budgets are as if there had been none.
    pub async fn succeeded(&self, booked: Booked) {
        self.give_back(booked, Charge::succeed).await;
    }

    /// The try did not take place.
    pub async fn undo(&self, booked: Booked) {
        self.give_back(booked, Charge::undo).await;
    }

    /// Deletes up to `limit` rows that do not count any more; how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn delete_forgotten(&self, limit: i64) -> Result<usize, StorageError> {
        let now = self.clock.now();
        self.storage.delete_forgotten_throttle(now, limit).await
    }

    async fn book(
        &self,
        mut charges: Vec<Charge>,
        refused: Option<AuthEventRow>,
    ) -> Result<Booked, SessionError> {
        charges.sort_by(|one, other| one.key.cmp(&other.key));
        let keys: Vec<String> = charges.iter().map(|charge| charge.key.clone()).collect();
        if keys.is_empty() {
            return Ok(Booked(charges));
        }
        // Most of a flood is refused here, without a transaction.
        let mut found = self.storage.find_throttle(&keys).await?;
        found.sort_by(|one, other| one.key.cmp(&other.key));
        if let Some((charge, wait)) = longest_wait(&charges, &found, self.clock.now()) {
            if let Some(event) = refused {
                self.storage.note_throttled(&charge.key, event).await?;
            }
            return Err(SessionError::Throttled(wait));
        }
        let booking = |rows: &mut [ThrottleRow]| {
            let now = self.clock.now();
            if let Some((_, wait)) = longest_wait(&charges, rows, now) {
                return Err(Denied::Throttled(wait));
            }
            each(&charges, rows, |charge, row| charge.book(row, now));
            Ok(())
        };
        match self.storage.book_throttle(&keys, &booking).await {
            Ok(()) => Ok(Booked(charges)),
            Err(StorageError::Denied(Denied::Throttled(wait))) => {
                Err(SessionError::Throttled(wait))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// A failure here costs the caller a part of the budget, and nothing more.
    async fn give_back(&self, booked: Booked, change: fn(&Charge, &mut ThrottleRow, UnixMillis)) {
        let charges = booked.0;
        let keys: Vec<String> = charges.iter().map(|charge| charge.key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        let giving_back = |rows: &mut [ThrottleRow]| {
            let now = self.clock.now();
            each(&charges, rows, |charge, row| change(charge, row, now));
            Ok(())
        };
        if let Err(error) = self.storage.book_throttle(&keys, &giving_back).await {
            tracing::warn!(%error, "a booked try could not be given back");
        }
    }

    fn failures_of(&self, peer: &Peer) -> Vec<Charge> {
        let rates = [
            ("failures a minute", self.settings.failures_per_minute),
            ("failures an hour", self.settings.failures_per_hour),
        ];
        self.rates_of(peer, &rates)
    }

    /// The rates of the peer's address: of IPv4 itself; of IPv6 the /64, which one machine can have whole, and the /48.
    fn rates_of(&self, peer: &Peer, rates: &[(&'static str, Option<Rate>)]) -> Vec<Charge> {
        let networks = match peer.ip {
            None => vec![],
            Some(IpAddr::V4(ip)) => vec![(ip.to_string(), 1)],
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                vec![
                    (format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"), 1),
                    (format!("{a:x}:{b:x}:{c:x}::/48"), NETWORK_FACTOR),
                ]
            }
        };
        let mut charges = Vec::new();
        for (network, factor) in &networks {
            for (kind, rate) in rates {
                charges.extend(rate.map(|rate| Charge {
                    key: self.key(kind, network),
                    budget: Budget::Rate(Rate {
                        count: rate.count.saturating_mul(*factor),
                        ..rate
                    }),
                }));
            }
        }
        charges
    }

    /// 128 bits are enough for no two to meet.
    fn key(&self, kind: &str, of: &str) -> String {
        let tag = self.mac.tag(format!("{kind}\0{of}").as_bytes());
        BASE64URL.encode(&tag.as_ref()[..16])
    }
}

/// Both are sorted by key; of the rows some may be missing.
fn longest_wait<'a>(
    charges: &'a [Charge],
    rows: &[ThrottleRow],
    now: UnixMillis,
) -> Option<(&'a Charge, Duration)> {
    let waits = charges.iter().filter_map(|charge| {
        let row = rows.iter().find(|row| row.key == charge.key)?;
        Some((charge, charge.wait(row, now)))
    });
    waits
        .filter(|(_, wait)| !wait.is_zero())
        .max_by_key(|(_, wait)| *wait)
}

fn each(charges: &[Charge], rows: &mut [ThrottleRow], change: impl Fn(&Charge, &mut ThrottleRow)) {
    for (charge, row) in charges.iter().zip(rows) {
        change(charge, row);
    }
}

impl Charge {
    /// How long it is until there may be one more.
    fn wait(&self, row: &ThrottleRow, now: UnixMillis) -> Duration {
        match self.budget {
            _ if row.forgotten_at <= now => Duration::ZERO,
            Budget::Delay { .. } => row.free_at.since(now),
            // The generic cell rate algorithm: `free_at` is when all of it will have been given back (ITU-T I.371).
            Budget::Rate(rate) => (row.free_at + rate.interval()).since(now + rate.per),
        }
    }

    fn book(&self, row: &mut ThrottleRow, now: UnixMillis) {
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

    fn succeed(&self, row: &mut ThrottleRow, now: UnixMillis) {
        match self.budget {
            Budget::Delay { .. } => row.forgotten_at = now,
            Budget::Rate(_) => self.undo(row, now),
        }
    }

    fn undo(&self, row: &mut ThrottleRow, now: UnixMillis) {
        row.tries = (row.tries - 1).max(0);
        match self.budget {
            Budget::Delay { free, .. } if row.tries < i64::from(free) => row.free_at = now,
            // The delay stays: another try may have been booked meanwhile.
            Budget::Delay { .. } => {}
            Budget::Rate(rate) => {
                row.free_at = row.free_at - rate.interval();
                row.forgotten_at = row.free_at;
            }
        }
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
    fn what_did_not_take_place_leaves_no_delay_while_free_tries_are_left() {
        let (charge, mut row) = charge(Budget::Delay {
            free: 2,
            longest: Duration::from_secs(300),
        });
        let now = UnixMillis(START);
        for _ in 0..2 {
            charge.book(&mut row, now);
        }
        charge.undo(&mut row, now);
        assert_eq!((row.tries, charge.wait(&row, now)), (1, Duration::ZERO));
    }
}
