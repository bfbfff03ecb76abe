//! The door: routes, the conversion of headers into a caller, and what every answer carries.

mod assets;
mod cookies;
mod graphql;
mod health;
mod hosts;
mod jwks;
mod media;
mod peer;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::routing::get;
pub use cookies::value as cookie_value;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
pub use ws::Sockets;

use crate::app::App;

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest that a request may take, its slow sender included.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How long browsers may keep the answer of a CORS preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything at the public address.
pub fn public_router(app: Arc<App>) -> Router {
    let settings = &app.settings.http;
    let https = settings.public_url.scheme() == "https";
    let hsts = https.then(|| HeaderValue::from_static("max-age=31536000"));
    let routes = Router::new()
        .route(
            "/graphql",
            get(graphql::by_get)
                .post(graphql::by_post)
                .fallback(graphql::other_method),
        )
        .layer(cors(&settings.allowed_origins))
        .route("/graphql/ws", get(ws::upgrade))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .merge(assets::router(settings, app.settings.graphql.graphiql))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            hosts::refuse_foreign,
        ));
    let routes = if app.settings.ops_listen.is_none() {
        routes.merge(health::router())
    } else {
        routes
    };
    routes
        .layer(
            ServiceBuilder::new()
                .layer(SetRequestIdLayer::new(
                    REQUEST_ID,
                    NewRequestId(Arc::clone(&app)),
                ))
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(request_span)
                        .on_response(log_answer)
                        // What failed is in the answer's line, and its cause where it was found.
                        .on_failure(()),
                )
                .layer(PropagateRequestIdLayer::new(REQUEST_ID))
                .layer(CatchPanicLayer::new())
                .layer(TimeoutLayer::with_status_code(
                    StatusCode::SERVICE_UNAVAILABLE,
                    TIME_LIMIT,
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                ))
                .layer(SetResponseHeaderLayer::if_not_present(
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static(assets::BARE_POLICY),
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    X_FRAME_OPTIONS,
                    HeaderValue::from_static("DENY"),
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    REFERRER_POLICY,
                    HeaderValue::from_static("no-referrer"),
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    STRICT_TRANSPORT_SECURITY,
                    hsts,
                )),
        )
        .with_state(app)
}

/// What operators ask, where it has an address of its own.
pub fn operations_router(app: Arc<App>) -> Router {
    health::router().with_state(app)
}

/// Pages of the allowed origins may call `/graphql` and read the answer; other pages cannot (Fetch, "CORS protocol").
fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|origin| origin.parse().ok())
        .collect::<Vec<HeaderValue>>();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, ACCEPT])
        .expose_headers([RETRY_AFTER, REQUEST_ID])
        .max_age(PREFLIGHT_MAX_AGE)
}

/// One span per request, but for health, which is asked again and again. It names no header and no query string: both may hold
/// secrets.
fn request_span(request: &Request) -> tracing::Span {
    if health::PATHS.contains(&request.uri().path()) {
        return tracing::Span::none();
    }
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok());
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}

fn log_answer<B>(answer: &axum::http::Response<B>, took: Duration, span: &tracing::Span) {
    if !span.is_none() {
        tracing::info!(parent: span, status = answer.status().as_u16(), ?took, "answered");
    }
}

/// Request ids are ours, never the sender's: they stand in the log.
#[derive(Clone)]
struct NewRequestId(Arc<App>);

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&self.0.new_request_id())
            .ok()
            .map(RequestId::new)
    }
}
