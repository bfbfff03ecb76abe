//! The published keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use axum::response::IntoResponse;

use crate::app::App;

/// How long verifiers may keep the keys, in seconds. A new key is published twice this long before it signs.
pub const MAX_AGE_SECS: u32 = 300;

/// The JWK set (RFC 7517 §5): public, so any page may read it.
pub async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [
        (
            CACHE_CONTROL,
            format!("public, max-age={MAX_AGE_SECS}, must-revalidate"),
        ),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    (headers, Json(app.tokens.ring().jwks()))
}
