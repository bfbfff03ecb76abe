//! Which `Host` names are answered, and which pages may use the cookie.

use axum::extract::Request;
use axum::http::header::{FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::media::only;
use crate::config::{HttpSettings, Profile, Settings};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDING: [HeaderName; 3] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
];

/// Refuses a `Host` that is not ours (DNS rebinding), and in development everything that came through a proxy: the development
/// profile must not end up on the internet by accident.
pub fn refuse_foreign(settings: &Settings, request: &Request) -> Option<Response> {
    if !names_are_ours(&settings.http, request.headers(), request.uri()) {
        let why = "This host is not served here. See COUNTERSIGN_HTTP__ALLOWED_HOSTS.\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, why).into_response());
    }
    let is_guarded =
        settings.profile == Profile::Development && settings.http.trusted_proxies.is_empty();
    let is_forwarded = || {
        FORWARDING
            .iter()
            .any(|name| request.headers().contains_key(name))
    };
    (is_guarded && is_forwarded()).then(|| {
        let why = "The development profile answers no proxy. Set COUNTERSIGN_PROFILE=production, or name the proxy in \
                   COUNTERSIGN_HTTP__TRUSTED_PROXIES.\n";
        (StatusCode::FORBIDDEN, why).into_response()
    })
}

/// Every name that the request gives is one of ours: a proxy may go by one of two `Host` lines and we by the other, and by the
/// URL where that has a name (RFC 9112 §3.2).
fn names_are_ours(settings: &HttpSettings, headers: &HeaderMap, uri: &Uri) -> bool {
    let hosts = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
    let mut names = hosts
        .chain(uri.authority().map(|authority| Some(authority.as_str())))
        .peekable();
    names.peek().is_some()
        && names.all(|name| name.is_some_and(|name| is_allowed_host(settings, name)))
}

fn is_allowed_host(settings: &HttpSettings, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    settings
        .allowed_hosts
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.is_empty() || text.parse::<u16>().is_ok())
}

/// Whether the browser says that a page of another site sends the request (Fetch Metadata). Our cookie is `SameSite=Strict`,
/// so no such page has any business with it, whatever its `Origin` is.
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get_all(FETCH_SITE)
        .iter()
        .any(|site| site == "cross-site")
}

/// Whether the page that sent the request may use the session cookie: its `Origin` is that of the public URL or on the list;
/// in development also one whose host and port are the request's own. A missing or `null` origin may not.
pub fn origin_is_allowed(settings: &HttpSettings, profile: Profile, headers: &HeaderMap) -> bool {
    let Some(origin) = only(headers, &ORIGIN) else {
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
