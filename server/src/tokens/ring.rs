//! The rings of keys: which one signs, and until when each is accepted.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::algorithm::{Algorithm, Prepared};
use super::folder::Stamp;
use super::keys::KeyError;
use super::verified::Verified;
use crate::storage::KeyPurpose;
use crate::values::UnixMillis;

/// Tokens are good for 30 s past their `exp`, and the clocks of verifiers differ: a key outlives what it signed by this much.
const MARGIN: Duration = Duration::from_secs(120);

/// A key and when it serves.
#[derive(Debug)]
pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) created_at: UnixMillis,
    /// It signs from then on, until the next one does.
    pub(super) signs_from: UnixMillis,
    /// Past this nothing is good that it signed; `None` of the newest key.
    pub(super) verifies_until: Option<UnixMillis>,
}

impl<K> Entry<K> {
    pub(super) fn verifies(&self, now: UnixMillis) -> bool {
        self.verifies_until.is_none_or(|until| now < until)
    }
}

/// Keys for one purpose, in the order in which they sign.
#[derive(Debug)]
pub(super) struct Ring<K>(Vec<Entry<K>>);

/// How far a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and will sign.
    Next,
    /// It signs.
    Signing,
    /// Another one signs; what it signed is accepted.
    Verifying,
    /// It is neither published nor accepted.
    Expired,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Expired => "expired",
        })
    }
}

impl<K> Ring<K> {
    /// `keys` are given oldest first, each with the times when it was made and from when it signs; what they sign lives for
    /// `life`.
    pub(super) fn new(
        keys: impl IntoIterator<Item = (UnixMillis, UnixMillis, K)>,
        life: Duration,
    ) -> Self {
        let mut entries: Vec<Entry<K>> = Vec::new();
        for (created_at, signs_from, key) in keys {
            if let Some(before) = entries.last_mut() {
                before.verifies_until = Some(signs_from + life + MARGIN);
            }
            entries.push(Entry {
                key,
                created_at,
                signs_from,
                verifies_until: None,
            });
        }
        Self(entries)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry<K>> {
        self.0.iter()
    }

    pub(super) fn newest(&self) -> Option<&Entry<K>> {
        self.0.last()
    }

    /// The place of the key that signs now: the newest whose time has come. The first of all may have been made while a clock was
    /// ahead; it signs all the same.
    fn signing_place(&self, now: UnixMillis) -> usize {
        let due = self.0.iter().rposition(|entry| entry.signs_from <= now);
        due.unwrap_or_default()
    }

    pub(super) fn signing(&self, now: UnixMillis) -> Option<&Entry<K>> {
        self.0.get(self.signing_place(now))
    }

    /// The key that will sign after the one that signs now.
    pub(super) fn next(&self, now: UnixMillis) -> Option<&Entry<K>> {
        self.0.get(self.signing_place(now) + 1)
    }

    /// Every key with its state.
    pub(super) fn states(&self, now: UnixMillis) -> impl Iterator<Item = (&Entry<K>, KeyState)> {
        let signing = self.signing_place(now);
        self.0.iter().enumerate().map(move |(place, entry)| {
            let state = match place {
                _ if place == signing => KeyState::Signing,
                _ if place > signing => KeyState::Next,
                _ if entry.verifies(now) => KeyState::Verifying,
                _ => KeyState::Expired,
            };
            (entry, state)
        })
    }
}

/// A key that access tokens are signed with and verified under.
pub(super) struct AccessKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
    /// `None` of a key whose private half is elsewhere.
    pub(super) encoding: Option<EncodingKey>,
    jwk: Option<Jwk>,
}

impl AccessKey {
    pub(super) fn new(kid: String, algorithm: Algorithm, prepared: Prepared) -> Self {
        let jwk = prepared.jwk.map(|mut jwk| {
            jwk.common.key_id = Some(kid.clone());
            jwk
        });
        Self {
            kid,
            algorithm,
            decoding: prepared.decoding,
            encoding: Some(prepared.encoding),
            jwk,
        }
    }

    fn verifying(jwk: &Jwk) -> Option<Self> {
        Some(Self {
            kid: jwk.common.key_id.clone()?,
            algorithm: Algorithm::of_jwk(jwk)?,
            decoding: DecodingKey::from_jwk(jwk).ok()?,
            encoding: None,
            jwk: Some(jwk.clone()),
        })
    }
}

/// A key that makes the mac of refresh tokens.
pub(super) struct RefreshKey {
    id: u32,
    key: hmac::Key,
}

impl RefreshKey {
    /// `id` is 8 hexadecimal digits.
    pub(super) fn new(id: &str, key: &[u8]) -> Result<Self, KeyError> {
        Ok(Self {
            id: u32::from_str_radix(id, 16).map_err(|_| KeyError::Damaged(id.to_owned()))?,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        })
    }
}

/// One line of `countersign keys list`.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// `kid` of a signing key, 8 hexadecimal digits of a refresh key.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// How far it has come.
    pub state: KeyState,
    /// When it was made; of a key file, when the file was written.
    pub created_at: UnixMillis,
    /// From when on it signs.
    pub signs_from: UnixMillis,
    /// Until when it is accepted; `None` of the newest.
    pub verifies_until: Option<UnixMillis>,
}

/// All keys that this node signs with and accepts.
pub struct KeyRing {
    pub(super) access: Ring<AccessKey>,
    pub(super) refresh: Ring<RefreshKey>,
    /// The files that the access keys came from, where they came from files.
    pub(super) files: Vec<Stamp>,
    /// What was signed by its keys, as far as it came by.
    pub(super) verified: Verified,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.access.iter().map(|entry| &entry.key.kid))
            .finish()
    }
}

impl KeyRing {
    /// A ring that verifies under published keys and signs nothing. Keys of algorithms that we do not sign with are left out.
    pub fn verifying(keys: &JwkSet) -> Self {
        let keys = keys.keys.iter().filter_map(AccessKey::verifying);
        let start = UnixMillis(0);
        Self {
            access: Ring::new(
                keys.map(|key| (start, start, key)),
                Duration::from_millis(u64::MAX),
            ),
            refresh: Ring::new([], Duration::ZERO),
            files: Vec::new(),
            verified: Verified::default(),
        }
    }

    pub(super) fn signing_key(&self, now: UnixMillis) -> Option<&AccessKey> {
        self.access.signing(now).map(|entry| &entry.key)
    }

    /// The key of that name, where what it signed is accepted.
    pub(super) fn verifying_key(&self, kid: &str, now: UnixMillis) -> Option<&Entry<AccessKey>> {
        let named = self.access.iter().find(|entry| entry.key.kid == kid)?;
        named.verifies(now).then_some(named)
    }

    /// What `/.well-known/jwks.json` publishes (RFC 7517 §5): every key that is accepted or will be. A secret is no part of it.
    pub fn jwks(&self, now: UnixMillis) -> JwkSet {
        let accepted = self.access.iter().filter(|entry| entry.verifies(now));
        JwkSet {
            keys: accepted.filter_map(|entry| entry.key.jwk.clone()).collect(),
        }
    }

    /// The id of the key that makes refresh tokens now.
    pub fn refresh_key_id(&self, now: UnixMillis) -> Option<u32> {
        self.refresh.signing(now).map(|entry| entry.key.id)
    }

    /// Needs no look at the time: what an old key made belongs to sessions that are over, and the key is deleted then.
    fn refresh_key(&self, id: u32) -> Option<&hmac::Key> {
        let named = self.refresh.iter().find(|entry| entry.key.id == id);
        named.map(|entry| &entry.key.key)
    }

    /// Whether there is such a refresh key.
    pub fn has_refresh_key(&self, id: u32) -> bool {
        self.refresh_key(id).is_some()
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

    /// All keys, oldest first, access before refresh.
    pub fn list(&self, now: UnixMillis) -> Vec<KeyStatus> {
        fn status<K>(
            (entry, state): (&Entry<K>, KeyState),
            purpose: KeyPurpose,
            id: String,
            algorithm: Algorithm,
        ) -> KeyStatus {
            KeyStatus {
                id,
                purpose,
                algorithm,
                state,
                created_at: entry.created_at,
                signs_from: entry.signs_from,
                verifies_until: entry.verifies_until,
            }
        }
        let access = self.access.states(now).map(|one| {
            let key = &one.0.key;
            status(one, KeyPurpose::Access, key.kid.clone(), key.algorithm)
        });
        let refresh = self.refresh.states(now).map(|one| {
            let id = format!("{:08x}", one.0.key.id);
            status(one, KeyPurpose::Refresh, id, Algorithm::Hs256)
        });
        access.chain(refresh).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(signs_from: &[i64]) -> Ring<usize> {
        let keys = signs_from.iter().enumerate();
        Ring::new(
            keys.map(|(name, at)| (UnixMillis(0), UnixMillis(*at), name)),
            Duration::from_millis(900),
        )
    }

    fn states(ring: &Ring<usize>, now: i64) -> Vec<KeyState> {
        ring.states(UnixMillis(now))
            .map(|(_, state)| state)
            .collect()
    }

    #[test]
    fn a_key_is_next_then_signs_then_verifies_then_is_over() {
        use KeyState::{Expired, Next, Signing, Verifying};
        let ring = ring(&[1_000, 5_000]);
        for (now, expected) in [
            (0, [Signing, Next]),
            (4_999, [Signing, Next]),
            (5_000, [Verifying, Signing]),
            (5_000 + 900 + 119_999, [Verifying, Signing]),
            (5_000 + 900 + 120_000, [Expired, Signing]),
        ] {
            assert_eq!(states(&ring, now), expected, "{now}");
        }
    }

    #[test]
    fn of_keys_with_the_same_time_the_last_signs() {
        let ring = ring(&[1_000, 1_000]);
        assert_eq!(ring.signing(UnixMillis(1_000)).unwrap().key, 1);
        assert_eq!(ring.signing(UnixMillis(0)).unwrap().key, 0);
        assert!(
            Ring::<usize>::new([], Duration::ZERO)
                .signing(UnixMillis(0))
                .is_none()
        );
    }
}
