//! The shared vectors, and that what we accept is a subset of what jwt-compact's own reader accepts.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::alg::{Ed25519, VerifyingKey};
use jwt_compact::{AlgorithmExt, Empty, UntrustedToken};
use serde_json::Value;
use wasm_client::token::{Algorithm, Rules, Token, TokenError};

struct Vectors(Value);

/// The claims may hold numbers that serde_json has no type for.
#[derive(serde::Deserialize)]
struct Shown {
    header: serde_json::Map<String, Value>,
}

impl Vectors {
    fn load() -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/access-tokens.json");
        let text = std::fs::read_to_string(file).expect("vectors/access-tokens.json is there");
        Self(serde_json::from_str(&text).expect("it is JSON"))
    }

    fn cases(&self) -> &[Value] {
        self.0["cases"].as_array().expect("cases")
    }

    fn rules(&self) -> Rules<'_> {
        let rules = &self.0["rules"];
        Rules {
            issuer: rules["issuer"].as_str().expect("issuer"),
            audience: rules["audience"].as_str().expect("audience"),
            now: rules["now"].as_i64().expect("now"),
            leeway_seconds: rules["leewaySeconds"].as_i64().expect("leewaySeconds"),
        }
    }

    /// The JWK that the token's `kid` names; like TypeScript, which has the JWKS.
    fn jwk(&self, token: &Token<'_>) -> Option<&Value> {
        let shown: Shown = serde_json::from_str(&token.to_json()).expect("it is JSON");
        let kid = shown.header.get("kid")?.as_str()?;
        let keys = self.0["keys"]["keys"].as_array().expect("keys");
        keys.iter().find(|key| key["kid"] == kid)
    }

    /// The raw bytes of the Ed25519 key that the token's `kid` names.
    fn key(&self, token: &Token<'_>) -> Option<Vec<u8>> {
        let jwk = self.jwk(token).filter(|jwk| jwk["alg"] == "EdDSA")?;
        Some(Base64UrlUnpadded::decode_vec(text(jwk, "x")).expect("base64url"))
    }

    /// Whether the token names a key whose signatures TypeScript verifies; the rules are judged here all the same.
    fn other_algorithm(&self, token: &str) -> Option<Algorithm> {
        let jwk = self.jwk(&Token::decode(token).ok()?)?;
        Algorithm::parse(text(jwk, "alg")).filter(|algorithm| *algorithm != Algorithm::EdDsa)
    }

    fn verify(&self, token: &str) -> Result<(), TokenError> {
        let token = Token::decode(token)?;
        let key = self.key(&token).ok_or(TokenError::Invalid)?;
        token.verify_ed25519(&key, &self.rules())
    }
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {case}"))
}

#[test]
fn every_vector_is_accepted_or_refused_as_it_says() {
    let vectors = Vectors::load();
    let own = vectors.0["own"]["cases"].as_array().expect("own cases");
    assert!(vectors.cases().len() > 100);
    for case in vectors.cases().iter().chain(own) {
        let expected = match (case["accept"].as_bool(), case["reason"].as_str()) {
            (Some(true), None) => Ok(()),
            (Some(false), Some("TOKEN_EXPIRED")) => Err(TokenError::Expired),
            (Some(false), Some("TOKEN_INVALID")) => Err(TokenError::Invalid),
            other => panic!("{}: {other:?}", case["name"]),
        };
        let token = text(case, "token");
        let verdict = match vectors.other_algorithm(token) {
            // Its signature may be bad.
            Some(_) if expected == Err(TokenError::Invalid) => continue,
            Some(algorithm) => {
                let decoded = Token::decode(token).expect("well-formed");
                decoded.check(algorithm, &vectors.rules())
            }
            None => vectors.verify(token),
        };
        assert_eq!(verdict, expected, "{}", case["name"]);
    }
}

#[test]
fn what_we_accept_jwt_compact_accepts_too() {
    let vectors = Vectors::load();
    for case in vectors.cases().iter().filter(|case| case["accept"] == true) {
        let token = text(case, "token");
        if vectors.other_algorithm(token).is_some() {
            continue;
        }
        let key = vectors
            .key(&Token::decode(token).expect("good"))
            .expect("known kid");
        let key = VerifyingKey::<Ed25519>::from_slice(&key).expect("32 bytes");
        let token: UntrustedToken<'_> = token.try_into().expect("well-formed");
        let verified = match token.algorithm() {
            "Ed25519" => Ed25519::with_specific_name()
                .validator::<Empty>(&key)
                .validate(&token)
                .is_ok(),
            _ => Ed25519.validator::<Empty>(&key).validate(&token).is_ok(),
        };
        assert!(verified, "{}", case["name"]);
    }
}

#[test]
fn the_algorithm_of_the_key_decides() {
    let vectors = Vectors::load();
    let good = Token::decode(text(&vectors.cases()[0], "token")).expect("good");
    assert_eq!(good.check(Algorithm::EdDsa, &vectors.rules()), Ok(()));
    assert_eq!(
        good.check(Algorithm::Es256, &vectors.rules()),
        Err(TokenError::Invalid)
    );
    assert_eq!(
        good.check(Algorithm::Rs256, &vectors.rules()),
        Err(TokenError::Invalid)
    );
}

#[test]
fn a_key_of_another_length_verifies_nothing() {
    let vectors = Vectors::load();
    let good = Token::decode(text(&vectors.cases()[0], "token")).expect("good");
    for length in [0, 31, 33, 64] {
        assert_eq!(
            good.verify_ed25519(&vec![1; length], &vectors.rules()),
            Err(TokenError::Invalid)
        );
    }
}

#[test]
fn the_json_of_a_token_is_what_its_issuer_wrote() {
    let vectors = Vectors::load();
    let good = Token::decode(text(&vectors.cases()[0], "token")).expect("good");
    let decoded: Value = serde_json::from_str(&good.to_json()).expect("it is JSON");
    assert_eq!(decoded["header"]["typ"], "at+jwt");
    assert_eq!(decoded["claims"]["iss"], vectors.rules().issuer);
}

/// Every single-character change of a good token is refused, and none panics.
#[test]
fn no_good_token_has_a_neighbour() {
    let vectors = Vectors::load();
    let good = text(&vectors.cases()[0], "token");
    for (at, _) in good.char_indices() {
        for other in ['A', '_', '.', '=', 'é'] {
            let mut changed = good.to_owned();
            changed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
            if changed != good {
                assert_eq!(
                    vectors.verify(&changed),
                    Err(TokenError::Invalid),
                    "{at} {other}"
                );
            }
        }
    }
}
