//! What the server and, natively, the browser's core say of a token.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::config::TokenSettings;
use countersign::tokens::{Claims, JwkSet, KeyRing, TokenError, Tokens};
use countersign::values::UnixMillis;
use serde::{Deserialize, Serialize};
use wasm_client::token::{Key, Rules, Token};

/// `iss` of good tokens.
pub const ISSUER: &str = "https://auth.example.com";
/// `aud` of good tokens.
pub const AUDIENCE: &str = "https://api.example.com";
/// Unix seconds.
pub const NOW: i64 = 1_800_000_000;
/// How far clocks may differ.
pub const LEEWAY_SECONDS: i64 = 30;

/// What a verifier says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// It is good.
    Accepted,
    /// It was good until its `exp`.
    TokenExpired,
    /// It never was.
    TokenInvalid,
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        UnixMillis(NOW * 1000)
    }
}

/// The server's check with the keys of a JWKS.
pub struct Server(Tokens);

impl Server {
    /// Trusts `keys`.
    pub fn new(keys: &JwkSet) -> Self {
        let settings = TokenSettings {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            access_ttl: Duration::from_secs(900),
        };
        let rng = Arc::new(aws_lc_rs::rand::SystemRandom::new());
        let ring = KeyRing::verifying(keys);
        Self(Tokens::new(ring, settings, Arc::new(Fixed), rng))
    }

    /// Its verdict, and the claims of a token that it accepts.
    pub fn judge(&self, token: &str) -> (Verdict, Option<Claims>) {
        match self.0.verify(token) {
            Ok(claims) => (Verdict::Accepted, Some(claims)),
            Err(TokenError::Expired) => (Verdict::TokenExpired, None),
            Err(TokenError::Invalid(_)) => (Verdict::TokenInvalid, None),
        }
    }
}

/// What the browser's core shows of a token.
#[derive(Deserialize)]
pub struct Shown<C> {
    /// Its header.
    pub header: Named,
    /// Its claims.
    pub claims: C,
}

/// The name of a key.
#[derive(Deserialize)]
pub struct Named {
    /// As the header says it.
    pub kid: Option<String>,
}

/// The core's verdict with the Ed25519 keys of `jwks`; keys of other algorithms are WebCrypto's.
pub fn core_verdict(jwks: &str, token: &str) -> Verdict {
    let Ok(token) = Token::decode(token) else {
        return Verdict::TokenInvalid;
    };
    let shown: Shown<serde::de::IgnoredAny> = serde_json::from_str(&token.to_json()).unwrap();
    let key = shown.header.kid.and_then(|kid| Key::find(jwks, &kid));
    let Some(Key::Ed25519(key)) = key else {
        return Verdict::TokenInvalid;
    };
    let rules = Rules {
        issuer: ISSUER,
        audience: AUDIENCE,
        now: NOW,
        leeway_seconds: LEEWAY_SECONDS,
    };
    match token.verify_ed25519(&key, &rules) {
        Ok(()) => Verdict::Accepted,
        Err(wasm_client::token::TokenError::Expired) => Verdict::TokenExpired,
        Err(wasm_client::token::TokenError::Invalid) => Verdict::TokenInvalid,
    }
}
