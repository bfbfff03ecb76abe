//! The key that a token names, from a set of published keys (RFC 7517).

use super::json::Object;
use base64ct::{Base64UrlUnpadded, Encoding};
use std::ops::RangeInclusive;

/// Shorter RSA keys are refused (RFC 7518 §3.3), and longer ones would only cost time.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;
/// 2^16 < e < 2^256 (FIPS 186-5, appendix A.1.1): with an exponent of 1 anybody signs.
const EXPONENT_BYTES: RangeInclusive<usize> = 3..=32;

/// A public key with the only algorithm that it is used for (RFC 8725 §3.1). Its numbers are bytes, most significant first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// For EdDSA.
    Ed25519([u8; 32]),
    /// For ES256: a point that may not be on P-256.
    P256 {
        /// Its first coordinate.
        x: [u8; 32],
        /// Its second.
        y: [u8; 32],
    },
    /// For RS256.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
}

impl Key {
    /// Finds the key named `kid` in a JWKS; `None` when there is none that a token of ours may be verified with. A name that two
    /// keys have names none: which one is meant would be up to the reader.
    pub fn find(jwks: &str, kid: &str) -> Option<Self> {
        let set = Object::parse(jwks)?;
        let mut named = set
            .objects("keys")?
            .filter(|key| key.text("kid").as_deref() == Some(kid));
        let (key, other) = (named.next()?, named.next());
        let is_usable = other.is_none() && is_for_verifying(key)?;
        is_usable.then(|| Self::read(key)).flatten()
    }

    fn read(key: &Object) -> Option<Self> {
        let alg = key.optional("alg", Object::text)?;
        let alg = alg.as_deref();
        match (&*key.text("kty")?, key.text("crv").as_deref()) {
            ("OKP", Some("Ed25519")) if matches!(alg, None | Some("EdDSA" | "Ed25519")) => {
                Some(Self::Ed25519(bytes(key, "x")?.try_into().ok()?))
            }
            ("EC", Some("P-256")) if matches!(alg, None | Some("ES256")) => Some(Self::P256 {
                x: bytes(key, "x")?.try_into().ok()?,
                y: bytes(key, "y")?.try_into().ok()?,
            }),
            ("RSA", _) if matches!(alg, None | Some("RS256")) => {
                let (n, e) = (bytes(key, "n")?, bytes(key, "e")?);
                let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
                let is_strong = MODULUS_BITS.contains(&bits)
                    && *n.first()? != 0
                    && EXPONENT_BYTES.contains(&e.len())
                    && *e.first()? != 0
                    && e.last()? & 1 == 1;
                is_strong.then_some(Self::Rsa { n, e })
            }
            _ => None,
        }
    }

    /// The key as a JWK that has what WebCrypto needs and `alg`, and nothing else.
    pub fn to_json(&self) -> String {
        let text = Base64UrlUnpadded::encode_string;
        let (kind, first, second) = match self {
            Self::Ed25519(x) => (
                r#"{"alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":""#,
                text(x),
                None,
            ),
            Self::P256 { x, y } => (
                r#"{"alg":"ES256","kty":"EC","crv":"P-256","x":""#,
                text(x),
                Some((r#"","y":""#, text(y))),
            ),
            Self::Rsa { n, e } => (
                r#"{"alg":"RS256","kty":"RSA","n":""#,
                text(n),
                Some((r#"","e":""#, text(e))),
            ),
        };
        // Without `format!`, whose code is large to download.
        let (name, second) = second.unwrap_or_default();
        [kind, &first, name, &second, "\"}"].concat()
    }
}

/// Whether its owner says that it verifies signatures (RFC 7517 §4.2, §4.3); `None` when what they say is malformed. A private
/// key that was published proves nothing.
fn is_for_verifying(key: &Object) -> Option<bool> {
    let is_for_signatures = key.optional("use", Object::text)?.is_none_or(|is| is == "sig");
    let operations = key.optional("key_ops", Object::texts)?;
    let may_verify = operations.is_none_or(|names| {
        let is_unique = |name| names.iter().filter(|other| *other == name).count() == 1;
        names.iter().all(is_unique) && names.iter().any(|name| name == "verify")
    });
    key.optional("ext", Object::switch)?;
    Some(is_for_signatures && may_verify && !key.has("d"))
}

fn bytes(key: &Object, name: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(&key.text(name)?).ok()
}
