//! A token on its way from its members to its text.

use std::rc::Rc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use fastrand::Rng;

use super::{Change, Members, Stage, object, text};
use crate::keys::SigningKey;
use crate::verdict::{AUDIENCE, ISSUER, NOW};

pub(super) const HEADER: usize = 0;
pub(super) const CLAIMS: usize = 1;

pub(super) struct Draft {
    pub(super) key: Rc<SigningKey>,
    pub(super) keys: Vec<Rc<SigningKey>>,
    pub(super) attacker: Rc<SigningKey>,
    pub(super) signer: Signer,
    /// Header and claims.
    pub(super) members: [Members; 2],
    pub(super) texts: [Vec<u8>; 2],
    pub(super) parts: [String; 2],
    pub(super) signature: Vec<u8>,
    pub(super) token: String,
}

pub(super) enum Signer {
    Key(Rc<SigningKey>),
    /// HMAC-SHA256 under these bytes: a public key, taken for a secret.
    Secret(Vec<u8>),
    Pss,
    Sha512,
    Nobody,
}

impl Draft {
    pub(super) fn good(
        key: &Rc<SigningKey>,
        keys: &[Rc<SigningKey>],
        attacker: &Rc<SigningKey>,
    ) -> Self {
        let header = [
            ("typ", text("at+jwt")),
            ("alg", text(key.alg)),
            ("kid", text(key.kid)),
        ];
        let claims = [
            ("iss", text(ISSUER)),
            ("aud", text(AUDIENCE)),
            ("sub", text("01996f00-0000-7000-8000-000000000001")),
            ("client_id", text("countersign")),
            ("sid", text("01996f00-0000-7000-8000-000000000002")),
            ("ver", "1".to_owned()),
            ("role", text("USER")),
            ("iat", (NOW - 60).to_string()),
            ("exp", (NOW + 840).to_string()),
            ("jti", text("AAAAAAAAAAAAAAAAAAAAAA")),
            ("auth_time", (NOW - 60).to_string()),
        ];
        let owned = |members: &[(&str, String)]| {
            let members = members.iter();
            members
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect()
        };
        Self {
            key: Rc::clone(key),
            keys: keys.to_vec(),
            attacker: Rc::clone(attacker),
            signer: Signer::Key(Rc::clone(key)),
            members: [owned(&header), owned(&claims)],
            texts: Default::default(),
            parts: Default::default(),
            signature: Vec::new(),
            token: String::new(),
        }
    }

    /// Carries the draft through every stage and makes the changes of each at its end.
    pub(super) fn run(&mut self, changes: &[&Change<Draft>], rng: &mut Rng) {
        for stage in [
            Stage::Members,
            Stage::Text,
            Stage::Parts,
            Stage::Signature,
            Stage::Token,
        ] {
            self.reach(stage);
            for change in changes.iter().filter(|change| change.stage == stage) {
                (change.apply)(self, rng);
            }
        }
    }

    fn reach(&mut self, stage: Stage) {
        match stage {
            Stage::Members => {}
            Stage::Text => {
                self.texts = self
                    .members
                    .each_ref()
                    .map(|members| object(members).into_bytes());
            }
            Stage::Parts => self.parts = self.texts.each_ref().map(|text| BASE64URL.encode(text)),
            Stage::Signature => self.signature = self.sign(),
            Stage::Token => {
                let signature = BASE64URL.encode(&self.signature);
                self.token = format!("{}.{}.{signature}", self.parts[0], self.parts[1]);
            }
        }
    }

    fn sign(&self) -> Vec<u8> {
        let message = self.parts.join(".").into_bytes();
        let by = |scheme| self.key.sign_rsa_by(scheme, &message).unwrap_or_default();
        match &self.signer {
            Signer::Key(key) => key.sign(&message),
            Signer::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, &message).as_ref().to_vec()
            }
            Signer::Pss => by(&RSA_PSS_SHA256),
            Signer::Sha512 => by(&RSA_PKCS1_SHA512),
            Signer::Nobody => Vec::new(),
        }
    }

    pub(super) fn set(&mut self, part: usize, name: &str, value: &str) {
        let members = &mut self.members[part];
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => members.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// One of two parts, the claims more often.
pub(super) fn part(rng: &mut Rng) -> usize {
    if rng.u8(..3) == 0 { HEADER } else { CLAIMS }
}
