//! The published keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use axum::response::IntoResponse;

use crate::app::App;
use crate::tokens::JWKS_MAX_AGE;

/// The JWK set (RFC 7517 §5): public, so any page may read it.
pub async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [
        (
            CACHE_CONTROL,
            format!(
                "public, max-age={}, must-revalidate",
                JWKS_MAX_AGE.as_secs()
            ),
        ),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    (headers, Json(app.tokens.jwks()))
}
