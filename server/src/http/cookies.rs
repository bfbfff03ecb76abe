//! The session cookie. It authenticates `refresh` and `logout` and nothing else.

use axum::http::header::{HeaderMap, SET_COOKIE};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};

use crate::config::HttpSettings;
use crate::graphql::CookieWrite;
use crate::values::Secret;

/// `__Host-` makes browsers refuse it from other hosts and over plain connections (RFC 6265bis §4.1.3.2).
const NAME: &str = "__Host-countersign";
/// Without the prefix, for browsers that refuse `Secure` on localhost.
const DEVELOPMENT_NAME: &str = "countersign-dev";

fn name(settings: &HttpSettings) -> &'static str {
    if settings.dev_cookie {
        DEVELOPMENT_NAME
    } else {
        NAME
    }
}

/// The refresh token in the cookie.
pub fn read(settings: &HttpSettings, headers: &HeaderMap) -> Option<Secret> {
    CookieJar::from_headers(headers)
        .get(name(settings))
        .map(|cookie| Secret::new(cookie.value()))
}

/// Adds what the cookie has to become.
pub fn write(settings: &HttpSettings, write: &CookieWrite, headers: &mut HeaderMap) {
    let (value, life) = match write {
        CookieWrite::Set(token, life) => (
            token.expose(),
            i64::try_from(life.as_secs()).unwrap_or(i64::MAX),
        ),
        CookieWrite::Clear => ("", 0),
    };
    let cookie = Cookie::build((name(settings), value))
        .path("/")
        .http_only(true)
        .secure(!settings.dev_cookie)
        .same_site(SameSite::Strict)
        .max_age(time::Duration::seconds(life));
    if let Ok(value) = cookie.to_string().parse() {
        headers.append(SET_COOKIE, value);
    }
}
