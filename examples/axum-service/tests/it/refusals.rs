//! What is refused, and how (RFC 6750 §3). Every token but the forged ones is signed properly.

use axum_service::Settings;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::{Value, json};

use crate::support::{Issuer, Key, Service, answer, claims, header, token};

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[tokio::test]
async fn a_fault_in_a_token_that_is_signed_properly_is_401() {
    let (key, other) = (Key::ed25519("a"), Key::p256("b"));
    let issuer = Issuer::start(&[&key, &other]).await;
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    let (header_a, claims) = (header(&key), claims(&issuer.origin));
    assert_eq!(service.status(&issuer.good(&key)).await, 200);

    let now = claims["iat"].as_u64().unwrap();
    let in_header = |name, value| token(&key, &with(header_a.clone(), name, value), &claims);
    let in_claims = |name, value| token(&key, &header_a, &with(claims.clone(), name, value));
    for (fault, token, why) in [
        ("expired", in_claims("exp", json!(now - 60)), "expired"),
        (
            "too early",
            in_claims("nbf", json!(now + 60)),
            "not valid yet",
        ),
        (
            "audience",
            in_claims("aud", json!("https://x.example")),
            "wrong aud",
        ),
        (
            "issuer",
            in_claims("iss", json!("https://x.example")),
            "wrong iss",
        ),
        ("an ID token", in_header("typ", json!("JWT")), "wrong typ"),
        ("crit", in_header("crit", json!(["exp"])), "crit"),
        ("unknown kid", in_header("kid", json!("c")), "unknown key"),
        ("another key's", in_header("kid", json!("b")), "unknown key"),
        (
            "other algorithm",
            token(&other, &header(&other), &claims),
            "wrong alg",
        ),
    ] {
        let expected =
            format!(r#"Bearer realm="reports", error="invalid_token", error_description="{why}""#);
        assert_eq!(service.get("/me", &token).await, (401, expected), "{fault}");
    }
    for (typ, name) in [("application/at+jwt", "EdDSA"), ("AT+JWT", "Ed25519")] {
        let good = json!({ "typ": typ, "alg": name, "kid": "a" });
        assert_eq!(service.status(&token(&key, &good, &claims)).await, 200);
    }
}

#[tokio::test]
async fn a_forged_token_is_401() {
    let key = Key::ed25519("a");
    let issuer = Issuer::start(&[&key]).await;
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    let good = issuer.good(&key);
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| BASE64URL.encode(value.to_string());
    let admin = encode(&with(claims(&issuer.origin), "role", json!("ADMIN")));

    let none = encode(&with(header(&key), "alg", json!("none")));
    let hs256 = format!(
        "{}.{admin}",
        encode(&with(header(&key), "alg", json!("HS256")))
    );
    let jwk = key.jwk();
    let public = BASE64URL.decode(jwk["x"].as_str().unwrap()).unwrap();
    // Key confusion: the public key, in each form, taken for an HMAC secret.
    let confused = |secret: &[u8]| {
        let secret = EncodingKey::from_secret(secret);
        let signature = crypto::sign(hs256.as_bytes(), &secret, Algorithm::HS256).unwrap();
        format!("{hs256}.{signature}")
    };
    for (forgery, token) in [
        (
            "tampered payload",
            format!("{}.{admin}.{}", parts[0], parts[2]),
        ),
        ("alg none", format!("{none}.{admin}.")),
        ("alg none, signed", format!("{none}.{admin}.{}", parts[2])),
        ("HS256 with the public key", confused(&public)),
        ("HS256 with the JWK", confused(jwk.to_string().as_bytes())),
        ("another's signature", issuer.good(&Key::ed25519("a"))),
    ] {
        let (status, challenge) = service.get("/me", &token).await;
        assert_eq!(status, 401, "{forgery}");
        assert!(
            challenge.contains(r#"error="invalid_token""#),
            "{challenge}"
        );
    }
}

#[tokio::test]
async fn the_algorithm_is_the_configured_one() {
    let (ed25519, p256) = (Key::ed25519("a"), Key::p256("b"));
    let issuer = Issuer::start(&[&ed25519, &p256]).await;
    let service = Service::trusting(&issuer, Algorithm::ES256).await;
    assert_eq!(service.status(&issuer.good(&p256)).await, 200);
    assert_eq!(service.status(&issuer.good(&ed25519)).await, 401);

    let hs256 = Settings {
        issuer: issuer.origin.clone(),
        audience: issuer.origin.clone(),
        algorithm: Algorithm::HS256,
        server: issuer.origin,
    };
    assert!(axum_service::app(&hs256).is_err());
}

#[tokio::test]
async fn no_token_is_401_without_an_error_code_and_a_low_role_is_403() {
    let key = Key::ed25519("a");
    let issuer = Issuer::start(&[&key]).await;
    let service = Service::trusting(&issuer, Algorithm::EdDSA).await;
    let bare = (401, r#"Bearer realm="reports""#.to_owned());
    let me = || service.request(Method::GET, "/me");
    assert_eq!(answer(&me().send().await.unwrap()), bare);
    let basic = me().header(AUTHORIZATION, "Basic dTpw").send().await;
    assert_eq!(answer(&basic.unwrap()), bare);
    let lower = format!("bearer {}", issuer.good(&key));
    let lower = me().header(AUTHORIZATION, lower).send().await.unwrap();
    assert_eq!(lower.status(), 200);

    let of_role = |role: &str| {
        let claims = with(claims(&issuer.origin), "role", json!(role));
        token(&key, &header(&key), &claims)
    };
    for (role, status) in [
        ("OWNER", 403),
        ("USER", 403),
        ("MANAGER", 200),
        ("ADMIN", 200),
    ] {
        let (given, challenge) = service.get("/reports", &of_role(role)).await;
        assert_eq!(given, status, "{role}");
        assert_eq!(challenge.contains("insufficient_scope"), status == 403);
    }
}
