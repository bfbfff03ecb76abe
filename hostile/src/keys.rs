//! Keys to sign forged tokens with, one of each algorithm that the browser's core knows.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

/// A private key and its public half.
pub struct SigningKey {
    /// What tokens call it.
    pub kid: &'static str,
    /// The algorithm that it is for.
    pub alg: &'static str,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// The same in every run.
    pub fn ed25519(kid: &'static str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Self {
            kid,
            alg: "EdDSA",
            pair: Pair::Ed25519(pair),
        }
    }

    /// Another in each run.
    pub fn p256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid,
            alg: "ES256",
            pair: Pair::P256(pair),
        }
    }

    /// Another in each run.
    pub fn rsa(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self {
            kid,
            alg: "RS256",
            pair: Pair::Rsa(pair),
        }
    }

    /// Signs as `alg` says.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.sign_rsa_by(&RSA_PKCS1_SHA256, message)
            .unwrap_or_else(|| match &self.pair {
                Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
                Pair::P256(pair) => pair
                    .sign(&SystemRandom::new(), message)
                    .unwrap()
                    .as_ref()
                    .to_vec(),
                Pair::Rsa(_) => unreachable!("RSA has signed"),
            })
    }

    /// Signs by another scheme than the key is for; `None` when it is no RSA key.
    pub fn sign_rsa_by(&self, scheme: &'static dyn RsaEncoding, message: &[u8]) -> Option<Vec<u8>> {
        let Pair::Rsa(pair) = &self.pair else {
            return None;
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(scheme, &SystemRandom::new(), message, &mut signature)
            .unwrap();
        Some(signature)
    }

    /// The public numbers as a JWK names them (RFC 7518 §6, RFC 8037 §2).
    pub fn numbers(&self) -> Vec<(&'static str, Vec<u8>)> {
        match &self.pair {
            Pair::Ed25519(pair) => vec![("x", pair.public_key().as_ref().to_vec())],
            Pair::P256(pair) => {
                // An uncompressed point is 4, x, y (SEC 1 §2.3.3).
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                vec![("x", x.to_vec()), ("y", y.to_vec())]
            }
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                vec![("n", public.n), ("e", public.e)]
            }
        }
    }

    /// The members of the public JWK, each value as JSON text.
    pub fn jwk(&self) -> Vec<(String, String)> {
        let (kty, crv) = match &self.pair {
            Pair::Ed25519(_) => ("OKP", Some("Ed25519")),
            Pair::P256(_) => ("EC", Some("P-256")),
            Pair::Rsa(_) => ("RSA", None),
        };
        let mut members = vec![("kty", kty.to_owned())];
        members.extend(crv.map(|crv| ("crv", crv.to_owned())));
        members.extend([
            ("alg", self.alg.to_owned()),
            ("use", "sig".to_owned()),
            ("kid", self.kid.to_owned()),
        ]);
        let numbers = self.numbers().into_iter();
        members.extend(numbers.map(|(name, bytes)| (name, BASE64URL.encode(bytes))));
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), format!("{value:?}")))
            .collect()
    }
}
