//! The key that a token names, from a set of published keys (RFC 7517).

use super::json::Object;
use base64ct::{Base64UrlUnpadded, Encoding};
use std::ops::RangeInclusive;

/// Shorter RSA keys are refused (RFC 7518 §3.3), and longer ones would only cost time.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;
/// 2^16 < e < 2^256 (FIPS 186-5, appendix A.1.1): with an exponent of 1 anybody signs.
const EXPONENT_BYTES: RangeInclusive<usize> = 3..=32;

/// The members of private and secret keys (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

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
    let is_for_signatures = key
        .optional("use", Object::text)?
        .is_none_or(|is| is == "sig");
    let operations = key.optional("key_ops", Object::texts)?;
    // WebCrypto takes a public key for nothing else (Web Cryptography API, "importKey" of each algorithm).
    let may_verify = operations.is_none_or(|names| names == ["verify"]);
    key.optional("ext", Object::switch)?;
    let is_public = !PRIVATE.iter().any(|name| key.has(name));
    Some(is_for_signatures && may_verify && is_public)
}

fn bytes(key: &Object, name: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(&key.text(name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn find(jwk: &str) -> Option<Key> {
        Key::find(&format!(r#"{{"keys":[{jwk}]}}"#), "it")
    }

    fn rsa(n: &[u8], e: &str) -> Option<Key> {
        let n = Base64UrlUnpadded::encode_string(n);
        find(&format!(
            r#"{{"kid":"it","kty":"RSA","n":"{n}","e":"{e}"}}"#
        ))
    }

    #[test]
    fn what_is_found_is_found_in_its_own_json() {
        let p256 = format!(r#"{{"kid":"it","kty":"EC","crv":"P-256","x":"{X}","y":"{X}"}}"#);
        let ed25519 = format!(r#"{{"kid":"it","kty":"OKP","crv":"Ed25519","x":"{X}"}}"#);
        for key in [find(&ed25519), find(&p256), rsa(&[0xff; 256], "AQAB")] {
            let json = key.as_ref().expect("a key").to_json();
            assert_eq!(find(&json.replacen('{', r#"{"kid":"it","#, 1)), key);
        }
    }

    #[test]
    fn a_name_that_two_keys_have_names_none() {
        let jwk = format!(r#"{{"kid":"it","kty":"OKP","crv":"Ed25519","x":"{X}"}}"#);
        assert!(find(&jwk).is_some());
        assert_eq!(find(&format!("{jwk},{jwk}")), None);
        assert_eq!(find(&format!(r#"{jwk},{{"kid":"it"}}"#)), None);
    }

    #[test]
    fn rsa_keys_have_2048_to_8192_bits_and_a_large_odd_exponent() {
        assert!(rsa(&[0xff; 1024], "AQAB").is_some());
        assert!(rsa(&[&[1][..], &[0; 256]].concat(), "AQAB").is_some());
        assert_eq!(rsa(&[0x7f; 256], "AQAB"), None);
        assert_eq!(rsa(&[0xff; 1025], "AQAB"), None);
        assert_eq!(rsa(&[&[0][..], &[0xff; 256]].concat(), "AQAB"), None);
        for e in ["", "AQ", "Aw", "AQAA", "AAAB", "AQAB=", "!"] {
            assert_eq!(rsa(&[0xff; 256], e), None, "{e}");
        }
    }

    #[test]
    fn a_key_for_something_else_is_none() {
        for more in [
            r#""use":"enc""#,
            r#""use":null"#,
            r#""alg":"ES256""#,
            r#""alg":["EdDSA"]"#,
            r#""key_ops":[]"#,
            r#""key_ops":["verify","verify"]"#,
            r#""key_ops":["verify","sign"]"#,
            r#""key_ops":"verify""#,
            r#""ext":"true""#,
            r#""d":"AAAA""#,
            r#""oth":[]"#,
        ] {
            let jwk = format!(r#"{{"kid":"it","kty":"OKP","crv":"Ed25519","x":"{X}",{more}}}"#);
            assert_eq!(find(&jwk), None, "{more}");
        }
    }
}
