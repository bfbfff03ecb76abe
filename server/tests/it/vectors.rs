//! The shared vectors: the server accepts and refuses what every other verifier does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::config::TokenSettings;
use countersign::tokens::{JwkSet, KeyRing, TokenError, Tokens};
use countersign::values::UnixMillis;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vectors {
    keys: JwkSet,
    rules: Rules,
    cases: Vec<Case>,
    own: Own,
    secret: Secret,
    rfc8725: BTreeMap<String, Vec<String>>,
}

/// What the server and the browser's core alone are held to.
#[derive(Deserialize)]
struct Own {
    cases: Vec<Case>,
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

impl Vectors {
    pub fn load() -> Self {
        let mut vectors: Self =
            serde_json::from_str(include_str!("../../../vectors/access-tokens.json")).unwrap();
        vectors.keys.keys.append(&mut vectors.secret.keys.keys);
        vectors.cases.append(&mut vectors.secret.cases);
        vectors.cases.append(&mut vectors.own.cases);
        vectors
    }

    /// The server's check, with the keys and rules of the vectors.
    pub fn verifier(&self) -> Tokens {
        let settings = TokenSettings {
            issuer: self.rules.issuer.clone(),
            audience: self.rules.audience.clone(),
            access_ttl: Duration::from_secs(900),
        };
        let rng = Arc::new(aws_lc_rs::rand::SystemRandom::new());
        let ring = KeyRing::verifying(&self.keys);
        Tokens::new(ring, settings, Arc::new(Fixed(self.rules.now)), rng)
    }

    pub fn token(&self, name: &str) -> &str {
        let case = self.cases.iter().find(|case| case.name == name);
        &case.unwrap_or_else(|| panic!("no vector {name}")).token
    }

    /// The tokens that break a section of RFC 8725, by name.
    pub fn breaking<'v>(&'v self, section: &str) -> impl Iterator<Item = (&'v str, &'v str)> {
        let names = self.rfc8725[section].iter();
        names.map(|name| (name.as_str(), self.token(name)))
    }
}

#[test]
fn the_server_agrees_with_the_vectors() {
    let vectors = Vectors::load();
    let tokens = vectors.verifier();
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
    assert!(vectors.cases.len() > 190);
}
