//! An issuer whose keys the test holds: every token is signed properly, so that a refusal has the one cause under test.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use axum::{Json, Router, http::StatusCode, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

/// Whom the tokens are for.
pub const AUDIENCE: &str = "https://api.example.com";

/// A key pair of the issuer.
pub struct Key {
    pub kid: &'static str,
    pub algorithm: Algorithm,
    encoding: EncodingKey,
}

impl Key {
    pub fn ed25519(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self {
            kid,
            algorithm: Algorithm::EdDSA,
            encoding: EncodingKey::from_ed_der(der.as_ref()),
        }
    }

    pub fn p256(kid: &'static str) -> Self {
        let rng = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        Self {
            kid,
            algorithm: Algorithm::ES256,
            encoding: EncodingKey::from_ec_der(der.as_ref()),
        }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }
}

/// The header of a good token.
pub fn header(key: &Key) -> Value {
    json!({ "typ": "at+jwt", "alg": key.algorithm, "kid": key.kid })
}

/// The claims of a good token.
pub fn claims(issuer: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = now.as_secs();
    json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "user-1", "client_id": "countersign", "sid": "session-1", "ver": 1,
        "role": "USER", "iat": now, "exp": now + 900, "jti": "token-1", "auth_time": now,
    })
}

/// Signs whatever it is given.
pub fn token(key: &Key, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = crypto::sign(message.as_bytes(), &key.encoding, key.algorithm).unwrap();
    format!("{message}.{signature}")
}

/// A served JWKS, whose keys change and which fails on request.
pub struct Issuer {
    pub origin: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    keys: Mutex<Vec<Value>>,
    is_down: AtomicBool,
    fetches: AtomicUsize,
}

impl Issuer {
    pub async fn start(keys: &[&Key]) -> Self {
        let jwks = keys.iter().map(|key| key.jwk()).collect();
        Self::with_jwks(jwks).await
    }

    pub async fn with_jwks(keys: Vec<Value>) -> Self {
        let state = Arc::new(State::default());
        *state.keys.lock().unwrap() = keys;
        let answer = {
            let state = state.clone();
            async move || {
                state.fetches.fetch_add(1, Ordering::SeqCst);
                let keys = state.keys.lock().unwrap().clone();
                match state.is_down.load(Ordering::SeqCst) {
                    true => Err(StatusCode::BAD_GATEWAY),
                    false => Ok(Json(json!({ "keys": keys }))),
                }
            }
        };
        let router = Router::new().route("/.well-known/jwks.json", get(answer));
        let origin = super::serve(router).await;
        Self { origin, state }
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[&Key]) {
        *self.state.keys.lock().unwrap() = keys.iter().map(|key| key.jwk()).collect();
    }

    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often the keys were asked for.
    pub fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// A good token of `key`.
    pub fn good(&self, key: &Key) -> String {
        token(key, &header(key), &claims(&self.origin))
    }
}
