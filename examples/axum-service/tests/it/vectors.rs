//! The tokens that every verifier of Countersign must judge alike.

use axum_service::{Refusal, RemoteKeys, Settings, Verifier};
use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::support::Issuer;

#[tokio::test]
async fn every_vector_is_judged_as_the_file_says() {
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
        judge_all(algorithm).await;
    }
}

/// A service is set to one algorithm, and refuses good tokens of another.
async fn judge_all(algorithm: Algorithm) {
    let file = include_str!("../../../../vectors/access-tokens.json");
    let vectors: Value = serde_json::from_str(file).unwrap();
    let rules = &vectors["rules"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let issuer = Issuer::with_jwks(vectors["keys"]["keys"].as_array().unwrap().clone()).await;
    let settings = Settings {
        issuer: text(&rules["issuer"]),
        audience: text(&rules["audience"]),
        algorithm,
        server: issuer.origin.clone(),
    };
    let url = format!("{}/.well-known/jwks.json", issuer.origin);
    let keys = RemoteKeys::new(reqwest::Client::new(), url, settings.algorithm);
    let verifier = Verifier::new(&settings, keys);

    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let now = rules["now"].as_u64().unwrap();
        let verdict = verifier.verify(&text(&case["token"]), now).await;
        let is_ours = case["algorithm"] == format!("{algorithm:?}");
        match is_ours && case["accept"].as_bool().unwrap() {
            true => assert!(verdict.is_ok(), "{}: {:?}", case["name"], verdict.err()),
            false => assert!(
                matches!(verdict, Err(Refusal::Invalid(_))),
                "{}: {verdict:?}",
                case["name"]
            ),
        }
    }
}
