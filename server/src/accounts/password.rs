//! Password rules, and Argon2id on threads of its own.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use argon2::password_hash::{
    self,
    phc::{Output, ParamsString, PasswordHash, Salt},
};
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::hashing::{Memory, Pool};
use super::stored_hash::StoredHash;
use super::{AccountError, Breached, Estimate};
use crate::config::PasswordSettings;
use crate::values::Secret;

/// How many may wait for an estimate of their password's strength: one takes milliseconds.
const ESTIMATES: usize = 64;

/// Checks, hashes and verifies passwords.
pub struct Passwords {
    hashing: Pool,
    /// Those who only ask for an estimate have a thread of their own: they fill no queue but theirs.
    estimating: Pool,
    /// And so have those who choose a new password.
    checking: Pool,
    settings: PasswordSettings,
    breached: ArcSwapOption<Breached>,
    argon2: Argon2<'static>,
    /// A hash with today's parameters that no password has, so that an unknown address costs as much as a known one.
    nobody: Arc<StoredHash>,
}

/// What a password is worth, and what is wrong with it.
#[derive(Debug)]
pub struct Strength {
    /// How hard it is to guess.
    pub estimate: Estimate,
    /// Why it would be refused; `None` when it would not.
    pub fault: Option<AccountError>,
}

impl Passwords {
    /// Starts the hashing threads.
    ///
    /// # Errors
    /// [`AccountError::Internal`] when Argon2 refuses the configured parameters or no thread can be started.
    pub fn start(settings: PasswordSettings) -> Result<Self, AccountError> {
        let internal = |error: String| {
            AccountError::Internal(format!("password hashing cannot start: {error}"))
        };
        let pool = |name, threads, queue, kept| {
            Pool::start(name, threads, queue, kept).map_err(|error| internal(error.to_string()))
        };
        let params = Params::new(settings.memory_kib, settings.iterations, 1, None)
            .map_err(|error| internal(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let kept = argon2.params().block_count();
        // Random bytes instead of a hash: to look at them costs as much, and making them costs nothing at a start.
        let mut no_hash = [0; Params::DEFAULT_OUTPUT_LEN];
        aws_lc_rs::rand::fill(&mut no_hash).map_err(|error| internal(error.to_string()))?;
        let nobody = phc(&argon2, Salt::generate(), &no_hash)
            .map_err(|error| internal(error.to_string()))?;
        let nobody = StoredHash::parse(&nobody).map_err(|fault| internal(fault.to_string()))?;
        Ok(Self {
            hashing: pool("argon2", settings.threads, settings.queue, kept)?,
            estimating: pool("estimate", 1, ESTIMATES, 0)?,
            checking: pool("check", 1, ESTIMATES, 0)?,
            nobody: Arc::new(nobody),
            breached: ArcSwapOption::new(settings.breached.clone()),
            settings,
            argon2,
        })
    }

    /// From now on refuses the passwords of this list.
    pub fn set_breached(&self, breached: Option<Arc<Breached>>) {
        self.breached.store(breached);
    }

    /// The fewest and the most characters that a password may have.
    pub fn length_limits(&self) -> (usize, usize) {
        (self.settings.min_length, self.settings.max_length)
    }

    /// Checks a new password against the rules and hashes it into a PHC string. `hints` are words that the user would think
    /// of first: their address and name.
    ///
    /// # Errors
    /// [`AccountError::PasswordTooShort`], [`AccountError::PasswordTooLong`], [`AccountError::PasswordInvalid`],
    /// [`AccountError::PasswordTooWeak`] or [`AccountError::PasswordBreached`]; [`AccountError::Busy`] when the queue is full.
    pub async fn hash_new(
        &self,
        password: &Secret,
        hints: Vec<String>,
    ) -> Result<String, AccountError> {
        let password = normalise(password);
        self.check_form(&password)?;
        let (argon2, breached) = (self.argon2.clone(), self.breached.load_full());
        // Before it waits for a hashing thread: what is refused takes no time from those who sign in.
        let checking = move |_: &mut Memory| {
            let estimate = Estimate::of(&password, &hints);
            check_guessed(&password, &estimate, breached.as_deref()).map(|()| password)
        };
        let password = self.checking.run(checking).await??;
        self.hashing
            .run(move |memory| hash(memory, &argon2, &password))
            .await?
    }

    /// What [`Self::hash_new`] would say of the password, and how hard it is to guess.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when too many ask; [`AccountError::Internal`] when the list of breached passwords cannot be
    /// read.
    pub async fn strength(
        &self,
        password: &Secret,
        hints: Vec<String>,
    ) -> Result<Strength, AccountError> {
        let password = normalise(password);
        let form = self.check_form(&password);
        let breached = self.breached.load_full();
        let work = move |_: &mut Memory| {
            let estimate = Estimate::of(&password, &hints);
            let checked =
                form.and_then(|()| check_guessed(&password, &estimate, breached.as_deref()));
            match checked {
                Err(fault @ AccountError::Internal(_)) => Err(fault),
                checked => Ok(Strength {
                    estimate,
                    fault: checked.err(),
                }),
            }
        };
        self.estimating.run(work).await?
    }

    /// Whether `password` is the one that was hashed into `stored`. Without a hash it takes as long as with one of ours, and is
    /// false.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when the queue is full.
    pub async fn verify(
        &self,
        password: &Secret,
        stored: Option<String>,
    ) -> Result<bool, AccountError> {
        let normalised = normalise(password);
        // Nobody has one, so no account is looked at and no hash is spent: known and unknown addresses are told alike.
        if normalised.chars().count() > self.settings.max_length {
            return Ok(false);
        }
        let stored = stored.and_then(|stored| match StoredHash::parse(&stored) {
            Ok(stored) => Some(Arc::new(stored)),
            Err(fault) => {
                tracing::error!(%fault, "nobody can sign in by a stored hash: give its account, which LOGIN_FAILED in the audit trail names, a new password");
                None
            }
        });
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| Arc::clone(&self.nobody));
        let sent = password.clone();
        let work = move |memory: &mut Memory| {
            // Another system may have hashed what its user's keyboard sent; we hash the composed form. Both are tried for
            // every address, so that the second says nothing of the first.
            let is_other = *normalised != sent.expose();
            let as_sent = is_other && stored.verify(sent.expose().as_bytes(), memory);
            stored.verify(normalised.as_bytes(), memory) || as_sent
        };
        Ok(self.hashing.run(work).await? && known)
    }

    /// Whether `stored` is as strong as what a password is hashed into today: nobody gets a weaker hash than they have, and
    /// nodes with different settings do not undo each other's work.
    pub fn is_current(&self, stored: &str) -> bool {
        StoredHash::parse(stored).is_ok_and(|stored| stored.is_as_strong_as(&self.argon2))
    }

    /// Hashes a password that was verified into a PHC string of today's parameters. The rules for new ones do not matter: it is
    /// the user's already.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when the queue is full.
    pub async fn rehash(&self, password: &Secret) -> Result<String, AccountError> {
        let (argon2, password) = (self.argon2.clone(), normalise(password));
        self.hashing
            .run(move |memory| hash(memory, &argon2, &password))
            .await?
    }

    /// What can be said of a new password without any work.
    fn check_form(&self, password: &str) -> Result<(), AccountError> {
        let (least, most) = self.length_limits();
        match password.chars().count() {
            length if length < least => Err(AccountError::PasswordTooShort(least)),
            length if length > most => Err(AccountError::PasswordTooLong(most)),
            // They come from a slip in copying, and cannot be typed again.
            _ if password.contains(char::is_control) => Err(AccountError::PasswordInvalid),
            _ => Ok(()),
        }
    }
}

/// Refuses what attackers try first.
fn check_guessed(
    password: &str,
    estimate: &Estimate,
    breached: Option<&Breached>,
) -> Result<(), AccountError> {
    if estimate.is_weak() {
        return Err(AccountError::PasswordTooWeak(estimate.advice()));
    }
    let is_breached = breached.map(|breached| breached.contains(password));
    match is_breached.transpose() {
        Ok(Some(true)) => Err(AccountError::PasswordBreached),
        Ok(_) => Ok(()),
        Err(fault) => Err(AccountError::Internal(fault.to_string())),
    }
}

/// The same characters typed on another keyboard are the same password (NIST SP 800-63B §3.1.1.2).
fn normalise(password: &Secret) -> Zeroizing<String> {
    let sent = password.expose();
    // With room for the longest that NFC makes of it (Unicode FAQ, "Normalization"): a text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(3 * sent.len()));
    text.extend(sent.nfc());
    text
}

/// Hashes a password into a PHC string.
fn hash(memory: &mut Memory, argon2: &Argon2<'_>, password: &str) -> Result<String, AccountError> {
    let salt = Salt::generate();
    let mut hash = [0; Params::DEFAULT_OUTPUT_LEN];
    memory
        .hash(argon2, password.as_bytes(), &salt, &mut hash)
        .map_err(password_hash::Error::from)
        .and_then(|()| phc(argon2, salt, &hash))
        .map_err(|error| AccountError::Internal(format!("hashing failed: {error}")))
}

/// The PHC string of what `argon2` made with this salt.
fn phc(argon2: &Argon2<'_>, salt: Salt, hash: &[u8]) -> Result<String, password_hash::Error> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt),
        hash: Some(Output::new(hash)?),
    };
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(queue: usize) -> Passwords {
        let settings = PasswordSettings {
            threads: 1,
            queue,
            memory_kib: 16,
            iterations: 2,
            min_length: 8,
            max_length: 256,
            breached: None,
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
        assert!(hash.starts_with("$argon2id$v=19$m=16,t=2,p=1$"), "{hash}");
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
    async fn a_new_password_keeps_the_rules() {
        let passwords = passwords(4);
        let refused = async |password: &str| {
            let hints = vec!["ana.velasquez@example.com".to_owned()];
            let password = Secret::new(password);
            let told = passwords.strength(&password, hints.clone()).await.unwrap();
            let refused = passwords.hash_new(&password, hints).await.unwrap_err();
            assert_eq!(told.fault.unwrap().to_string(), refused.to_string());
            refused
        };
        assert!(matches!(
            refused("x7!kQ2").await,
            AccountError::PasswordTooShort(8)
        ));
        let long = "é".repeat(257);
        assert!(matches!(
            refused(&long).await,
            AccountError::PasswordTooLong(256)
        ));
        for control in [
            "plum tractor\0ninety",
            "plum tractor ninety\n",
            "plum\ttractor ninety",
        ] {
            assert!(
                matches!(refused(control).await, AccountError::PasswordInvalid),
                "{control:?}"
            );
        }
        let weak = refused("ana.velasquez").await;
        assert!(matches!(weak, AccountError::PasswordTooWeak(_)));
        let good = Secret::new("plum tractor ninety");
        let good = passwords.strength(&good, vec![]).await.unwrap();
        assert!(good.fault.is_none());
    }

    #[tokio::test]
    async fn a_weak_password_takes_no_hashing_thread() {
        let mut passwords = passwords(4);
        passwords.hashing = Pool::start("nobody", 0, 1, 0).unwrap();
        let weak = passwords.hash_new(&Secret::new("password1"), vec![]).await;
        assert!(matches!(weak, Err(AccountError::PasswordTooWeak(_))));
        let good = Secret::new("plum tractor ninety");
        let good = passwords.hash_new(&good, vec![]).await;
        assert!(matches!(good, Err(AccountError::Busy(_))));
    }

    #[tokio::test]
    async fn who_asks_for_estimates_keeps_nobody_from_a_new_password() {
        let mut passwords = passwords(4);
        passwords.estimating = Pool::start("nobody", 0, 1, 0).unwrap();
        let good = Secret::new("plum tractor ninety");
        let estimate = passwords.strength(&good, vec![]).await;
        assert!(matches!(estimate, Err(AccountError::Busy(_))));
        passwords.hash_new(&good, vec![]).await.unwrap();
    }

    /// A hash that bcrypt made of "cafe\u{301} tractor ninety" (decomposed).
    const DECOMPOSED: &str = "$2b$04$zUkDrzsAakW2L585iUj4o.QrcEGgR4gSnpKjp9xMfKvPuSEcqzUfe";

    #[tokio::test]
    async fn a_foreign_hash_is_tried_with_the_bytes_as_sent_and_then_composed() {
        let passwords = passwords(4);
        let verify = async |password: &str, stored: &str| {
            passwords
                .verify(&Secret::new(password), Some(stored.to_owned()))
                .await
                .unwrap()
        };
        assert!(verify("cafe\u{301} tractor ninety", DECOMPOSED).await);
        assert!(!verify("caf\u{e9} tractor ninety", DECOMPOSED).await);
        let composed = passwords
            .rehash(&Secret::new("cafe\u{301} tractor ninety"))
            .await
            .unwrap();
        assert!(verify("cafe\u{301} tractor ninety", &composed).await);
        assert!(verify("caf\u{e9} tractor ninety", &composed).await);
        assert!(passwords.is_current(&composed) && !passwords.is_current(DECOMPOSED));
    }

    #[tokio::test]
    async fn what_cannot_be_verified_is_a_wrong_password() {
        let passwords = passwords(4);
        for stored in [
            "",
            "changed meanwhile",
            "$2b$31$zUkDrzsAakW2L585iUj4o.QrcEGgR4gSnpKjp9xMfKvPuSEcqzUfe",
        ] {
            let password = Secret::new("plum tractor");
            let verified = passwords.verify(&password, Some(stored.to_owned()));
            assert!(!verified.await.unwrap(), "{stored}");
        }
        let long = Secret::new("x".repeat(257));
        let hash = passwords.rehash(&long).await.unwrap();
        assert!(!passwords.verify(&long, Some(hash)).await.unwrap());
    }

    #[test]
    fn only_a_weaker_hash_is_not_current() {
        let passwords = passwords(4);
        let is_current = |params: &str| {
            let rest = "$c1bmyEjI/UxycEOGdS550Q$Ur3gZ2aIypFCzdh+05dID8jnz+9/8suWXm59dmTRWYU";
            passwords.is_current(&format!("{params}{rest}"))
        };
        // Ours are of m=16,t=2.
        for strong in [
            "m=16,t=2,p=1",
            "m=64,t=2,p=1",
            "m=16,t=3,p=1",
            "m=64,t=2,p=4",
        ] {
            assert!(is_current(&format!("$argon2id$v=19${strong}")), "{strong}");
        }
        for weaker in [
            "$argon2id$v=19$m=8,t=2,p=1",
            "$argon2id$v=19$m=64,t=1,p=1",
            "$argon2i$v=19$m=16,t=2,p=1",
            "$argon2id$v=16$m=16,t=2,p=1",
            "$argon2id$m=16,t=2,p=1",
        ] {
            assert!(!is_current(weaker), "{weaker}");
        }
    }
}
