//! The demo and GraphiQL, where they were built.

#[cfg(feature = "embedded-pages")]
mod embedded;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode_str;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, DefaultServeDirFallback};

use crate::app::App;
use crate::config::{Assets, HttpSettings};

/// Nothing from elsewhere, no inline script, no inline style (OWASP Content Security Policy Cheat Sheet).
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";
/// GraphiQL's editor writes its styles as it runs.
const GRAPHIQL_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// What an answer of ours may do that is no page.
pub const BARE_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves files; "not found" for what is none.
type Files = BoxCloneSyncService<Request, Response, Infallible>;

/// Serves the built pages; without them, one that says how to build them.
pub fn router(settings: &HttpSettings, graphiql: bool) -> Router<Arc<App>> {
    let files = match &settings.assets {
        #[cfg(feature = "embedded-pages")]
        Assets::BuiltIn => files(ServeDir::with_backend("", embedded::Pages)),
        #[cfg(not(feature = "embedded-pages"))]
        Assets::BuiltIn => files(ServeDir::new("web-demo/dist")),
        Assets::Folder(folder) => files(ServeDir::new(folder)),
        Assets::Off => BoxCloneSyncService::new(service_fn(async |_| Ok(not_found()))),
    };
    let mut router = Router::new();
    if graphiql {
        let files = files.clone();
        router = router.route(
            "/graphiql",
            get(move |request| page(files, "/graphiql.html", request)),
        );
    }
    router
        .fallback(move |request| serve(files.clone(), graphiql, request))
        .layer(middleware::from_fn(with_headers))
}

fn files<B: Backend>(folder: ServeDir<DefaultServeDirFallback, B>) -> Files {
    let folder = folder
        .append_index_html_on_directories(true)
        // `//assets` would be sent on to the host `assets`.
        .redirect_to_trailing_slash(false)
        .precompressed_gzip();
    let answers = ServiceExt::<Request>::map_response(folder, IntoResponse::into_response);
    BoxCloneSyncService::new(answers)
}

/// A file; else, for a browser that navigates, the demo, which routes by itself.
async fn serve(files: Files, graphiql: bool, request: Request) -> Response {
    let path = request.uri().path();
    // Whatever spelling of the path leads to it.
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    // No file's name has a NUL; a HEAD for one would be answered 500.
    if (!graphiql && decoded.contains("graphiql")) || decoded.contains('\0') {
        return not_found();
    }
    let accepts_html = request
        .headers()
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let navigates = accepts_html.is_some_and(|accept| accept.contains("text/html"));
    let (parts, body) = request.into_parts();
    let again = Request::from_parts(parts.clone(), Body::empty());
    let Ok(found) = files
        .clone()
        .oneshot(Request::from_parts(parts.clone(), body))
        .await;
    if found.status() != StatusCode::NOT_FOUND {
        return found;
    }
    if !navigates {
        return not_found();
    }
    let page = page(files, "/index.html", again).await;
    if page.status() == StatusCode::NOT_FOUND {
        not_built(&parts.uri)
    } else {
        page
    }
}

/// The file at `path`, whatever the request asked for.
async fn page(files: Files, path: &'static str, mut request: Request) -> Response {
    *request.uri_mut() = Uri::from_static(path);
    let Ok(page) = files.oneshot(request).await;
    page
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response()
}

fn not_built(uri: &Uri) -> Response {
    if uri.path() != "/" {
        return not_found();
    }
    let text = "Countersign is running. The API is at /graphql, the keys are at /.well-known/jwks.json.\n\
                The demo and GraphiQL are not here: `cargo xtask demo` builds them, COUNTERSIGN_HTTP__ASSETS names their folder.\n";
    (StatusCode::OK, text).into_response()
}

/// The policy that a page needs, and caching: names under /assets hold a hash of their content.
async fn with_headers(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    // "Not modified" has no type, and its headers replace those that the browser kept with the page (RFC 9111 §3.2).
    let is_page = response.status() == StatusCode::NOT_MODIFIED
        || response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = match path.as_str() {
        "/graphiql" | "/graphiql.html" if is_page => GRAPHIQL_POLICY,
        _ if is_page => POLICY,
        _ => BARE_POLICY,
    };
    let cache = if path.starts_with("/assets/") && response.status().is_success() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
