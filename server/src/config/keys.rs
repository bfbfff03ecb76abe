//! The keys that sign, and the tokens that they sign.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::source::{Source, parse_duration};
use crate::tokens::Algorithm;
use crate::values::Secret;

/// A secret of fewer characters could be guessed.
pub const LEAST_SECRET: usize = 32;
/// Random ones have more, even in hexadecimal; a key held down has fewer.
const LEAST_DISTINCT: usize = 8;
/// What stands in secrets that were copied from an example, or are there until somebody thinks of a better one; without the
/// signs between words.
const PLACEHOLDERS: [&str; 12] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "placeholder",
    "yoursecret",
    "yourkey",
    "mysecret",
    "supersecret",
    "topsecret",
    "password",
    "qwertyuiop",
];
/// What a longer life than this means for services that only check signatures is easily overlooked.
const LONG_ACCESS_TTL: Duration = Duration::from_secs(3600);
/// A new key signs ten minutes after it was made; keys that change much faster would only grow the ring.
const LEAST_ROTATION: Duration = Duration::from_secs(3600);

/// The keys that sign.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// `COUNTERSIGN_KEYS__SECRET`: what private keys are encrypted under. `None` in development: a file beside the database.
    pub secret: Option<Secret>,
    /// `COUNTERSIGN_TOKENS__ALGORITHM`: the algorithm of new keys for access tokens.
    pub algorithm: Algorithm,
    /// `COUNTERSIGN_KEYS__FOLDER`: the keys for access tokens are PEM files in this folder, not in the database.
    pub folder: Option<PathBuf>,
    /// `COUNTERSIGN_KEYS__ROTATE_EVERY`: how old the newest key in the database gets before there is a newer one.
    pub rotate_every: Option<Duration>,
}

/// Access tokens.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// `COUNTERSIGN_TOKENS__ISSUER`: `iss`.
    pub issuer: String,
    /// `COUNTERSIGN_TOKENS__AUDIENCE`: `aud`.
    pub audience: String,
    /// `COUNTERSIGN_TOKENS__ACCESS_TTL`: how long an access token is good for.
    pub access_ttl: Duration,
}

impl KeySettings {
    pub(super) fn read(source: &mut Source, development: bool) -> Self {
        let secret = source.secret("keys.secret", |text| {
            if text.len() < LEAST_SECRET {
                Err("is shorter than 32 characters: `openssl rand -base64 32` makes a good one")
            } else if !development {
                check_secret(text)
            } else {
                Ok(())
            }
        });
        if !source.is_given("keys.secret") && !development {
            source.fault("keys.secret", "is required in production: what private keys are encrypted under. `openssl rand -base64 32` makes one");
        }
        let algorithm = source.parsed("tokens.algorithm", "EdDSA", |text| {
            text.parse()
                .map_err(|_| "is none of EdDSA, ES256, RS256 and HS256")
        });
        let folder = source.optional("keys.folder", |text| Ok(PathBuf::from(text)));
        if folder.is_some() && algorithm == Algorithm::Hs256 {
            source.fault(
                "tokens.algorithm",
                "cannot be HS256 with keys.folder: PEM files hold no secrets",
            );
        }
        Self {
            secret,
            algorithm,
            folder,
            rotate_every: source.parsed("keys.rotate_every", "90d", |text| {
                match (text, parse_duration(text)) {
                    ("off", _) => Ok(None),
                    (_, Some(every)) if every < LEAST_ROTATION => Err("is shorter than 1h"),
                    (_, every @ Some(_)) => Ok(every),
                    _ => Err("is neither off nor a length of time like 90d"),
                }
            }),
        }
    }
}

impl TokenSettings {
    pub(super) fn read(source: &mut Source, listen: SocketAddr, development: bool) -> Self {
        // Somebody may have put a password into it.
        let issuer = source.optional_private("tokens.issuer", parse_issuer);
        if !development && !source.is_given("tokens.issuer") {
            source.fault(
                "tokens.issuer",
                "is required in production: the https URL that stands in every token as iss",
            );
        }
        if !development
            && issuer
                .as_ref()
                .is_some_and(|url| !url.starts_with("https://"))
        {
            source.fault("tokens.issuer", "must be https in production");
        }
        let issuer = issuer.unwrap_or_else(|| format!("http://localhost:{}", listen.port()));
        let access_ttl = source.duration("tokens.access_ttl", "15m", "1s", "1d");
        if !development && access_ttl > LONG_ACCESS_TTL {
            source.warn(
                "tokens.access_ttl",
                "is more than 1h: services that check only the signature accept a revoked token for so long",
            );
        }
        Self {
            audience: source
                .optional("tokens.audience", |text| Ok(text.to_owned()))
                .unwrap_or_else(|| issuer.clone()),
            issuer,
            access_ttl,
        }
    }
}

/// A URL that can stand in every token: no secret in it, and neither query nor fragment (RFC 8414 §2).
fn parse_issuer(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text)
        .ok()
        .filter(Url::has_host)
        .ok_or("is no URL like https://auth.example.com")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not name a user: everybody can read it in a token");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither query nor fragment: https://auth.example.com");
    }
    Ok(text.to_owned())
}

/// Whether nobody could have thought of it.
fn check_secret(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let letters: String = text.chars().filter(|it| it.is_alphanumeric()).collect();
    let letters = letters.to_lowercase();
    let ascends = bytes
        .windows(2)
        .filter(|pair| pair[0] < pair[1] && pair[1] - pair[0] == 1);
    if text.chars().collect::<BTreeSet<_>>().len() < LEAST_DISTINCT {
        Err("has fewer than 8 different characters: `openssl rand -base64 32` makes a good one")
    } else if PLACEHOLDERS.iter().any(|word| letters.contains(word)) {
        Err("is a placeholder from an example: `openssl rand -base64 32` makes a good one")
    } else if (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period]) {
        Err("says the same again and again: `openssl rand -base64 32` makes a good one")
    } else if 2 * ascends.count() > bytes.len() {
        Err("is the alphabet, or counts: `openssl rand -base64 32` makes a good one")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_somebody_thought_of_is_refused() {
        for weak in [
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "change-me-change-me-in-production!",
            "CHANGE_THIS_TO_A_LONG_RANDOM_STRING_1",
            "please replace me with something 42",
            "my-super-secret-key-for-signing-1234",
            "0123456789abcdef0123456789abcdef",
            "correct horse!correct horse!correct",
            "abcdefghijklmnopqrstuvwxyz0123456789",
        ] {
            assert!(check_secret(weak).is_err(), "{weak}");
        }
        for good in [
            "FGx3W6nuJY8yBNcUBtZJ5m0Hq2dXk1o9sVvQwRzTlLE=",
            "5f0c1b7e9a3d4c2286f1e0b7a9d8c3f4",
            "a secret of the tests, long enough",
        ] {
            assert_eq!(check_secret(good), Ok(()), "{good}");
        }
    }
}
