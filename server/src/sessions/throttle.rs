//! Throttling: how often a password may be tried (OWASP Authentication Cheat Sheet, "Account Lockout"; ASVS 5.0, 6.3.1).
//!
//! A try is booked before the password is hashed and given back when it was right, in the database, so that neither parallel
//! calls nor several nodes add up to more. Nobody is ever locked out: what is over a budget is told when to come again. A
//! device that signed in before has a budget of its own, so that a stranger's guesses do not slow its owner.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::SessionError;
use super::budget::{Budget, Charge};
use crate::clock::Clock;
use crate::config::{LimitSettings, Rate};
use crate::storage::{AuthEventRow, Booking, Denied, Storage, StorageError, ThrottleRow};
use crate::tokens::Mac;
use crate::values::{Peer, UnixMillis, UserId};

/// How much more than one address a /48 of IPv6 may try: it is one customer's, or one company's.
const NETWORK_FACTOR: u32 = 4;

/// Counts what is tried.
pub struct Throttle {
    storage: Storage,
    clock: Arc<dyn Clock>,
    mac: Mac,
    settings: ArcSwap<LimitSettings>,
    /// What of this node's budgets for estimates has been used. A form asks at every pause in typing, which would be much work
    /// for the database, and what it guards is this node's time.
    estimates: Mutex<HashMap<String, ThrottleRow>>,
}

/// Whose password is tried.
#[derive(Clone, Copy, derive_more::Debug)]
pub enum Target<'a> {
    /// That of the account with this address, whether there is one or not.
    #[debug("Email")]
    Email(&'a str),
    /// That of this signed-in user.
    User(&'a UserId),
    /// That of the owner of this device, who signed in on it before.
    Device(&'a str),
}

/// What there can be too much of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Password,
    Registration,
    Estimate,
    Failure,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Registration => "registration",
            Self::Estimate => "estimate",
            Self::Failure => "failure",
        }
    }
}

/// What was booked for one try.
#[must_use = "what is not given back stays booked"]
pub struct Booked {
    charges: Vec<Charge>,
    at: UnixMillis,
}

impl Booked {
    /// The keys of the budgets, in the order in which every transaction locks their rows.
    pub(super) fn keys(&self) -> Vec<String> {
        keys(&self.charges)
    }

    /// The try was right: its target's budget is as new, and the addresses' budgets are as if there had been none.
    pub(super) fn succeed(&self, rows: &mut [ThrottleRow]) {
        self.give_back(rows, Charge::succeed);
    }

    fn give_back(
        &self,
        rows: &mut [ThrottleRow],
        change: fn(&Charge, &mut ThrottleRow, UnixMillis),
    ) {
        each(&self.charges, rows, |charge, row| {
            change(charge, row, self.at);
        });
    }
}

impl Throttle {
    /// Counts in `storage`; `mac` hides in its keys what they count.
    pub fn new(storage: Storage, clock: Arc<dyn Clock>, mac: Mac, settings: LimitSettings) -> Self {
        Self {
            storage,
            clock,
            mac,
            settings: ArcSwap::from_pointee(settings),
            estimates: Mutex::default(),
        }
    }

    /// From now on holds what is tried to these limits. What was booked stays.
    pub fn set_limits(&self, settings: LimitSettings) {
        self.settings.store(Arc::new(settings));
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
        let mut charges = self.failures_of(peer);
        charges.push(self.tries_of(target));
        self.book(Kind::Password, charges, Some(refused)).await
    }

    /// There is a new password, so the tries at the old one do not count.
    pub async fn forget(&self, target: Target<'_>) {
        let tries = Booked {
            charges: vec![self.tries_of(target)],
            at: self.clock.now(),
        };
        self.give_back(&tries, Charge::succeed).await;
    }

    /// Books an e-mail address that somebody wants to have, for a new account or, where `user` is one, for theirs: the answer
    /// tells whether another account has it.
    ///
    /// # Errors
    /// [`SessionError::Throttled`] with the time after which the next one is allowed.
    pub async fn book_registration(
        &self,
        user: Option<&UserId>,
        peer: &Peer,
    ) -> Result<Booked, SessionError> {
        let rate = self.settings.load().registrations_per_hour;
        let mut charges = self.rates_of(peer, &[("registrations", rate)]);
        charges.extend(user.zip(rate).map(|(user, rate)| Charge {
            key: self.key("registrations", &user.to_string()),
            budget: Budget::Rate(rate),
        }));
        self.book(Kind::Registration, charges, None).await
    }

    /// Books one estimate of a password's strength, on this node.
    ///
    /// # Errors
    /// [`SessionError::Throttled`] with the time after which the next one is allowed.
    pub fn book_estimate(&self, peer: &Peer) -> Result<(), SessionError> {
        let rates = [("estimates", self.settings.load().strength_per_minute)];
        let (charges, now) = (self.rates_of(peer, &rates), self.clock.now());
        let mut used = self
            .estimates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Only when it would have to grow, so that clearing up costs no more than growing.
        if used.capacity() - used.len() < charges.len() {
            used.retain(|_, row| row.forgotten_at > now);
        }
        let waits = charges
            .iter()
            .filter_map(|charge| Some(charge.wait(used.get(&charge.key)?, now)));
        match waits.max() {
            Some(wait) if !wait.is_zero() => return Err(throttled(Kind::Estimate, wait)),
            _ => {}
        }
        for charge in charges {
            let unused = || ThrottleRow::unused(charge.key.clone());
            charge.book(used.entry(charge.key.clone()).or_insert_with(unused), now);
        }
        Ok(())
    }

    /// Books what was wrong and needs no budget to be tried, such as a refresh token that we did not make: passwords can be
    /// tried less often from there.
    pub async fn note_failure(&self, peer: &Peer) {
        match self.book(Kind::Failure, self.failures_of(peer), None).await {
            Ok(_) | Err(SessionError::Throttled(_)) => {}
            Err(error) => tracing::warn!(%error, "a failure could not be booked"),
        }
    }

    /// The try was right, and nothing else is written for it.
    pub async fn succeeded(&self, booked: Booked) {
        self.give_back(&booked, Charge::succeed).await;
    }

    /// The try did not take place.
    pub async fn undo(&self, booked: Booked) {
        self.give_back(&booked, Charge::undo).await;
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
        kind: Kind,
        charges: Vec<Charge>,
        refused: Option<AuthEventRow>,
    ) -> Result<Booked, SessionError> {
        let keys = keys(&charges);
        if !keys.is_empty() {
            // Most of a flood is refused here, without a transaction.
            self.refuse(kind, &charges, &keys, refused.clone()).await?;
        }
        let at = AtomicI64::new(0);
        // The time is taken under the lock: who comes later has the later time.
        let booking = |rows: &mut [ThrottleRow]| {
            let now = self.clock.now();
            if let Some((_, wait)) = longest_wait(&charges, rows, now) {
                return Err(Denied::Throttled(wait));
            }
            each(&charges, rows, |charge, row| charge.book(row, now));
            at.store(now.0, Ordering::Relaxed);
            Ok(())
        };
        match self.write(&keys, &booking).await {
            Ok(()) => Ok(Booked {
                charges,
                at: UnixMillis(at.into_inner()),
            }),
            Err(StorageError::Denied(Denied::Throttled(wait))) => {
                self.refuse(kind, &charges, &keys, refused).await?;
                Err(throttled(kind, wait))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Refuses what there has been too much of, and has the audit trail say so.
    async fn refuse(
        &self,
        kind: Kind,
        charges: &[Charge],
        keys: &[String],
        refused: Option<AuthEventRow>,
    ) -> Result<(), SessionError> {
        let found = self.storage.find_throttle(keys).await?;
        let Some((charge, wait)) = longest_wait(charges, &found, self.clock.now()) else {
            return Ok(());
        };
        if let Some(event) = refused {
            self.storage.note_throttled(&charge.key, event).await?;
        }
        Err(throttled(kind, wait))
    }

    async fn write(&self, keys: &[String], booking: Booking<'_>) -> Result<(), StorageError> {
        match keys {
            [] => Ok(()),
            keys => self.storage.book_throttle(keys, booking).await,
        }
    }

    /// A failure here costs the caller a part of the budget, and nothing more.
    async fn give_back(&self, booked: &Booked, change: fn(&Charge, &mut ThrottleRow, UnixMillis)) {
        let giving_back = |rows: &mut [ThrottleRow]| {
            booked.give_back(rows, change);
            Ok(())
        };
        if let Err(error) = self.write(&booked.keys(), &giving_back).await {
            tracing::warn!(%error, "a booked try could not be given back");
        }
    }

    fn tries_of(&self, target: Target<'_>) -> Charge {
        let (kind, of) = match target {
            Target::Email(email) => ("email", email.to_owned()),
            Target::User(user) => ("user", user.to_string()),
            Target::Device(device) => ("device", device.to_owned()),
        };
        let settings = self.settings.load();
        Charge {
            key: self.key(kind, &of),
            budget: Budget::Delay {
                free: settings.free_attempts,
                longest: settings.longest_delay,
            },
        }
    }

    fn failures_of(&self, peer: &Peer) -> Vec<Charge> {
        let settings = self.settings.load();
        let rates = [
            ("failures a minute", settings.failures_per_minute),
            ("failures an hour", settings.failures_per_hour),
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

fn throttled(kind: Kind, wait: Duration) -> SessionError {
    metrics::counter!("countersign_throttled_total", "kind" => kind.as_str()).increment(1);
    SessionError::Throttled(wait)
}

fn keys(charges: &[Charge]) -> Vec<String> {
    let mut keys: Vec<_> = charges.iter().map(|charge| charge.key.clone()).collect();
    keys.sort();
    keys
}

fn each(charges: &[Charge], rows: &mut [ThrottleRow], change: impl Fn(&Charge, &mut ThrottleRow)) {
    for row in rows {
        let charge = charges.iter().find(|charge| charge.key == row.key);
        if let Some(charge) = charge {
            change(charge, row);
        }
    }
}

/// The charge that has to wait longest. A row that is missing has not been used.
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
