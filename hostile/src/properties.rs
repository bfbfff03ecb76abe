//! What holds for whatever comes in, one function per door.

use std::ffi::OsString;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::http::header::{COOKIE, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use countersign::config::{Flags, Profile, Settings, Variables};
use countersign::http::cookie_value;
use countersign::sessions::RefreshToken;
use countersign::tokens::Claims;
use serde::de::IgnoredAny;
use wasm_client::token::{Key, Token};

use crate::forge;
use crate::keys::SigningKey;
use crate::verdict::{Server, Shown, Verdict, core_verdict};

/// A property: it takes any bytes and panics where it does not hold.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target and its corpus.
pub const ALL: [(&str, Property); 5] = [
    ("access_token", access_token),
    ("jwks", jwks),
    ("cookie", cookie),
    ("refresh_token", refresh_token),
    ("configuration", configuration),
];

struct Verifiers {
    key: SigningKey,
    jwks: String,
    server: Server,
}

static VERIFIERS: LazyLock<Verifiers> = LazyLock::new(|| {
    let key = SigningKey::ed25519("current", 1);
    let jwks = forge::set(&[forge::object(&key.jwk())]);
    let server = Server::new(&serde_json::from_str(&jwks).unwrap());
    Verifiers { key, jwks, server }
});

/// Server and browser say the same of any token, and read the same in it.
///
/// The first byte says what follows: `t` a token; `s` header and claims with a line break between them, which are signed first,
/// so that what comes behind the signature is reached.
pub fn access_token(data: &[u8]) {
    let Verifiers { key, jwks, server } = &*VERIFIERS;
    let token = match data {
        [b't', token @ ..] => String::from_utf8_lossy(token).into_owned(),
        [b's', parts @ ..] => {
            let line = parts.iter().position(|byte| *byte == b'\n');
            let (header, claims) = parts.split_at(line.unwrap_or(parts.len()));
            let claims = claims.get(1..).unwrap_or_default();
            let message = [BASE64URL.encode(header), BASE64URL.encode(claims)].join(".");
            let signature = BASE64URL.encode(key.sign(message.as_bytes()));
            [message, signature].join(".")
        }
        _ => return,
    };
    let (servers, claims) = server.judge(&token);
    let core = core_verdict(jwks, &token);
    if servers != core {
        // The one difference that is meant: clients take unknown values of every enum.
        let role = Token::decode(&token).ok().and_then(|token| role(&token));
        let is_unknown = !matches!(role.as_deref(), None | Some("USER" | "MANAGER" | "ADMIN"));
        assert!(
            servers == Verdict::TokenInvalid && is_unknown,
            "server {servers:?}, core {core:?}: {token}"
        );
    }
    if let Some(claims) = claims {
        let json = Token::decode(&token).unwrap().to_json();
        let shown: Shown<Claims> = serde_json::from_str(&json).unwrap();
        assert_eq!(shown.claims, claims, "{token}");
    }
}

fn role(token: &Token<'_>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Role {
        role: String,
    }
    let shown: Shown<Role> = serde_json::from_str(&token.to_json()).ok()?;
    Some(shown.claims.role)
}

/// A key that the browser finds in any JWKS is found in what it makes of it, too, and the JWKS is JSON.
///
/// A `kid`, a line break, the JWKS.
pub fn jwks(data: &[u8]) {
    let Some((kid, jwks)) = str::from_utf8(data).ok().and_then(|it| it.split_once('\n')) else {
        return;
    };
    if let Some(key) = Key::find(jwks, kid) {
        serde_json::from_str::<IgnoredAny>(jwks).unwrap();
        let jwk = key.to_json().replacen('{', r#"{"kid":"it","#, 1);
        assert_eq!(Key::find(&forge::set(&[jwk]), "it"), Some(key));
    }
}

/// What is read from any `Cookie` headers stands in one of them as it is, under the cookie's own name: no spelling of the name
/// gets past the browser's rules for `__Host-`. What is a refresh token, is one in its only spelling.
///
/// One header per line.
pub fn cookie(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let Some(value) = cookie_value(&headers, "__Host-countersign") else {
        return;
    };
    let pair = format!("__Host-countersign={value}");
    let mut pairs = data.split(|byte| matches!(byte, b'\n' | b';'));
    let is_there = pairs.any(|given| given.trim_ascii() == pair.as_bytes());
    assert!(is_there, "{pair}");
    refresh_token(value.as_bytes());
}

/// A refresh token has one spelling, and its `Debug` does not show its mac.
pub fn refresh_token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(token) = RefreshToken::parse(text) {
        assert_eq!(token.expose().expose(), text);
        assert!((1..i64::MAX).contains(&token.generation));
        let mac = text.rsplit('.').next().unwrap();
        assert!(!format!("{token:?}").contains(mac), "{text}");
    }
}

/// Any file and any variables give settings or a list of faults, neither shows the secret, and what production starts with is
/// safe.
///
/// Variables, one per line, and after an empty line the file.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (variables, file) = text.split_once("\n\n").unwrap_or((&text, ""));
    let variables: Variables = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        // Those name files: only ours is to be read.
        .filter(|(name, _)| !name.ends_with("_FILE") && *name != "COUNTERSIGN_CONFIG")
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect();
    let mut named = tempfile::NamedTempFile::new().unwrap();
    named.write_all(file.as_bytes()).unwrap();
    let flags = Flags {
        file: Some(named.path().to_owned()),
        ..Flags::default()
    };
    let shown = match Settings::load_from(&flags, &variables) {
        Ok(settings) => {
            if settings.profile == Profile::Production {
                assert_is_safe(&settings);
            }
            format!("{settings:?}")
        }
        Err(faults) => {
            assert!(!faults.faults.is_empty());
            faults.to_string()
        }
    };
    let texts = || {
        variables
            .values()
            .filter_map(|it| it.to_str())
            .chain([file])
    };
    let given = variables.get(&OsString::from("COUNTERSIGN_KEYS__SECRET"));
    let given = given.and_then(|it| it.to_str());
    // A shorter one may be part of any text.
    for secret in given
        .into_iter()
        .chain(written_secrets(file))
        .filter(|it| it.len() >= 32)
    {
        let times: usize = texts().map(|it| it.matches(secret).count()).sum();
        assert!(times != 1 || !shown.contains(secret), "{shown}");
    }
}

/// What stands as `secret = …` in a file, whether the rest of it is TOML or not.
fn written_secrets(file: &str) -> impl Iterator<Item = &str> {
    // Within a text of several lines such a line is no setting.
    let is_plain = !file.contains("\"\"\"") && !file.contains("'''");
    let settings = file.lines().filter_map(|line| line.split_once('='));
    settings
        .filter(move |(key, _)| is_plain && matches!(key.trim(), "secret" | "keys.secret"))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

fn assert_is_safe(settings: &Settings) {
    assert_eq!(settings.http.public_url.scheme(), "https");
    assert!(settings.tokens.issuer.starts_with("https://"));
    assert!(!settings.http.dev_cookie);
    let origins = &settings.http.allowed_origins;
    assert!(origins.iter().all(|origin| origin.starts_with("https://")));
    let secret = settings.keys.secret.as_ref().unwrap();
    assert!(secret.expose().len() >= 32);
    assert!(settings.passwords.memory_kib >= 7_168);
}
