//! Signing and verifying access tokens, and the keys for it.

mod algorithm;
mod claims;
mod error;
mod folder;
mod json;
mod keys;
mod mac;
mod revocations;
mod ring;
mod sealer;
mod verified;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Header, crypto};
use serde::Deserialize;

pub use algorithm::Algorithm;
pub use claims::{Audience, Claims};
pub use error::TokenError;
pub use jsonwebtoken::jwk::JwkSet;
pub use keys::{JWKS_MAX_AGE, KeyError, Keys, Lives};
pub use mac::Mac;
pub use revocations::{MAX_ENTRIES, Position, Revocations, Standing};
use ring::{AccessKey, Entry};
pub use ring::{KeyRing, KeyState, KeyStatus};
pub use sealer::Sealer;
use verified::Fingerprint;

use crate::clock::{Clock, Rng, random};
use crate::config::TokenSettings;
use crate::values::{Identity, Role, SessionId, UnixMillis, UserId};

/// What an access token says of its user and session; the rest of the claims comes from the configuration.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The user's token version.
    pub version: i64,
    /// The user's role.
    pub role: Role,
    /// When the user last proved their password.
    pub auth_time: UnixMillis,
    /// The session's absolute end, which no token outlives.
    pub not_after: UnixMillis,
}

/// A signed access token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The compact JWS (RFC 7515 §7.1).
    pub token: crate::values::Secret,
    /// When it was signed: a whole second.
    pub issued_at: UnixMillis,
    /// How long it is good for, in whole seconds.
    pub expires_in: Duration,
}

/// Signs and verifies access tokens.
pub struct Tokens {
    ring: RwLock<Arc<KeyRing>>,
    /// `None` of a ring that never changes.
    keys: Option<Keys>,
    /// One reads at a time, so that no older ring takes the place of a newer one.
    reading: tokio::sync::Mutex<()>,
    /// What went wrong the last time the keys were tended, so that the log has it once.
    trouble: Mutex<Option<String>>,
    settings: TokenSettings,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
}

/// The media type of an access token (RFC 9068 §2.1); `application/` before it is optional (RFC 7515 §4.1.9).
const TYPE: &str = "at+jwt";
/// The clock of another node may differ by this much, in seconds.
const LEEWAY_SECS: i64 = 30;
/// No token of ours comes near this; what is longer is not worth decoding.
const MAX_BYTES: usize = 8192;
/// RFC 9068 §2.2 requires a client id. There is one client: the application that this server is for.
const CLIENT_ID: &str = "countersign";

/// The header members that decide. `alg` is compared with the key's own algorithm and never selects one (RFC 8725 §3.1).
#[derive(Deserialize)]
struct StrictHeader {
    alg: String,
    kid: String,
    typ: String,
    #[serde(default, deserialize_with = "json::presence")]
    crit: bool,
}

impl Tokens {
    /// Signs with `ring`, which never changes, as `settings` say.
    pub fn new(
        ring: KeyRing,
        settings: TokenSettings,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
    ) -> Self {
        Self {
            ring: RwLock::new(Arc::new(ring)),
            keys: None,
            reading: tokio::sync::Mutex::default(),
            trouble: Mutex::default(),
            settings,
            clock,
            rng,
        }
    }

    /// Signs with `keys`, the first of which are made where there are none.
    ///
    /// # Errors
    /// [`KeyError`], whose text says what to do.
    pub async fn open(
        keys: Keys,
        settings: TokenSettings,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
    ) -> Result<Self, KeyError> {
        let ring = keys.open().await?;
        Ok(Self {
            keys: Some(keys),
            ..Self::new(ring, settings, clock, rng)
        })
    }

    /// Where the keys are kept, and what can be done to them.
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// The keys as they were last read.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What `/.well-known/jwks.json` publishes.
    pub fn jwks(&self) -> JwkSet {
        self.ring().jwks(self.clock.now())
    }

    /// Reads the keys anew, after somebody changed them. When that fails, the keys stay as they were.
    ///
    /// # Errors
    /// [`KeyError`], whose text says what to do.
    pub async fn reload(&self) -> Result<(), KeyError> {
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let _one = self.reading.lock().await;
        let ring = Arc::new(keys.read().await?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// At the start of a server: makes a key of the configured algorithm when the newest has another one. It is published at
    /// once and signs later.
    ///
    /// # Errors
    /// [`KeyError`], whose text says what to do.
    pub async fn adopt_algorithm(&self) -> Result<(), KeyError> {
        match &self.keys {
            Some(keys) if keys.adopt_algorithm().await? => self.reload().await,
            _ => Ok(()),
        }
    }

    /// Does what is due: scheduled rotation, deleting keys that are of no use any more, reading key files that have changed. To
    /// be called every second or so; it asks the database only when something is due. What goes wrong is logged, once.
    pub async fn tend_keys(&self) {
        let trouble = self
            .try_to_tend()
            .await
            .err()
            .map(|error| error.to_string());
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = trouble
            .as_ref()
            .filter(|error| last.as_ref() != Some(error))
        {
            tracing::warn!(%error, "the keys could not be tended; they stay as they were");
        }
        *last = trouble;
    }

    async fn try_to_tend(&self) -> Result<(), KeyError> {
        match &self.keys {
            Some(keys) if keys.tend(&self.ring()).await? => self.reload().await,
            _ => Ok(()),
        }
    }

    /// Signs an access token for `subject` at `now`.
    ///
    /// `iat` and `exp` are whole seconds since 1970 (RFC 7519 §2); `exp` is `iat` + the configured life, or the session's
    /// end where that is sooner.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] when there is no key to sign with.
    pub fn sign(&self, subject: &Subject, now: UnixMillis) -> Result<AccessToken, KeyError> {
        let failed = |what: &str| KeyError::Damaged(what.to_owned());
        let ring = self.ring();
        let key = ring
            .signing_key(now)
            .ok_or_else(|| failed("that signs now"))?;
        let encoding = key.encoding.as_ref().ok_or_else(|| failed(&key.kid))?;
        let life = self
            .settings
            .access_ttl
            .min(subject.not_after.since(now))
            .as_secs();
        let iat = now.as_secs();
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: Audience::One(self.settings.audience.clone()),
            sub: subject.user,
            client_id: CLIENT_ID.to_owned(),
            sid: subject.session,
            ver: subject.version,
            role: subject.role,
            iat,
            nbf: None,
            exp: iat + i64::try_from(life).unwrap_or_default(),
            jti: BASE64URL.encode(random::<16>(&*self.rng)),
            auth_time: subject.auth_time.as_secs(),
        };
        let mut header = Header::new(key.algorithm.into());
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        let token =
            jsonwebtoken::encode(&header, &claims, encoding).map_err(|_| failed(&key.kid))?;
        Ok(AccessToken {
            token: crate::values::Secret::new(token),
            issued_at: UnixMillis(iat * 1000),
            expires_in: Duration::from_secs(life),
        })
    }

    /// Checks a token's form, signature and claims (RFC 8725, RFC 9068 §4) and gives its claims.
    ///
    /// # Errors
    /// [`TokenError::Expired`] when it was good until its `exp`; [`TokenError::Invalid`] for everything else.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.verify_under(&self.ring(), token)
            .map(|(claims, _)| claims)
    }

    /// Whom a token speaks for that [`Self::verify`] accepts. The signature of a token that came by lately is not checked again,
    /// its end is.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn identify(&self, token: &str) -> Result<Identity, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::Invalid("too long"));
        }
        let ring = self.ring();
        let fingerprint = Fingerprint::of(token);
        if let Some(known) = ring.verified.find(&fingerprint, self.clock.now()) {
            return Ok(known);
        }
        let (claims, good_until) = self.verify_under(&ring, token)?;
        let identity = Identity::from(&claims);
        ring.verified
            .remember(&fingerprint, identity.clone(), good_until);
        Ok(identity)
    }

    /// The claims of a token, and until when they and the ring's key are accepted.
    fn verify_under(
        &self,
        ring: &KeyRing,
        token: &str,
    ) -> Result<(Claims, UnixMillis), TokenError> {
        use TokenError::Invalid;
        if token.len() > MAX_BYTES {
            return Err(Invalid("too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Invalid("not three parts"))?;
        let (header, payload) = message.split_once('.').ok_or(Invalid("not three parts"))?;
        let header = json::read(header).ok_or(Invalid("header"))?;
        let entry = self.key_for(ring, &header)?;
        let algorithm = entry.key.algorithm.into();
        let verified = crypto::verify(
            signature,
            message.as_bytes(),
            &entry.key.decoding,
            algorithm,
        );
        if !verified.unwrap_or(false) {
            return Err(Invalid("signature"));
        }
        let claims: Claims = json::read(payload).ok_or(Invalid("claims"))?;
        self.check(&claims)?;
        let expires = UnixMillis(claims.exp.saturating_add(LEEWAY_SECS).saturating_mul(1000));
        let good_until = entry
            .verifies_until
            .map_or(expires, |until| until.min(expires));
        Ok((claims, good_until))
    }

    fn key_for<'r>(
        &self,
        ring: &'r KeyRing,
        header: &StrictHeader,
    ) -> Result<&'r Entry<AccessKey>, TokenError> {
        use TokenError::Invalid;
        // We understand no extension, so any `crit` is one too many (RFC 7515 §4.1.11).
        if header.crit {
            return Err(Invalid("crit"));
        }
        let typ = header.typ.to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != TYPE {
            return Err(Invalid("typ"));
        }
        let entry = ring
            .verifying_key(&header.kid, self.clock.now())
            .ok_or(Invalid("kid"))?;
        if !entry.key.algorithm.is_named(&header.alg) {
            return Err(Invalid("alg"));
        }
        Ok(entry)
    }

    fn check(&self, claims: &Claims) -> Result<(), TokenError> {
        use TokenError::Invalid;
        let now = self.clock.now().as_secs();
        if claims.iss != self.settings.issuer {
            return Err(Invalid("iss"));
        }
        if !claims.aud.contains(&self.settings.audience) {
            return Err(Invalid("aud"));
        }
        if claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY_SECS) {
            return Err(Invalid("nbf"));
        }
        if claims.exp.saturating_add(LEEWAY_SECS) <= now {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}
