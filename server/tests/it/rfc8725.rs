//! RFC 8725 (JSON Web Token Best Current Practices), section by section: what breaks one is refused. The browser's core has the
//! same sections in wasm-client/npm/test/rfc8725.test.ts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use countersign::config::{Flags, Settings, Variables};
use countersign::sessions::RefreshToken;
use countersign::tokens::{Algorithm, TokenError};

use serde_json::Value;

use crate::support::TestApp;
use crate::vectors::Vectors;

/// Every vector of the section is refused, and not for its age.
fn refused(section: &str) {
    let vectors = Vectors::load();
    let tokens = vectors.verifier();
    tokens.verify(vectors.token("good")).unwrap();
    let breaking: Vec<_> = vectors.breaking(section).collect();
    assert!(!breaking.is_empty(), "no vector breaks section {section}");
    for (name, token) in breaking {
        let verdict = tokens.verify(token);
        assert!(
            matches!(verdict, Err(TokenError::Invalid(_))),
            "{name}: {verdict:?}"
        );
    }
}

#[test]
fn section_3_1_the_algorithm_is_that_of_the_key() {
    refused("3.1");
}

#[test]
fn section_3_2_only_appropriate_algorithms() {
    refused("3.2");
    for name in ["none", "RS384", "ES384", "PS256", "RSA1_5", "HS512"] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
}

#[test]
fn section_3_3_every_signature_is_checked() {
    refused("3.3");
}

#[test]
fn section_3_4_numbers_of_signatures_are_checked() {
    refused("3.4");
}

#[test]
fn section_3_5_secrets_have_enough_entropy() {
    let is_refused = |profile: &str, secret: &str| {
        let variables = [
            ("COUNTERSIGN_PROFILE".into(), profile.into()),
            ("COUNTERSIGN_KEYS__SECRET".into(), secret.into()),
        ];
        let loaded = Settings::load_from(&Flags::default(), &Variables::from(variables));
        let faults = loaded.err().map_or_else(Vec::new, |faults| faults.faults);
        faults.iter().any(|fault| fault.key == "keys.secret")
    };
    let good = "kDq0H3mZ5s7Vw2XbT9cR4yNfLg8JpAeU";
    for profile in ["development", "production"] {
        assert!(!is_refused(profile, good), "{profile}");
        assert!(is_refused(profile, &good[1..]), "{profile}");
    }
    for dull in ["x".repeat(32), "abcdefg".repeat(5)] {
        assert!(is_refused("production", &dull), "{dull}");
    }
}

/// RFC 9068 §2.2 and §6: what services need, and nothing of the person.
#[tokio::test]
async fn rfc_9068_section_2_2_a_token_holds_these_claims_and_no_others() {
    let app = TestApp::builder().on_sqlite().await;
    let ana = app.register("ana@example.com").await;
    let names = |part: usize| {
        let json = BASE64URL.decode(ana.access_token.split('.').nth(part).unwrap());
        let object: BTreeMap<String, Value> = serde_json::from_slice(&json.unwrap()).unwrap();
        object.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["alg", "kid", "typ"]);
    assert_eq!(
        names(1),
        [
            "aud",
            "auth_time",
            "client_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "role",
            "sid",
            "sub",
            "ver"
        ]
    );
}

#[test]
fn section_3_6_nothing_is_encrypted_or_decompressed() {
    refused("3.6");
}

#[test]
fn section_3_7_json_is_utf_8() {
    refused("3.7");
}

#[test]
fn section_3_8_issuer_and_subject_are_checked() {
    refused("3.8");
}

#[test]
fn section_3_9_the_audience_is_checked() {
    refused("3.9");
}

#[test]
fn section_3_10_what_a_token_says_finds_no_keys() {
    refused("3.10");
}

#[test]
fn section_3_11_the_type_is_explicit() {
    refused("3.11");
}

#[test]
fn section_3_12_no_other_kind_of_token_passes() {
    refused("3.12");
    let vectors = Vectors::load();
    assert_eq!(RefreshToken::parse(vectors.token("good")), None);
    let refresh = "v1.0a0b0c0d.01890a5d-ac96-774b-bcce-b302099a8057.12.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert!(RefreshToken::parse(refresh).is_some());
    let verdict = vectors.verifier().verify(refresh);
    assert!(matches!(verdict, Err(TokenError::Invalid(_))));
}
