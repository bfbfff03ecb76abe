//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::app::App;

/// The paths of both.
pub const PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// `/healthz`: 200 while the process runs. `/readyz`: 200 while it can serve, else 503 with the reason.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route(PATHS[0], get(|| async { "ok" }))
        .route(PATHS[1], get(ready))
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    match app.readiness.check() {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}
