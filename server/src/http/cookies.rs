//! The cookies: the session's, which authenticates `refresh` and `logout` and nothing else, and the device's, which gives the
//! device a budget of its own for wrong passwords.

use axum::http::header::{COOKIE, HeaderMap, SET_COOKIE};
use axum_extra::extract::cookie::{Cookie, SameSite};

use crate::config::HttpSettings;
use crate::graphql::{CookieWrite, CookieWrites, Cookies};
use crate::values::Secret;

/// `__Host-` makes browsers refuse them from other hosts and over plain connections (RFC 6265bis §4.1.3.2).
const SESSION: &str = "__Host-countersign";
const DEVICE: &str = "__Host-countersign-device";
/// Without the prefix, for browsers that refuse `Secure` on localhost.
const DEVELOPMENT_SESSION: &str = "countersign-dev";
const DEVELOPMENT_DEVICE: &str = "countersign-dev-device";

/// The names of the session's cookie and of the device's.
fn names(settings: &HttpSettings) -> (&'static str, &'static str) {
    if settings.dev_cookie {
        (DEVELOPMENT_SESSION, DEVELOPMENT_DEVICE)
    } else {
        (SESSION, DEVICE)
    }
}

/// The cookies that came along. `origin_allowed` says whether the page that sent them is one that may use them.
pub fn read(settings: &HttpSettings, headers: &HeaderMap, origin_allowed: bool) -> Cookies {
    let (session, device) = names(settings);
    let secret = |name| value(headers, name).map(Secret::new);
    Cookies::new(secret(session), secret(device), origin_allowed)
}

/// The value of the cookie `name` as it was sent. Nothing is decoded and no white space but blanks is cut off: a name in another
/// spelling, which browsers do not hold to the rules for `__Host-`, is another name.
pub fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs
        .filter_map(|pair| str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
        .find_map(|(given, value)| (given == name).then_some(value))
}

/// Adds what the cookies have to become.
pub fn write(settings: &HttpSettings, writes: CookieWrites, headers: &mut HeaderMap) {
    let (session, device) = names(settings);
    for (name, write) in [(session, writes.session), (device, writes.device)] {
        if let Some(write) = write {
            set(settings, name, &write, headers);
        }
    }
}

fn set(settings: &HttpSettings, name: &'static str, write: &CookieWrite, headers: &mut HeaderMap) {
    let (value, life) = match write {
        CookieWrite::Set(token, life) => (
            token.expose(),
            i64::try_from(life.as_secs()).unwrap_or(i64::MAX),
        ),
        CookieWrite::Clear => ("", 0),
    };
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .secure(!settings.dev_cookie)
        .same_site(SameSite::Strict)
        .max_age(time::Duration::seconds(life));
    if let Ok(value) = cookie.to_string().parse() {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_of_others_do_not_hide_ours() {
        let mut headers = HeaderMap::new();
        for line in [
            &b"no-pair; other=\xff"[..],
            b"a=\"b\";\t__Host-countersign=v1.x ; c=\xc3\xa9",
        ] {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(value(&headers, SESSION), Some("v1.x"));
        assert_eq!(value(&headers, "no-pair"), None);
    }
}
