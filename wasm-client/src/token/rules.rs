//! The rules of a good token other than its signature.

use super::{Token, TokenError};

/// What a token is held against.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The only `iss` that is accepted, byte by byte.
    pub issuer: &'a str,
    /// What `aud` must be or contain.
    pub audience: &'a str,
    /// Unix seconds.
    pub now: i64,
    /// How far clocks may differ.
    pub leeway_seconds: i64,
}

/// The algorithm of a key. A token that names another is refused: the header never chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037); its header says `EdDSA` or, after RFC 9864, `Ed25519`.
    EdDsa,
    /// ECDSA with P-256 (RFC 7518 §3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 (RFC 7518 §3.3).
    Rs256,
    /// HMAC (RFC 7518 §3.2): only the server has the key, so here its claims alone can be checked.
    Hs256,
}

impl Algorithm {
    /// The algorithm of a header's name; `None` for any that no key here can have, `none` among them.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "HS256" => Some(Self::Hs256),
            _ => None,
        }
    }
}

impl Token<'_> {
    /// Checks header and claims for a key of `algorithm`.
    ///
    /// # Errors
    /// [`TokenError::Expired`] only when every other rule holds, so that it always means "renew".
    pub fn check(&self, algorithm: Algorithm, rules: &Rules<'_>) -> Result<(), TokenError> {
        let is_good = self.header_is_good(algorithm) && self.claims_are_good(rules);
        if !is_good {
            return Err(TokenError::Invalid);
        }
        if self.claims.exp.saturating_add(rules.leeway_seconds) <= rules.now {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    fn header_is_good(&self, algorithm: Algorithm) -> bool {
        // No extension is understood here, so any `crit` is one too many (RFC 7515 §4.1.11).
        !self.header.has_crit
            && self.header.kid.is_some()
            && self.header.typ.as_deref().is_some_and(is_access_token)
            && Algorithm::parse(&self.header.alg) == Some(algorithm)
    }

    fn claims_are_good(&self, rules: &Rules<'_>) -> bool {
        let claims = &self.claims;
        claims.iss == rules.issuer
            && claims.aud.iter().any(|audience| audience == rules.audience)
            && claims
                .nbf
                .is_none_or(|nbf| nbf <= rules.now.saturating_add(rules.leeway_seconds))
    }
}

/// `at+jwt`, in either form (RFC 9068 §4) and any case (media types have none, RFC 2045 §5.1).
fn is_access_token(typ: &str) -> bool {
    ["at+jwt", "application/at+jwt"]
        .iter()
        .any(|name| typ.eq_ignore_ascii_case(name))
}
