//! Forged tokens and key sets: good ones with a few things changed that attackers change.

mod members;
mod pieces;
mod sets;
mod signatures;
mod spelling;
mod tokens;

use std::rc::Rc;

use fastrand::Rng;

use crate::keys::SigningKey;
use sets::Published;
use tokens::Draft;

/// The members of a JSON object, each value as JSON text.
type Members = Vec<(String, String)>;

/// The JSON text of an object.
pub fn object(members: &[(String, String)]) -> String {
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", text(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The JSON text of a JWKS (RFC 7517 §5) of these JWKs.
pub fn set(jwks: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A token, or a set of keys with a token, and what was changed in it.
pub struct Forged {
    /// What makes it other than good, in the order in which it was done.
    pub changes: Vec<&'static str>,
    /// The token.
    pub token: String,
    /// The JWKS, where it is not the one of [`Forger::jwks`].
    pub jwks: Option<String>,
}

/// Makes forged tokens out of a seed.
pub struct Forger {
    keys: Vec<Rc<SigningKey>>,
    attacker: Rc<SigningKey>,
    rng: Rng,
}

impl Forger {
    /// The same seed makes the same changes; the keys of ES256 and RS256 are others in each run.
    pub fn new(seed: u64) -> Self {
        Self {
            keys: vec![
                Rc::new(SigningKey::ed25519("current", 1)),
                Rc::new(SigningKey::ed25519("previous", 2)),
                Rc::new(SigningKey::p256("elliptic")),
                Rc::new(SigningKey::rsa("rsa")),
            ],
            attacker: Rc::new(SigningKey::ed25519("attacker", 3)),
            rng: Rng::with_seed(seed),
        }
    }

    /// The JWKS that verifiers trust.
    pub fn jwks(&self) -> String {
        let jwks: Vec<_> = self.keys.iter().map(|key| object(&key.jwk())).collect();
        set(&jwks)
    }

    /// A token with up to three changes.
    pub fn token(&mut self) -> Forged {
        let key = self.rng.choice(&self.keys).unwrap();
        let mut draft = Draft::good(key, &self.keys, &self.attacker);
        let changes = choose(
            &mut self.rng,
            &[members::CHANGES, spelling::CHANGES, signatures::CHANGES],
        );
        draft.run(&changes, &mut self.rng);
        Forged {
            changes: changes.into_iter().map(|change| change.name).collect(),
            token: draft.token,
            jwks: None,
        }
    }

    /// A JWKS with up to three changes in the key of the token, which is good or forged to fit it.
    pub fn set(&mut self) -> Forged {
        let key = self.rng.choice(&self.keys).unwrap();
        let mut good = Draft::good(key, &self.keys, &self.attacker);
        good.run(&[], &mut self.rng);
        let mut published = Published {
            jwk: key.jwk(),
            others: self.keys.iter().map(|key| key.jwk()).collect(),
            text: String::new(),
            token: good.token,
            message: good.parts.join("."),
        };
        published.others.retain(|jwk| *jwk != published.jwk);
        let changes = choose(&mut self.rng, &[sets::CHANGES]);
        for change in &changes {
            (change.apply)(&mut published, &mut self.rng);
        }
        Forged {
            changes: changes.into_iter().map(|change| change.name).collect(),
            token: published.token.clone(),
            jwks: Some(published.json(&mut self.rng)),
        }
    }
}

/// None seldom, one mostly.
fn choose<T>(rng: &mut Rng, from: &[&'static [Change<T>]]) -> Vec<&'static Change<T>> {
    let all: Vec<_> = from.iter().copied().flatten().collect();
    let count = [0, 1, 1, 1, 1, 1, 1, 2, 2, 3][rng.usize(..10)];
    let mut chosen: Vec<_> = (0..count).map(|_| all[rng.usize(..all.len())]).collect();
    chosen.sort_by_key(|change| change.stage);
    chosen
}

/// One thing that is changed in `T`, in the order of the stages.
struct Change<T> {
    name: &'static str,
    stage: Stage,
    apply: fn(&mut T, &mut Rng),
}

/// How far a token has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Members of header and claims.
    Members,
    /// Their JSON text.
    Text,
    /// Its base64url.
    Parts,
    /// The bytes of the signature.
    Signature,
    /// The whole token.
    Token,
}
