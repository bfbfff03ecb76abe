//! Whether the process lives, whether it can serve, and how it does.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::get;

use crate::app::App;
use crate::telemetry::metrics;

const HEALTH: &str = "/healthz";
const READINESS: &str = "/readyz";
const METRICS: &str = "/metrics";
/// All of them. They are asked again and again.
pub const PATHS: [&str; 3] = [HEALTH, READINESS, METRICS];
/// Those that balancers and probes ask by address, whatever the server is called.
pub const PROBES: &[&str] = &[HEALTH, READINESS];

/// `/healthz`: 200 while the process runs. `/readyz`: 200 while it can serve, else 503 with the reason.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route(HEALTH, get(|| async { "ok" }))
        .route(READINESS, get(ready))
}

/// `/metrics`, in Prometheus' text format.
pub fn metrics_router() -> Router<Arc<App>> {
    Router::new().route(METRICS, get(render))
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    match app.readiness.check() {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

async fn render(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 1], String) {
    let format = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (format, metrics::render(&app))
}
