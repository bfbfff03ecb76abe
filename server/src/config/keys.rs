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
            let distinct = text.chars().collect::<BTreeSet<_>>().len();
            if text.len() < LEAST_SECRET {
                Err("is shorter than 32 characters: `openssl rand -base64 32` makes a good one")
            } else if distinct < LEAST_DISTINCT && !development {
                Err("has fewer than 8 different characters: `openssl rand -base64 32` makes a good one")
            } else {
                Ok(())
            }
        });
        if secret.is_none() && !development {
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
        let issuer = source.optional("tokens.issuer", |text| match Url::parse(text) {
            Ok(url) if url.has_host() => Ok(text.to_owned()),
            _ => Err("is no URL like https://auth.example.com"),
        });
        match &issuer {
            None if !development => source.fault(
                "tokens.issuer",
                "is required in production: the https URL that stands in every token as iss",
            ),
            Some(url) if !development && !url.starts_with("https://") => {
                source.fault("tokens.issuer", "must be https in production");
            }
            _ => {}
        }
        let issuer = issuer.unwrap_or_else(|| format!("http://localhost:{}", listen.port()));
        Self {
            audience: source
                .optional("tokens.audience", |text| Ok(text.to_owned()))
                .unwrap_or_else(|| issuer.clone()),
            issuer,
            access_ttl: source.duration("tokens.access_ttl", "15m", "1s", "1d"),
        }
    }
}
