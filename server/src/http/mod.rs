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
mod site;
mod tls;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::routing::get;
pub use cookies::value as cookie_value;
use observe::REQUEST_ID;
pub use server::{Served, serve};
pub use site::Site;
pub use tls::{Chain, EXPIRES_SOON, PrivateKey, ServerTls, TlsError};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
pub use ws::Sockets;

use crate::app::App;
use crate::config::{HttpSettings, Profile};

/// How long browsers may keep the answer of a CORS preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// The routes of the public address.
fn public_routes(app: &Arc<App>) -> Router<Arc<App>> {
    let settings = &app.settings.http;
    // Answers that may hold tokens are never compressed: their length would tell of their content (BREACH). So nothing here is.
    let graphql = Router::new()
        .route(
            "/graphql",
            get(graphql::by_get)
                .post(graphql::by_post)
                .fallback(graphql::other_method),
        )
        .layer(cors(settings))
        .route("/graphql/ws", get(ws::upgrade));
    let pages = Router::new()
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .merge(assets::router(settings, app.settings.graphql.graphiql))
        .layer(CompressionLayer::new());
    let routes = graphql.merge(pages);
    match (app.settings.ops_listen, app.settings.profile) {
        (None, Profile::Development) => routes
            .merge(health::router())
            .merge(health::metrics_router()),
        // How a server does is nobody's business who may be a stranger.
        (None, Profile::Production) => routes.merge(health::router()),
        (Some(_), _) => routes,
    }
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
