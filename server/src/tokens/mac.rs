//! Keyed hashes that only this server can make.

use aws_lc_rs::hmac;

use super::sealer::derive;
use crate::values::Secret;

/// HMAC-SHA256 under a key derived from `COUNTERSIGN_KEYS__SECRET` for one purpose.
pub struct Mac(hmac::Key);

impl Mac {
    /// The key for `purpose`: those of two purposes have nothing to do with each other.
    pub fn new(secret: &Secret, purpose: &'static str) -> Self {
        Self(derive(secret, purpose, hmac::HMAC_SHA256))
    }

    /// The mac of `message`.
    pub fn tag(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, message)
    }

    /// Whether `tag` is that of `message`, compared in constant time.
    pub fn verifies(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let secret = Secret::new("a secret of the tests, long enough");
        let (one, two) = (Mac::new(&secret, "one"), Mac::new(&secret, "two"));
        let tag = one.tag(b"message");
        assert!(one.verifies(b"message", tag.as_ref()));
        assert!(!one.verifies(b"another", tag.as_ref()));
        assert!(!two.verifies(b"message", tag.as_ref()));
    }
}
