//! Passwords.

use std::path::Path;
use std::sync::Arc;

use super::source::Source;
use crate::accounts::{Breached, MOST_ARGON2_KIB};

/// Memory in KiB times passes of the cheapest Argon2id in the OWASP Password Storage Cheat Sheet.
const LEAST_WORK: u64 = 7_168 * 5;

/// Passwords. The defaults are those of the OWASP Password Storage Cheat Sheet.
#[derive(Clone, Debug)]
pub struct PasswordSettings {
    /// `COUNTERSIGN_PASSWORDS__THREADS`: how many passwords are hashed at once. By default one core is left free, if there are several.
    pub threads: usize,
    /// `COUNTERSIGN_PASSWORDS__QUEUE`: how many more may wait; what does not fit is told to come again.
    pub queue: usize,
    /// `COUNTERSIGN_PASSWORDS__MEMORY_KIB`: Argon2's memory for one hash.
    pub memory_kib: u32,
    /// `COUNTERSIGN_PASSWORDS__ITERATIONS`: Argon2's passes over it.
    pub iterations: u32,
    /// `COUNTERSIGN_PASSWORDS__MIN_LENGTH`: the fewest characters.
    pub min_length: usize,
    /// `COUNTERSIGN_PASSWORDS__MAX_LENGTH`: the most.
    pub max_length: usize,
    /// `COUNTERSIGN_PASSWORDS__BREACHED`: the filter of passwords that were stolen elsewhere.
    pub breached: Option<Arc<Breached>>,
}

impl PasswordSettings {
    pub(super) fn read(source: &mut Source, development: bool) -> Self {
        let least = if development { 8 } else { 7_168 };
        let settings = Self {
            threads: source.number("passwords.threads", hashing_threads(), 1..=256),
            queue: source.number("passwords.queue", 64, 1..=100_000),
            memory_kib: source.number("passwords.memory_kib", 19_456, least..=262_144),
            iterations: source.number("passwords.iterations", 2, 1..=100),
            min_length: source.number("passwords.min_length", 8, 8..=64),
            max_length: source.number("passwords.max_length", 256, 64..=4096),
            breached: source.optional_private("passwords.breached", |path| {
                Breached::open(Path::new(path)).map(Arc::new)
            }),
        };
        let work = u64::from(settings.memory_kib) * u64::from(settings.iterations);
        // What is made today is verified tomorrow within the bounds that hold for hashes of every origin.
        if work > MOST_ARGON2_KIB {
            source.fault(
                "passwords.iterations",
                "times passwords.memory_kib is more than 1048576: a sign-in would take seconds",
            );
        }
        if !development && work < LEAST_WORK {
            source.warn(
                "passwords.iterations",
                "times passwords.memory_kib is less than OWASP's weakest recommendation, 7168 KiB five times: a stolen hash is guessed sooner",
            );
        }
        settings
    }
}

/// All cores but one, which is left to everything else: on one that hashes, an answer may wait for the kernel's next tick.
fn hashing_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores - 1).max(1)
}
