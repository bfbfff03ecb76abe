//! The server's public keys, fetched and kept.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use jsonwebtoken::{Algorithm, DecodingKey, jwk::JwkSet};
use tokio::{sync::Mutex, time::Instant};

use crate::Refusal;

/// How long keys are kept: the `max-age` that the server sends with them. It publishes a key twice this long before it signs.
pub const MAX_AGE: Duration = Duration::from_secs(300);
/// Unknown key ids cause one fetch in this time, however many come.
pub const COOL_DOWN: Duration = Duration::from_secs(30);
/// After a fetch that failed, the next one.
pub const RETRY: Duration = Duration::from_secs(5);

/// The keys at a JWKS address (RFC 7517 §5).
pub struct RemoteKeys {
    http: reqwest::Client,
    url: String,
    algorithm: Algorithm,
    /// Held while fetching: those who come meanwhile wait for the same answer.
    cache: Mutex<Cache>,
}

struct Cache {
    keys: HashMap<String, DecodingKey>,
    stale_at: Instant,
    next_fetch: Instant,
    failing: bool,
}

impl RemoteKeys {
    /// The keys at `url` that are for `algorithm`. Nothing is fetched before the first token comes.
    pub fn new(http: reqwest::Client, url: String, algorithm: Algorithm) -> Self {
        let now = Instant::now();
        let cache = Mutex::new(Cache {
            keys: HashMap::new(),
            stale_at: now,
            next_fetch: now,
            failing: false,
        });
        Self {
            http,
            url,
            algorithm,
            cache,
        }
    }

    /// The key that `kid` names. While the server does not answer, the keys it gave last are used.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] when there is no such key, [`Refusal::Unavailable`] when that cannot be told now.
    pub async fn get(&self, kid: &str) -> Result<DecodingKey, Refusal> {
        let mut cache = self.cache.lock().await;
        let now = Instant::now();
        let is_due = now >= cache.stale_at || !cache.keys.contains_key(kid);
        if is_due && now >= cache.next_fetch {
            let fetched = self.fetch().await;
            let now = Instant::now();
            cache.failing = fetched.is_err();
            match fetched {
                Ok(keys) => {
                    cache.keys = keys;
                    cache.stale_at = now + MAX_AGE;
                    cache.next_fetch = now + COOL_DOWN;
                }
                Err(error) => {
                    tracing::warn!("cannot fetch {}: {error:#}", self.url);
                    cache.next_fetch = now + RETRY;
                }
            }
        }
        match cache.keys.get(kid) {
            Some(key) => Ok(key.clone()),
            None if cache.failing => Err(Refusal::Unavailable),
            None => Err(Refusal::Invalid("unknown key")),
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>> {
        let answer = self.http.get(&self.url).send().await?.error_for_status()?;
        let set: JwkSet = answer.json().await?;
        // A key is for one algorithm (RFC 8725 §3.1); those for others are not ours to use.
        let ours = set
            .keys
            .iter()
            .filter(|jwk| jwk.common.key_algorithm == Some(self.algorithm.into()));
        let keys = ours.map(|jwk| {
            let kid = jwk.common.key_id.clone().unwrap_or_default();
            Ok((kid, DecodingKey::from_jwk(jwk)?))
        });
        keys.collect()
    }
}
