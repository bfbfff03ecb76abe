//! Against the real server.

use std::time::Duration;

use axum_service::{COOL_DOWN, MAX_AGE, Settings};
use jsonwebtoken::{Algorithm, decode_header};
use reqwest::Method;
use tokio::time;

use crate::support::{Countersign, Service};

fn settings(server: &Countersign) -> Settings {
    Settings {
        issuer: server.origin.clone(),
        audience: server.origin.clone(),
        algorithm: Algorithm::EdDSA,
        server: server.origin.clone(),
    }
}

#[tokio::test]
async fn the_servers_tokens_pass_by_role_and_only_where_they_are_meant_to() {
    let server = Countersign::start(&[]).await;
    let service = Service::start(&settings(&server)).await;
    let (user, manager) = (
        server.token_of("USER").await,
        server.token_of("MANAGER").await,
    );
    assert_eq!(service.get("/me", &user).await.0, 200);
    assert_eq!(service.get("/reports", &user).await.0, 403);
    assert_eq!(service.get("/reports", &manager).await.0, 200);

    let elsewhere = "https://elsewhere.example.com";
    for settings in [
        Settings {
            issuer: elsewhere.into(),
            ..settings(&server)
        },
        Settings {
            audience: elsewhere.into(),
            ..settings(&server)
        },
        Settings {
            algorithm: Algorithm::ES256,
            ..settings(&server)
        },
    ] {
        let service = Service::start(&settings).await;
        assert_eq!(service.get("/me", &user).await.0, 401, "{settings:?}");
    }
}

#[tokio::test]
async fn a_session_that_ended_passes_by_signature_until_the_server_is_asked() {
    let server = Countersign::start(&[]).await;
    let service = Service::start(&settings(&server)).await;
    let token = server.token_of("MANAGER").await;
    assert_eq!(service.call(Method::POST, "/reports", &token).await.0, 201);
    let logout = server.graphql(&token, "mutation { logout }").await;
    assert_eq!(logout["data"]["logout"], true, "{logout}");
    assert_eq!(service.get("/reports", &token).await.0, 200);
    let (status, challenge) = service.call(Method::POST, "/reports", &token).await;
    assert_eq!(status, 401);
    assert!(challenge.contains("ended or stale"), "{challenge}");

    drop(server);
    assert_eq!(service.get("/reports", &token).await.0, 200);
    assert_eq!(service.call(Method::POST, "/reports", &token).await.0, 503);
}

#[tokio::test]
async fn keys_are_kept_as_long_as_the_server_says() {
    let server = Countersign::start(&[]).await;
    let jwks = reqwest::get(format!("{}/.well-known/jwks.json", server.origin)).await;
    let headers = jwks.unwrap().headers().clone();
    let cache = headers["cache-control"].to_str().unwrap();
    let age = format!("max-age={}", MAX_AGE.as_secs());
    assert!(cache.contains(&age), "{cache}");
}

#[tokio::test]
async fn the_service_goes_on_when_the_servers_key_rotates() {
    let server = Countersign::start(&[]).await;
    let service = Service::start(&settings(&server)).await;
    let old = server.token_of("USER").await;
    assert_eq!(service.status(&old).await, 200);
    let key = |token: &str| decode_header(token).unwrap().kid;

    server.run(&["keys", "rotate", "--now"], "").await;
    let mut new = old.clone();
    while key(&new) == key(&old) {
        time::sleep(Duration::from_millis(200)).await;
        new = server.sign_in("USER").await;
    }
    time::pause();
    time::advance(COOL_DOWN).await;
    time::resume();
    assert_eq!(service.status(&new).await, 200);
    assert_eq!(service.status(&old).await, 200);
}

#[tokio::test]
async fn the_algorithm_that_the_server_is_configured_with_is_understood() {
    let es256 = Countersign::start(&[("COUNTERSIGN_TOKENS__ALGORITHM", "ES256")]).await;
    let rs256 = Countersign::start(&[("COUNTERSIGN_TOKENS__ALGORITHM", "RS256")]).await;
    for (server, right, wrong) in [
        (es256, Algorithm::ES256, Algorithm::RS256),
        (rs256, Algorithm::RS256, Algorithm::ES256),
    ] {
        let token = server.token_of("USER").await;
        for (algorithm, status) in [(right, 200), (wrong, 401), (Algorithm::EdDSA, 401)] {
            let settings = Settings {
                algorithm,
                ..settings(&server)
            };
            let service = Service::start(&settings).await;
            assert_eq!(service.status(&token).await, status, "{algorithm:?}");
        }
    }
}
