//! The shared vectors: the server accepts and refuses what every other verifier does.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::config::TokenSettings;
use countersign::tokens::{JwkSet, KeyRing, TokenError, Tokens};
use countersign::values::UnixMillis;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    keys: JwkSet,
    rules: Rules,
    cases: Vec<Case>,
    secret: Secret,
}

/// What only the server can judge.
#[derive(Deserialize)]
struct Secret {
    keys: JwkSet,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Rules {
    issuer: String,
    audience: String,
    now: i64,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    token: String,
    accept: bool,
    reason: Option<String>,
}

struct Fixed(i64);

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0 * 1000)
    }
}

#[test]
fn the_server_agrees_with_the_vectors() {
    let mut vectors: Vectors =
        serde_json::from_str(include_str!("../../../vectors/access-tokens.json")).unwrap();
    vectors.keys.keys.extend(vectors.secret.keys.keys);
    vectors.cases.extend(vectors.secret.cases);
    let ring = KeyRing::verifying(&vectors.keys);
    let settings = TokenSettings {
        issuer: vectors.rules.issuer,
        audience: vectors.rules.audience,
        access_ttl: Duration::from_secs(900),
    };
    let rng = Arc::new(aws_lc_rs::rand::SystemRandom::new());
    let tokens = Tokens::new(ring, settings, Arc::new(Fixed(vectors.rules.now)), rng);
    let mut wrong = Vec::new();
    for case in &vectors.cases {
        let reason = match tokens.verify(&case.token) {
            Ok(_) => None,
            Err(TokenError::Expired) => Some("TOKEN_EXPIRED"),
            Err(TokenError::Invalid(_)) => Some("TOKEN_INVALID"),
        };
        if reason != case.reason.as_deref() || case.accept != reason.is_none() {
            wrong.push(format!("{}: {reason:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(vectors.cases.len() > 170);
}
