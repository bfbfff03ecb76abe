//! Tokens whose signature was found good, so that it is checked once: of the 55 µs that a check takes, this leaves 2.

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

use crate::values::{Identity, UnixMillis};

/// So many are remembered, at most 8 MB. Of those that do not fit the signature is checked again.
const MAX_TOKENS: usize = 32_768;

/// What stands in a token that was verified under the keys of one ring, by the SHA-256 of the whole token, its signature included.
///
/// A ring has its own, so nothing that a key verified outlives the ring which has it, and what is verified under an old ring
/// while a new one takes its place is never found.
pub(super) struct Verified(Cache<[u8; 32], Known>);

#[derive(Clone)]
struct Known {
    identity: Identity,
    good_until: UnixMillis,
}

impl Default for Verified {
    fn default() -> Self {
        Self(Cache::new(MAX_TOKENS))
    }
}

impl Verified {
    /// Whom the token speaks for, where it was verified and is good at `now`.
    pub(super) fn find(&self, token: &Fingerprint, now: UnixMillis) -> Option<Identity> {
        let known = self.0.get(&token.0)?;
        (now < known.good_until).then_some(known.identity)
    }

    /// Remembers a token that is good until then, as far as its claims and its key go.
    pub(super) fn remember(&self, token: &Fingerprint, identity: Identity, good_until: UnixMillis) {
        let known = Known {
            identity,
            good_until,
        };
        self.0.insert(token.0, known);
    }
}

/// What a token is found by: the token itself is kept nowhere.
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(fingerprint)
    }
}
