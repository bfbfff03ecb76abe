//! Password rules, and Argon2id on threads of its own.
//!
//! A hash keeps a core busy for some 20 ms. On the async threads it would hold up every other request, and without a bound on
//! the queue a login storm would take all memory; so a fixed number of threads serves a bounded queue, and what does not fit
//! is refused at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::AccountError;
use crate::config::PasswordSettings;
use crate::values::Secret;

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;

/// Checks, hashes and verifies passwords.
pub struct Passwords {
    queue: SyncSender<Job>,
    settings: PasswordSettings,
    /// A hash with today's parameters that no password has, so that an unknown address costs as much as a known one.
    nobody: String,
}

/// Guesses that an attacker needs, as zxcvbn counts them: 3 of 4 is "safely unguessable" offline against a slow hash.
const LEAST_SCORE: zxcvbn::Score = zxcvbn::Score::Three;
/// When a caller should come again that found the queue full.
const BUSY_RETRY: Duration = Duration::from_secs(1);

impl Passwords {
    /// Starts the hashing threads.
    ///
    /// # Errors
    /// [`AccountError::Internal`] when Argon2 refuses the configured parameters or no thread can be started.
    pub fn start(settings: PasswordSettings) -> Result<Self, AccountError> {
        let internal = |error: String| {
            AccountError::Internal(format!("password hashing cannot start: {error}"))
        };
        let params = Params::new(settings.memory_kib, settings.iterations, 1, None)
            .map_err(|error| internal(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&argon2, "no password is this one")?;
        let (queue, jobs) = sync_channel(settings.queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..settings.threads {
            let (jobs, argon2) = (Arc::clone(&jobs), argon2.clone());
            std::thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || serve(&jobs, &argon2))
                .map_err(|error| internal(error.to_string()))?;
        }
        Ok(Self {
            queue,
            settings,
            nobody,
        })
    }

    /// The fewest and the most characters that a password may have.
    pub fn length_limits(&self) -> (usize, usize) {
        (self.settings.min_length, self.settings.max_length)
    }

    /// Checks a new password against the rules and hashes it into a PHC string. `hints` are words that the user would think
    /// of first: their address and name.
    ///
    /// # Errors
    /// [`AccountError::PasswordTooShort`], [`AccountError::PasswordTooLong`] or [`AccountError::PasswordTooWeak`];
    /// [`AccountError::Busy`] when the queue is full.
    pub async fn hash_new(
        &self,
        password: &Secret,
        hints: Vec<String>,
    ) -> Result<String, AccountError> {
        let password = normalise(password);
        let (least, most) = self.length_limits();
        match password.chars().count() {
            length if length < least => return Err(AccountError::PasswordTooShort(least)),
            length if length > most => return Err(AccountError::PasswordTooLong(most)),
            _ => {}
        }
        self.run(move |argon2| {
            check_strength(&password, &hints)?;
            hash(argon2, &password)
        })
        .await?
    }

    /// Whether `password` is the one that was hashed into `stored`. Without a hash it takes as long, and is false.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when the queue is full.
    pub async fn verify(
        &self,
        password: &Secret,
        stored: Option<String>,
    ) -> Result<bool, AccountError> {
        let password = normalise(password);
        let too_long = password.chars().count() > self.settings.max_length;
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let matches = self.run(move |argon2| {
            let stored = PasswordHash::new(&stored)
                .map_err(|error| AccountError::Internal(format!("a stored hash: {error}")))?;
            Ok::<_, AccountError>(argon2.verify_password(password.as_bytes(), &stored).is_ok())
        });
        Ok(matches.await?? && known && !too_long)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |argon2| {
            // Whoever asked may have gone; the work was for them alone.
            let _ = answer.send(work(argon2));
        });
        self.queue
            .try_send(job)
            .map_err(|_| AccountError::Busy(BUSY_RETRY))?;
        result
            .await
            .map_err(|_| AccountError::Internal("a hashing thread ended".to_owned()))
    }
}

fn serve(jobs: &Mutex<Receiver<Job>>, argon2: &Argon2<'static>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // A panic in one job must not take the thread from all others; who waits for it is told by the closed channel.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(|| job(argon2)))),
            Err(_) => return,
        }
    }
}

/// The same characters typed on another keyboard are the same password (NIST SP 800-63B §3.1.1.2).
fn normalise(password: &Secret) -> Zeroizing<String> {
    Zeroizing::new(password.expose().nfc().collect())
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, AccountError> {
    let hash = argon2.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| AccountError::Internal(format!("hashing failed: {error}")))
}

fn check_strength(password: &str, hints: &[String]) -> Result<(), AccountError> {
    let hints: Vec<&str> = hints.iter().map(String::as_str).collect();
    let estimate = zxcvbn::zxcvbn(password, &hints);
    if estimate.score() >= LEAST_SCORE {
        return Ok(());
    }
    let feedback = estimate.feedback();
    let advice = match feedback.and_then(zxcvbn::feedback::Feedback::warning) {
        Some(warning) => warning.to_string(),
        None => "Several uncommon words make a good one.".to_owned(),
    };
    Err(AccountError::PasswordTooWeak(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(queue: usize) -> Passwords {
        let settings = PasswordSettings {
            threads: 1,
            queue,
            memory_kib: 8,
            iterations: 1,
            min_length: 8,
            max_length: 256,
        };
        Passwords::start(settings).unwrap()
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = passwords(4);
        let hash = passwords
            .hash_new(&Secret::new("plum tractor ninety"), vec![])
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert!(
            passwords
                .verify(&Secret::new("plum tractor ninety"), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(&Secret::new("plum tractor ninetY"), Some(hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(&Secret::new("no password is this one"), None)
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn composed_and_decomposed_characters_are_one_password() {
        let passwords = passwords(4);
        let hash = passwords
            .hash_new(&Secret::new("cafe\u{301} tractor ninety"), vec![])
            .await
            .unwrap();
        assert!(
            passwords
                .verify(&Secret::new("caf\u{e9} tractor ninety"), Some(hash))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn what_an_attacker_tries_first_is_refused() {
        let passwords = passwords(4);
        let hints = vec![
            "ana.velasquez@example.com".to_owned(),
            "Ana Velasquez".to_owned(),
        ];
        for weak in ["password1", "qwertyuiop", "ana velasquez", "11111111111"] {
            let refused = passwords.hash_new(&Secret::new(weak), hints.clone()).await;
            assert!(
                matches!(refused, Err(AccountError::PasswordTooWeak(_))),
                "{weak}"
            );
        }
        let short = passwords.hash_new(&Secret::new("x7!kQ2"), vec![]).await;
        assert!(matches!(short, Err(AccountError::PasswordTooShort(8))));
        let long = passwords
            .hash_new(&Secret::new("é".repeat(257)), vec![])
            .await;
        assert!(matches!(long, Err(AccountError::PasswordTooLong(256))));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let passwords = passwords(1);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let mut busy = Box::pin(passwords.run(move |_| {
            started.send(()).unwrap();
            wait.recv().unwrap();
        }));
        tokio::select! {
            _ = &mut busy => unreachable!("it waits for `go`"),
            begun = has_started => begun.unwrap(),
        }
        let mut waiting = Box::pin(passwords.run(|_| ()));
        tokio::select! {
            biased;
            _ = &mut waiting => unreachable!("the only thread is busy"),
            () = std::future::ready(()) => {}
        }
        let refused = passwords.run(|_| ()).await;
        assert!(matches!(refused, Err(AccountError::Busy(_))));
        go.send(()).unwrap();
        busy.await.unwrap();
        waiting.await.unwrap();
    }
}
