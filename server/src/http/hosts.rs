//! Which `Host` names are answered, and which pages may use the cookie.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::config::{HttpSettings, Profile};

const FORWARDING: [HeaderName; 3] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
];

/// Refuses a `Host` that is not ours (DNS rebinding), and in development everything that came through a proxy: the development
/// profile must not end up on the internet by accident.
pub async fn refuse_foreign(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let settings = &app.settings;
    if !host(request.headers(), request.uri())
        .is_some_and(|host| is_allowed_host(&settings.http, &host))
    {
        return (
            StatusCode::MISDIRECTED_REQUEST,
            "This host is not served here. See COUNTERSIGN_HTTP__ALLOWED_HOSTS.\n",
        )
            .into_response();
    }
    let forwarded = FORWARDING
        .iter()
        .any(|name| request.headers().contains_key(name));
    if forwarded
        && settings.profile == Profile::Development
        && settings.http.trusted_proxies.is_empty()
    {
        let why = "The development profile answers no proxy. Set COUNTERSIGN_PROFILE=production, or name the proxy in \
                   COUNTERSIGN_HTTP__TRUSTED_PROXIES.\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    next.run(request).await
}

fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get(HOST).and_then(|host| host.to_str().ok());
    header
        .or_else(|| uri.authority().map(|authority| authority.as_str()))
        .map(str::to_lowercase)
}

fn is_allowed_host(settings: &HttpSettings, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    settings.allowed_hosts.iter().any(|allowed| allowed == name)
}

/// Whether the page that sent the request may use the session cookie: its `Origin` is that of the public URL or on the list;
/// in development also one whose host and port are the request's own. A missing or `null` origin may not.
pub fn origin_is_allowed(settings: &HttpSettings, profile: Profile, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let own = settings.public_url.origin().ascii_serialization();
    let same_host = || {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == headers.get(HOST).and_then(|host| host.to_str().ok())
    };
    origin == own
        || settings
            .allowed_origins
            .iter()
            .any(|allowed| allowed == origin)
        || (profile == Profile::Development && same_host())
}
