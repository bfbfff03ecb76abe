//! The algorithms that access tokens may be signed with, and what each needs of a key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
    RsaPublicKeyComponents,
};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::clock::{Rng, random};
use crate::values::Mismatch;

/// An algorithm of a signing key. There are no others, so neither `none` nor a mixture can be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037 §3.1).
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4); the signature is `r ‖ s` of 64 bytes.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// HMAC with SHA-256 (RFC 7518 §3.2): whoever can check a token can sign one.
    Hs256,
}

/// 128 bits of strength, as the other algorithms have. 2048 bits have 112, which NIST ends with 2030 (SP 800-57 part 1, tables 2
/// and 4) and BSI ended with 2023 (TR-02102-1).
const RSA_SIZE: KeySize = KeySize::Rsa3072;

/// RFC 8410 §3, RFC 5480 §2.1.1, RFC 8017 appendix A.1.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A private key: PKCS#8 in DER (RFC 5958), or the 32 bytes of an HS256 secret.
pub(super) type PrivateKey = Zeroizing<Vec<u8>>;

/// A key made ready for use, once.
pub(super) struct Prepared {
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    /// The public half, without a `kid`; `None` of a secret.
    pub(super) jwk: Option<Jwk>,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// The JOSE name (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// Whether a header may call it `name`. Ed25519 has a second one (RFC 9864 §2.2).
    pub(super) fn is_named(self, name: &str) -> bool {
        name == self.as_str() || (self == Self::EdDsa && name == "Ed25519")
    }

    /// The algorithm of a key in PKCS#8; `None` for keys that we sign nothing with.
    pub(super) fn of_pkcs8(der: &[u8]) -> Option<Self> {
        match PrivateKeyInfoRef::try_from(der).ok()?.algorithm.oid {
            ED25519 => Some(Self::EdDsa),
            EC_PUBLIC_KEY => Some(Self::Es256),
            RSA_ENCRYPTION => Some(Self::Rs256),
            _ => None,
        }
    }

    /// The algorithm of a published key; `None` where its `alg` is none of ours or contradicts the rest.
    pub(super) fn of_jwk(jwk: &Jwk) -> Option<Self> {
        match (jwk.common.key_algorithm?, &jwk.algorithm) {
            (KeyAlgorithm::EdDSA, AlgorithmParameters::OctetKeyPair(_)) => Some(Self::EdDsa),
            (KeyAlgorithm::ES256, AlgorithmParameters::EllipticCurve(key)) => {
                (key.curve == EllipticCurve::P256).then_some(Self::Es256)
            }
            (KeyAlgorithm::RS256, AlgorithmParameters::RSA(_)) => Some(Self::Rs256),
            (KeyAlgorithm::HS256, AlgorithmParameters::OctetKey(_)) => Some(Self::Hs256),
            _ => None,
        }
    }

    /// A new private key. RSA takes its time: not for a thread that others wait for.
    pub(super) fn generate(self, rng: &Rng) -> Option<PrivateKey> {
        let bytes = match self {
            Self::EdDsa => Ed25519KeyPair::generate_pkcs8(rng).ok()?.as_ref().to_vec(),
            Self::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, rng)
                .ok()?
                .as_ref()
                .to_vec(),
            Self::Rs256 => {
                let pair = RsaKeyPair::generate(RSA_SIZE).ok()?;
                let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                der.as_ref().to_vec()
            }
            Self::Hs256 => random::<32>(rng).to_vec(),
        };
        Some(Zeroizing::new(bytes))
    }

    /// Makes a private key ready for use; `None` when it is none of this algorithm.
    pub(super) fn prepare(self, key: &[u8]) -> Option<Prepared> {
        let (encoding, decoding) = match self {
            Self::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(key).ok()?;
                let public = DecodingKey::from_ed_der(pair.public_key().as_ref());
                (EncodingKey::from_ed_der(key), public)
            }
            Self::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).ok()?;
                let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
                (EncodingKey::from_ec_der(key), public)
            }
            Self::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(key).ok()?;
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                // jsonwebtoken wants the PKCS#1 key within.
                let inner = PrivateKeyInfoRef::try_from(key).ok()?.private_key;
                let public = DecodingKey::from_rsa_raw_components(&n, &e);
                (EncodingKey::from_rsa_der(inner.as_bytes()), public)
            }
            Self::Hs256 => {
                let is_long = key.len() >= 32;
                is_long.then(|| (EncodingKey::from_secret(key), DecodingKey::from_secret(key)))?
            }
        };
        let jwk = match self {
            Self::Hs256 => None,
            _ => {
                let mut jwk = Jwk::from_decoding_key(&decoding, Some(self.into())).ok()?;
                jwk.common.public_key_use = Some(PublicKeyUse::Signature);
                Some(jwk)
            }
        };
        Some(Prepared {
            encoding,
            decoding,
            jwk,
        })
    }
}

impl Prepared {
    /// The public key's thumbprint (RFC 7638), which is its `kid`. A secret has none: it would let everyone test guesses at it.
    pub(super) fn thumbprint(&self) -> Option<String> {
        self.jwk.as_ref()?.thumbprint(ThumbprintHash::SHA256).ok()
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDsa => Self::EdDSA,
            Algorithm::Es256 => Self::ES256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Hs256 => Self::HS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = Mismatch;
    fn from_str(name: &str) -> Result<Self, Mismatch> {
        let named = Self::ALL.into_iter().find(|one| one.as_str() == name);
        named.ok_or(Mismatch("EdDSA, ES256, RS256 or HS256"))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;

    #[test]
    fn a_key_id_is_the_keys_thumbprint() {
        // The keys and thumbprints of RFC 8037 appendix A.3 and RFC 7638 §3.1.
        let rsa = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        for (decoding, thumbprint) in [
            (
                DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
                "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            ),
            (
                DecodingKey::from_rsa_components(rsa, "AQAB"),
                "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            ),
        ] {
            let jwk = Jwk::from_decoding_key(&decoding.unwrap(), None).unwrap();
            assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), thumbprint);
        }
    }

    #[test]
    fn a_key_is_of_one_algorithm() {
        let rng = SystemRandom::new();
        for algorithm in Algorithm::ALL {
            let key = algorithm.generate(&rng).unwrap();
            let prepared = algorithm.prepare(&key).unwrap();
            let expected = (algorithm != Algorithm::Hs256).then_some(algorithm);
            assert_eq!(Algorithm::of_pkcs8(&key), expected);
            assert_eq!(prepared.jwk.as_ref().and_then(Algorithm::of_jwk), expected);
            assert_eq!(prepared.thumbprint().is_some(), expected.is_some());
            for other in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
                assert_eq!(other.prepare(&key).is_some(), other == algorithm);
            }
        }
        assert!(Algorithm::Hs256.prepare(&[1; 31]).is_none());
    }

    #[test]
    fn there_is_no_other_algorithm() {
        for name in [
            "none", "None", "", "HS512", "ES384", "PS256", "eddsa", "Ed25519",
        ] {
            assert!(name.parse::<Algorithm>().is_err(), "{name}");
        }
    }
}
