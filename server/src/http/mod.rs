//! The door: routes, the conversion of headers into a caller, and what every answer carries.

mod assets;
mod cookies;
mod graphql;
mod health;
mod hosts;
mod jwks;
mod media;
mod peer;
mod places;
mod requests;
mod server;
mod tls;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::Method;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::middleware;
use axum::routing::get;
pub use cookies::value as cookie_value;
pub use server::{Served, serve};
pub use tls::{Chain, EXPIRES_SOON, PrivateKey, ServerTls, TlsError};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
pub use ws::Sockets;

use crate::app::App;
use crate::config::HttpSettings;

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long browsers may keep the answer of a CORS preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// No page that opened ours, or that ours opened, holds on to it (HTML, "cross-origin opener policies").
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// No page of another origin takes in what is ours but through CORS (Fetch, "Cross-Origin-Resource-Policy header").
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything at the public address.
pub fn public_router(app: Arc<App>) -> Router {
    let settings = &app.settings.http;
    // Answers that may hold tokens are never compressed: their length would tell of their content (BREACH). So nothing here is.
    let routes = Router::new()
        .route(
            "/graphql",
            get(graphql::by_get)
                .post(graphql::by_post)
                .fallback(graphql::other_method),
        )
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(cors(settings))
        .route("/graphql/ws", get(ws::upgrade));
    let public = Router::new()
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .merge(assets::router(settings, app.settings.graphql.graphiql))
        .layer(CompressionLayer::new());
    let routes = routes.merge(public).layer(middleware::from_fn_with_state(
        Arc::clone(&app),
        hosts::refuse_foreign,
    ));
    let routes = if app.settings.ops_listen.is_none() {
        routes.merge(health::router())
    } else {
        routes
    };
    covered(routes, app)
}

/// What operators ask, where it has an address of its own.
pub fn operations_router(app: Arc<App>) -> Router {
    covered(health::router(), app)
}

/// The routes, with what every request has to be like and what every answer carries.
fn covered(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    let https = app.settings.http.public_url.scheme() == "https";
    let hsts = https.then(|| HeaderValue::from_static("max-age=31536000"));
    let fixed =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
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
                .layer(fixed(X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .layer(SetResponseHeaderLayer::if_not_present(
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static(assets::BARE_POLICY),
                ))
                .layer(fixed(X_FRAME_OPTIONS, "DENY"))
                .layer(fixed(REFERRER_POLICY, "no-referrer"))
                .layer(fixed(OPENER_POLICY, "same-origin"))
                .layer(fixed(RESOURCE_POLICY, "same-origin"))
                .layer(SetResponseHeaderLayer::overriding(
                    STRICT_TRANSPORT_SECURITY,
                    hsts,
                ))
                .map_response(requests::explain)
                .layer(CatchPanicLayer::custom(requests::panicked))
                .layer(middleware::from_fn(requests::limit)),
        )
        .with_state(app)
}

/// Pages of the allowed origins may call `/graphql` and read the answer; other pages cannot (Fetch, "CORS protocol").
fn cors(settings: &HttpSettings) -> CorsLayer {
    let origins = settings
        .allowed_origins
        .iter()
        .filter_map(|origin| origin.parse().ok())
        .collect::<Vec<HeaderValue>>();
    let own = [AUTHORIZATION, CONTENT_TYPE, ACCEPT].into_iter();
    let headers = own.chain(settings.allowed_headers.iter().cloned());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::list(headers))
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

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::{Flags, Settings};

    #[tokio::test]
    async fn a_panic_is_an_answer_that_says_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}/countersign.db", folder.path().display());
        let mut flags = Flags::default();
        flags.values.insert("database.url", (database, "the test"));
        let app = App::start(Settings::load(&flags).unwrap()).await.unwrap();
        let fails = async || -> &'static str { panic!("what is inside") };
        let router = covered(Router::new().route("/", get(fails)), app);
        let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()[X_FRAME_OPTIONS], "DENY");
        assert_eq!(
            answer.headers()[CONTENT_SECURITY_POLICY],
            assets::BARE_POLICY
        );
        let body = to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(body, "Internal Server Error.\n");
    }
}
