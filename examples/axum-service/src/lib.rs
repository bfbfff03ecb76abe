//! A service that lives beside a Countersign server: it verifies access tokens by the server's public keys and asks the
//! server itself before the acts that matter. To copy: `keys.rs`, `tokens.rs` and `caller.rs`. See docs/services.md.

mod caller;
mod keys;
mod tokens;

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde_json::{Value, json};

pub use caller::{Caller, Refusal};
pub use keys::{COOL_DOWN, MAX_AGE, RETRY, RemoteKeys};
pub use tokens::{Claims, Role, Verifier};

/// What this service trusts. All of it is configuration: nothing is taken from a token.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `COUNTERSIGN_TOKENS__ISSUER` of the server, byte by byte.
    pub issuer: String,
    /// `COUNTERSIGN_TOKENS__AUDIENCE` of the server: the name that this service goes by.
    pub audience: String,
    /// `COUNTERSIGN_TOKENS__ALGORITHM` of the server.
    pub algorithm: Algorithm,
    /// Where the server answers, for example `https://auth.example.com`.
    pub server: String,
}

/// What the handlers share.
pub struct Service {
    verifier: Verifier,
    http: reqwest::Client,
    graphql: String,
}

/// The routes, and what they need.
///
/// # Errors
/// When the algorithm has no public keys, or when TLS cannot be set up. It makes no call: the service starts while the
/// server is down.
pub fn app(settings: &Settings) -> Result<Router> {
    ensure!(
        settings.algorithm.family() != AlgorithmFamily::Hmac,
        "with HS256 whoever can check a token can make one: sign with EdDSA, ES256 or RS256"
    );
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let server = settings.server.trim_end_matches('/');
    let keys = RemoteKeys::new(
        http.clone(),
        format!("{server}/.well-known/jwks.json"),
        settings.algorithm,
    );
    let service = Arc::new(Service {
        verifier: Verifier::new(settings, keys),
        http,
        graphql: format!("{server}/graphql"),
    });
    Ok(Router::new()
        .route("/me", get(me))
        .route("/reports", get(reports).post(publish))
        .with_state(service))
}

/// Any good token will do.
async fn me(caller: Caller) -> Json<Value> {
    Json(json!({ "id": caller.claims.sub, "role": caller.claims.role }))
}

/// Needs a role.
async fn reports(caller: Caller) -> Result<Json<Value>, Refusal> {
    caller.require(Role::Manager)?;
    Ok(Json(json!({ "reports": [] })))
}

/// An act that matters: a token whose session has been ended since must not do it.
async fn publish(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<StatusCode, Refusal> {
    caller.require(Role::Manager)?;
    caller.require_live(&service).await?;
    Ok(StatusCode::CREATED)
}
