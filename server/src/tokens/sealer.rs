//! The encryption that keeps private keys secret in the database, in backups and in copies of either.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::algorithm::PrivateKey;
use super::keys::KeyError;
use crate::clock::{Rng, random};
use crate::storage::{KeyPurpose, KeyRow};
use crate::values::Secret;

/// Encrypts private keys: AES-256-GCM under a key derived from `COUNTERSIGN_KEYS__SECRET` by HKDF-SHA256 (RFC 5869).
///
/// What is encrypted is bound to the key's purpose and id, so that no row can stand in for another.
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// Derives the encryption key.
    pub fn new(secret: &Secret) -> Self {
        let key: UnboundKey = derive(secret, "keys at rest v1", &AES_256_GCM);
        Self(LessSafeKey::new(key))
    }

    fn bound_to(purpose: KeyPurpose, id: &str) -> Aad<String> {
        Aad::from(format!("countersign/{}/{id}", purpose.as_str()))
    }

    /// `nonce ‖ ciphertext ‖ tag` in base64url.
    pub(super) fn seal(
        &self,
        purpose: KeyPurpose,
        id: &str,
        plain: &[u8],
        rng: &Rng,
    ) -> Result<String, KeyError> {
        let nonce: [u8; NONCE_LEN] = random(rng);
        let mut text = plain.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Self::bound_to(purpose, id),
                &mut text,
            )
            .map_err(|_| KeyError::Damaged(id.to_owned()))?;
        Ok(BASE64URL.encode([&nonce[..], &text].concat()))
    }

    /// Whether a key was encrypted under this secret.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when it was not, [`KeyError::Damaged`] when it is none.
    pub fn check(&self, row: &KeyRow) -> Result<(), KeyError> {
        self.open(row).map(|_| ())
    }

    pub(super) fn open(&self, row: &KeyRow) -> Result<PrivateKey, KeyError> {
        let damaged = || KeyError::Damaged(row.id.clone());
        let sealed = BASE64URL.decode(&row.sealed).map_err(|_| damaged())?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut text = PrivateKey::new(text.to_vec());
        let plain = self
            .0
            .open_in_place(nonce, Self::bound_to(row.purpose, &row.id), &mut text)
            .map_err(|_| KeyError::WrongSecret(row.id.clone()))?
            .len();
        text.truncate(plain);
        Ok(text)
    }
}

/// A key for one purpose, from the configured secret.
pub(super) fn derive<L: hkdf::KeyType, K: for<'a> From<hkdf::Okm<'a, L>>>(
    secret: &Secret,
    purpose: &'static str,
    kind: L,
) -> K {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign");
    let info = [purpose.as_bytes()];
    let prk = salt.extract(secret.expose().as_bytes());
    #[expect(
        clippy::expect_used,
        reason = "one block of HKDF output is always within its limit of 255"
    )]
    prk.expand(&info, kind)
        .expect("32 bytes of HKDF output")
        .into()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;
    use crate::values::UnixMillis;

    fn sealed_row(sealer: &Sealer) -> KeyRow {
        let (id, purpose) = ("0a0b0c0d".to_owned(), KeyPurpose::Refresh);
        let sealed = sealer.seal(purpose, &id, &[7; 32], &SystemRandom::new());
        KeyRow {
            id,
            purpose,
            algorithm: "HS256".to_owned(),
            sealed: sealed.unwrap(),
            created_at: UnixMillis(0),
            signs_from: UnixMillis(0),
        }
    }

    #[test]
    fn what_was_sealed_opens_under_the_same_secret_only() {
        let row = sealed_row(&Sealer::new(&Secret::new("one")));
        let opened = Sealer::new(&Secret::new("one")).open(&row).unwrap();
        assert_eq!(*opened, [7; 32]);
        assert!(matches!(
            Sealer::new(&Secret::new("two")).open(&row),
            Err(KeyError::WrongSecret(_))
        ));
    }

    #[test]
    fn a_sealed_key_cannot_take_another_keys_place() {
        let sealer = Sealer::new(&Secret::new("one"));
        let row = sealed_row(&sealer);
        for moved in [
            KeyRow {
                id: "00000000".into(),
                ..row.clone()
            },
            KeyRow {
                purpose: KeyPurpose::Access,
                ..row
            },
        ] {
            assert!(matches!(sealer.open(&moved), Err(KeyError::WrongSecret(_))));
        }
    }
}
