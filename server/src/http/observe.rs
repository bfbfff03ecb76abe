//! What is told of every request: its id, its line in the log, its numbers and its span.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::{Extensions, Method, Uri};
use axum::response::Response;
use tracing::{Span, field};

use super::graphql::INVALID;
use super::{health, media};
use crate::app::App;
use crate::telemetry::request_id::RequestId;
use crate::telemetry::{metrics, traces};
use crate::values::UserId;

/// The header with the request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where the demo's files are served, and what is not found.
const ELSEWHERE: &str = "other";
/// So much of a path is logged. All of ours are shorter.
const MAX_PATH_BYTES: usize = 256;

/// What the answer to a GraphQL request tells the log of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The operation's name, where the client gave one that is safe to log.
    pub operation: Option<String>,
    /// The field at its root.
    pub field: String,
    /// The code of the first error, or `OK`.
    pub code: &'static str,
    /// The user who is signed in.
    pub user: Option<UserId>,
}

impl Told {
    /// There was no error.
    pub const OK: &str = "OK";
    /// There was one without a code of ours.
    pub const OTHER: &str = "OTHER";
}

impl Default for Told {
    fn default() -> Self {
        Self {
            operation: None,
            field: INVALID.to_owned(),
            code: Self::OK,
            user: None,
        }
    }
}

/// A request that is being answered.
pub struct Observed {
    /// Its id.
    pub id: RequestId,
    /// What belongs to it in a trace.
    pub span: Span,
    method: &'static str,
    route: &'static str,
    uri: Uri,
    started: Instant,
}

impl Observed {
    /// Gives the request its id, and begins its span.
    pub fn begin(app: &App, request: &Request) -> Self {
        let started = Instant::now();
        let proxied = comes_from_proxy(app, request.extensions());
        let id = proxied
            .then(|| given_id(request.headers()))
            .flatten()
            .unwrap_or_else(|| app.request_ids.next());
        let (method, route) = (name_of(request.method()), route(request.uri()));
        let span = if health::PATHS.contains(&route) {
            Span::none()
        } else {
            span(&id, method, route)
        };
        if proxied {
            traces::continue_trace(&span, request.headers());
        }
        Self {
            id,
            span,
            method,
            route,
            uri: request.uri().clone(),
            started,
        }
    }

    /// Tells of its answer, and gives that the id.
    pub fn end(self, answer: &mut Response) {
        let (took, status) = (self.started.elapsed(), answer.status().as_u16());
        let told = answer.extensions_mut().remove::<Told>();
        self.span.record("http.response.status_code", status);
        metrics::count_request(self.method, self.route, status, took);
        if !health::PATHS.contains(&self.route) {
            log(self.method, self.uri.path(), status, told.as_ref(), took);
        }
        if let Ok(id) = HeaderValue::from_str(self.id.as_str()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
    }
}

/// Names no header and no query string: both may hold secrets.
fn log(method: &str, path: &str, status: u16, told: Option<&Told>, took: Duration) {
    let path = &path[..path.floor_char_boundary(MAX_PATH_BYTES)];
    tracing::info!(
        method,
        path,
        status,
        operation = told.and_then(|told| told.operation.as_deref()),
        field = told.map(|told| told.field.as_str()),
        code = told.map(|told| told.code),
        user = told.and_then(|told| told.user).map(field::display),
        ms = millis(took),
        "answered"
    );
}

/// To the microsecond.
pub fn millis(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}

fn comes_from_proxy(app: &App, extensions: &Extensions) -> bool {
    let trusted = &app.settings.http.trusted_proxies;
    let from: Option<IpAddr> = extensions
        .get()
        .map(|ConnectInfo::<SocketAddr>(from)| from.ip().to_canonical());
    !trusted.is_empty()
        && from.is_some_and(|ip| trusted.iter().any(|proxies| proxies.contains(&ip)))
}

/// The id that a trusted proxy gave the request.
fn given_id(headers: &HeaderMap) -> Option<RequestId> {
    media::only(headers, &REQUEST_ID).and_then(RequestId::parse)
}

fn span(id: &RequestId, method: &'static str, route: &'static str) -> Span {
    tracing::info_span!(
        "request",
        "otel.kind" = "server",
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = field::Empty,
        "request.id" = id.as_str(),
    )
}

/// The route, never the path: strangers choose paths.
fn route(uri: &Uri) -> &'static str {
    const ROUTES: [&str; 4] = [
        "/graphql",
        "/graphql/ws",
        "/.well-known/jwks.json",
        "/graphiql",
    ];
    let mut known = ROUTES.into_iter().chain(health::PATHS);
    known
        .find(|route| uri.path() == *route)
        .unwrap_or(ELSEWHERE)
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        _ => ELSEWHERE,
    }
}
