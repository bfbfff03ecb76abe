//! The door: routes, the conversion of headers into a caller, and what every answer carries.

mod assets;
mod cookies;
mod graphql;
mod health;
mod hosts;
mod jwks;
mod media;
mod observe;
mod peer;
mod places;
mod requests;
mod server;
mod tls;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::middleware;
use axum::routing::get;
pub use cookies::value as cookie_value;
use observe::REQUEST_ID;
pub use server::{Served, serve};
pub use tls::{Chain, EXPIRES_SOON, PrivateKey, ServerTls, TlsError};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
pub use ws::Sockets;

use crate::app::App;
use crate::config::{HttpSettings, Profile};

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long browsers may keep the answer of a CORS preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// No page that opened ours, or that ours opened, holds on to it (HTML, "cross-origin opener policies").
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// No page of another origin takes in what is ours but through CORS (Fetch, "Cross-Origin-Resource-Policy header").
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

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
    let routes = match (app.settings.ops_listen, app.settings.profile) {
        (None, Profile::Development) => routes
            .merge(health::router())
            .merge(health::metrics_router()),
        // How a server does is nobody's business who may be a stranger.
        (None, Profile::Production) => routes.merge(health::router()),
        (Some(_), _) => routes,
    };
    covered(routes, app)
}

/// What operators ask, where it has an address of its own.
pub fn operations_router(app: Arc<App>) -> Router {
    covered(health::router().merge(health::metrics_router()), app)
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
                .layer(middleware::from_fn_with_state(
                    Arc::clone(&app),
                    observe::observe,
                ))
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

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
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
