//! The refresh token: `v1.<key id>.<session id>.<generation>.<mac>`.
//!
//! It is computed, not stored: the session's row holds a nonce and the current generation, and the mac proves that the server
//! issued this generation. So no table grows with refreshing, and a copy of the database signs nobody in.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use zeroize::Zeroizing;

use crate::tokens::KeyRing;
use crate::values::{Secret, SessionId};

/// A refresh token's parts, in their only spelling.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    key_id: u32,
    /// The session that it renews.
    pub session: SessionId,
    /// Which of the session's refresh tokens it is, from 1.
    pub generation: i64,
    mac: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RefreshToken({}, generation {}, [redacted])",
            self.session, self.generation
        )
    }
}

/// Longer than any refresh token can be.
const MAX_BYTES: usize = 160;

impl RefreshToken {
    /// Reads a token: key id as 8 lower-case hexadecimal digits, session id as lower-case UUID, generation as decimal from 1
    /// without leading zeros, mac as 32 bytes in unpadded base64url. Every other spelling is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let parts: Vec<&str> = text.split('.').collect();
        let ["v1", key_id, session, generation, mac] = parts[..] else {
            return None;
        };
        let token = Self {
            key_id: u32::from_str_radix(key_id, 16).ok()?,
            session: SessionId::parse(session)?,
            generation: generation
                .parse()
                .ok()
                .filter(|generation| *generation >= 1 && *generation < i64::MAX)?,
            mac: Zeroizing::new(BASE64URL.decode(mac).ok()?.try_into().ok()?),
        };
        (token.text() == text).then_some(token)
    }

    /// Makes the token of `generation`; `None` when the ring has no such key.
    pub fn issue(
        ring: &KeyRing,
        key_id: u32,
        session: SessionId,
        generation: i64,
        nonce: &str,
    ) -> Option<Self> {
        let mac = ring.refresh_mac(key_id, &message(key_id, session, generation, nonce)?)?;
        Some(Self {
            key_id,
            session,
            generation,
            mac: Zeroizing::new(mac),
        })
    }

    /// Whether it names a key of ours, which says nothing yet about who made it.
    pub fn is_of(&self, ring: &KeyRing) -> bool {
        ring.has_refresh_key(self.key_id)
    }

    /// Whether we issued it for the session that has this nonce. In constant time.
    pub fn is_authentic(&self, ring: &KeyRing, nonce: &str) -> bool {
        message(self.key_id, self.session, self.generation, nonce)
            .is_some_and(|message| ring.verify_refresh_mac(self.key_id, &message, &self.mac))
    }

    /// The token as it travels.
    pub fn expose(&self) -> Secret {
        Secret::new(self.text())
    }

    fn text(&self) -> String {
        let mac = BASE64URL.encode(*self.mac);
        format!(
            "v1.{:08x}.{}.{}.{mac}",
            self.key_id, self.session, self.generation
        )
    }
}

/// What the mac covers: every field at a fixed width, so that no two tokens have the same message.
fn message(key_id: u32, session: SessionId, generation: i64, nonce: &str) -> Option<Vec<u8>> {
    let nonce: [u8; 32] = BASE64URL.decode(nonce).ok()?.try_into().ok()?;
    let mut message = b"countersign/refresh/v1".to_vec();
    message.extend(key_id.to_be_bytes());
    message.extend(session.as_bytes());
    message.extend(generation.to_be_bytes());
    message.extend(nonce);
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v1.0a0b0c0d.01890a5d-ac96-774b-bcce-b302099a8057.12.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn a_token_has_one_spelling() {
        let token = RefreshToken::parse(GOOD).unwrap();
        assert_eq!(token.generation, 12);
        assert_eq!(token.expose().expose(), GOOD);
        for (from, to) in [
            ("v1.", "v2."),
            ("v1.", " v1."),
            ("0a0b0c0d", "0A0B0C0D"),
            ("0a0b0c0d", "+a0b0c0d"),
            ("0a0b0c0d", "a0b0c0d"),
            ("ac96", "AC96"),
            (".12.", ".012."),
            (".12.", ".+12."),
            (".12.", ".0."),
            (".12.", ".-1."),
            (".12.", ".9223372036854775808."),
            ("Hh8", "Hh9"),
            ("Hh8", "Hh8="),
            ("Hh8", "Hh"),
            ("Hh8", "Hh8.x"),
        ] {
            assert_eq!(
                RefreshToken::parse(&GOOD.replace(from, to)),
                None,
                "{from} → {to}"
            );
        }
        assert_eq!(RefreshToken::parse(""), None);
    }

    #[test]
    fn it_does_not_print_its_mac() {
        assert!(!format!("{:?}", RefreshToken::parse(GOOD).unwrap()).contains("AAEC"));
    }
}
