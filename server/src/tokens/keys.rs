//! The key rings, and the encryption that keeps them secret in the database, in backups and in copies of either.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;

use crate::clock::{Rng, random};
use crate::storage::{KeyPurpose, KeyRow, Storage, StorageError};
use crate::values::{Secret, UnixMillis};

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key in the database was encrypted under another secret.
    #[error(
        "the key {0} in the database cannot be decrypted: COUNTERSIGN_KEYS__SECRET is not the secret that it was encrypted under. \
         Start with the secret that was used before"
    )]
    WrongSecret(String),
    /// A key could not be made or read.
    #[error("the key {0} is damaged")]
    Damaged(String),
    /// The database did not do its part.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Encrypts private keys: AES-256-GCM under a key derived from `COUNTERSIGN_KEYS__SECRET` by HKDF-SHA256 (RFC 5869).
///
/// What is encrypted is bound to the key's purpose and id, so that no row can stand in for another.
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// Derives the encryption key.
    pub fn new(secret: &Secret) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign");
        let prk = salt.extract(secret.expose().as_bytes());
        let info = [b"keys at rest v1".as_slice()];
        #[expect(
            clippy::expect_used,
            reason = "one block of HKDF output is always within its limit of 255"
        )]
        let key = prk
            .expand(&info, &AES_256_GCM)
            .expect("32 bytes of HKDF output");
        Self(LessSafeKey::new(UnboundKey::from(key)))
    }

    fn bound_to(purpose: KeyPurpose, id: &str) -> Aad<String> {
        Aad::from(format!("countersign/{}/{id}", purpose.as_str()))
    }

    /// `nonce ‖ ciphertext ‖ tag` in base64url.
    fn seal(
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

    fn open(&self, row: &KeyRow) -> Result<Vec<u8>, KeyError> {
        let damaged = || KeyError::Damaged(row.id.clone());
        let sealed = BASE64URL.decode(&row.sealed).map_err(|_| damaged())?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut text = text.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Self::bound_to(row.purpose, &row.id), &mut text)
            .map_err(|_| KeyError::WrongSecret(row.id.clone()))?
            .len();
        text.truncate(plain);
        Ok(text)
    }
}

/// A public key as a JWK (RFC 7517 §4, RFC 8037 §2).
#[derive(Clone, Debug, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x: String,
}

/// The published keys (RFC 7517 §5).
#[derive(Clone, Debug, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// The algorithm of our signing keys.
pub(super) const ALGORITHM: Algorithm = Algorithm::EdDSA;
/// The names under which a header may speak of it (RFC 8037 §3.1, RFC 9864 §2.2).
pub(super) const ALGORITHM_NAMES: [&str; 2] = ["EdDSA", "Ed25519"];

/// A key that access tokens are verified under.
pub(super) struct VerifyingKey {
    kid: String,
    public: Vec<u8>,
    pub(super) decoding: DecodingKey,
}

impl VerifyingKey {
    fn new(kid: &str, public: &[u8]) -> Self {
        Self {
            kid: kid.to_owned(),
            public: public.to_vec(),
            decoding: DecodingKey::from_ed_der(public),
        }
    }

    fn jwk(&self) -> Jwk {
        let x = BASE64URL.encode(&self.public);
        Jwk {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            usage: "sig",
            kid: self.kid.clone(),
            x,
        }
    }
}

/// A key that access tokens are signed with.
pub(super) struct SigningKey {
    pub(super) kid: String,
    pub(super) encoding: EncodingKey,
    signs_from: UnixMillis,
}

/// A key that makes the mac of refresh tokens.
struct RefreshKey {
    id: u32,
    key: hmac::Key,
    signs_from: UnixMillis,
}

/// All keys that this node signs with and accepts.
#[derive(Default)]
pub struct KeyRing {
    verifying: Vec<VerifyingKey>,
    signing: Vec<SigningKey>,
    refresh: Vec<RefreshKey>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.verifying.iter().map(|key| &key.kid))
            .finish()
    }
}

impl KeyRing {
    /// Reads the rings, or makes their first keys.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when `sealer` has another secret than the one that the keys were encrypted under.
    pub async fn load(
        storage: &Storage,
        sealer: &Sealer,
        rng: &Rng,
        now: UnixMillis,
    ) -> Result<Self, KeyError> {
        let mut ring = Self::default();
        for row in storage
            .keys_or_first(KeyPurpose::Access, &new_signing_key(sealer, rng, now)?)
            .await?
        {
            let pkcs8 = sealer.open(&row)?;
            let public = public_key(&pkcs8).ok_or_else(|| KeyError::Damaged(row.id.clone()))?;
            ring.verifying.push(VerifyingKey::new(&row.id, &public));
            let encoding = EncodingKey::from_ed_der(&pkcs8);
            ring.signing.push(SigningKey {
                kid: row.id,
                encoding,
                signs_from: row.signs_from,
            });
        }
        for row in storage
            .keys_or_first(KeyPurpose::Refresh, &new_refresh_key(sealer, rng, now)?)
            .await?
        {
            let id =
                u32::from_str_radix(&row.id, 16).map_err(|_| KeyError::Damaged(row.id.clone()))?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &sealer.open(&row)?);
            ring.refresh.push(RefreshKey {
                id,
                key,
                signs_from: row.signs_from,
            });
        }
        Ok(ring)
    }

    /// A ring that verifies under public keys, each a key id and a JWK's `x`, and signs nothing.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] when an `x` is not 32 bytes in base64url.
    pub fn verifying<'a>(keys: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, KeyError> {
        let mut ring = Self::default();
        for (kid, x) in keys {
            let public = BASE64URL.decode(x).ok().filter(|public| public.len() == 32);
            ring.verifying.push(VerifyingKey::new(
                kid,
                &public.ok_or_else(|| KeyError::Damaged(kid.to_owned()))?,
            ));
        }
        Ok(ring)
    }

    /// The key that signs now: the newest whose time has come. The first of all may have been made while a clock was ahead;
    /// it signs all the same.
    pub(super) fn signing_key(&self, now: UnixMillis) -> Option<&SigningKey> {
        let due = self.signing.iter().rev().find(|key| key.signs_from <= now);
        due.or(self.signing.first())
    }

    pub(super) fn verifying_key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.iter().find(|key| key.kid == kid)
    }

    /// What `/.well-known/jwks.json` publishes.
    pub fn jwks(&self) -> JwkSet {
        JwkSet {
            keys: self.verifying.iter().map(VerifyingKey::jwk).collect(),
        }
    }

    /// The id of the key that makes refresh tokens now.
    pub fn refresh_key_id(&self, now: UnixMillis) -> Option<u32> {
        let due = self.refresh.iter().rev().find(|key| key.signs_from <= now);
        due.or(self.refresh.first()).map(|key| key.id)
    }

    fn refresh_key(&self, id: u32) -> Option<&hmac::Key> {
        self.refresh
            .iter()
            .find(|key| key.id == id)
            .map(|key| &key.key)
    }

    /// HMAC-SHA256 of `message` under the refresh key `id`; `None` when there is no such key.
    pub fn refresh_mac(&self, id: u32, message: &[u8]) -> Option<[u8; 32]> {
        hmac::sign(self.refresh_key(id)?, message)
            .as_ref()
            .try_into()
            .ok()
    }

    /// Whether `mac` is that of `message`, compared in constant time.
    pub fn verify_refresh_mac(&self, id: u32, message: &[u8], mac: &[u8; 32]) -> bool {
        self.refresh_key(id)
            .is_some_and(|key| hmac::verify(key, message, mac).is_ok())
    }
}

fn public_key(pkcs8: &[u8]) -> Option<Vec<u8>> {
    Some(
        Ed25519KeyPair::from_pkcs8(pkcs8)
            .ok()?
            .public_key()
            .as_ref()
            .to_vec(),
    )
}

/// The key's thumbprint (RFC 7638 §3): the same key always has the same id.
fn thumbprint(public: &[u8]) -> String {
    let members = format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
        BASE64URL.encode(public)
    );
    BASE64URL.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

fn new_signing_key(sealer: &Sealer, rng: &Rng, now: UnixMillis) -> Result<KeyRow, KeyError> {
    let failed = || KeyError::Damaged("that was being made".to_owned());
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(rng).map_err(|_| failed())?;
    let kid = thumbprint(&public_key(pkcs8.as_ref()).ok_or_else(failed)?);
    let sealed = sealer.seal(KeyPurpose::Access, &kid, pkcs8.as_ref(), rng)?;
    Ok(KeyRow {
        id: kid,
        purpose: KeyPurpose::Access,
        algorithm: "EdDSA".to_owned(),
        sealed,
        created_at: now,
        signs_from: now,
    })
}

fn new_refresh_key(sealer: &Sealer, rng: &Rng, now: UnixMillis) -> Result<KeyRow, KeyError> {
    let id = format!("{:08x}", u32::from_be_bytes(random(rng)));
    let sealed = sealer.seal(KeyPurpose::Refresh, &id, &random::<32>(rng), rng)?;
    Ok(KeyRow {
        id,
        purpose: KeyPurpose::Refresh,
        algorithm: "HS256".to_owned(),
        sealed,
        created_at: now,
        signs_from: now,
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;

    fn sealed_row(sealer: &Sealer) -> KeyRow {
        new_refresh_key(sealer, &SystemRandom::new(), UnixMillis(0)).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_under_the_same_secret_only() {
        let row = sealed_row(&Sealer::new(&Secret::new("one")));
        assert_eq!(
            Sealer::new(&Secret::new("one")).open(&row).unwrap().len(),
            32
        );
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

    #[test]
    fn a_key_id_is_the_keys_thumbprint() {
        // The key and thumbprint of RFC 8037 Appendix A.3.
        let public = BASE64URL
            .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
            .unwrap();
        assert_eq!(
            thumbprint(&public),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }
}
