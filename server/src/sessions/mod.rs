//! Sessions: opened by a password, kept alive by a rotating refresh token, ended at any time.

mod budget;
mod device_token;
mod devices;
mod ending;
mod error;
mod events;
mod everyone;
mod feed;
mod refresh_token;
mod reuse;
mod standing;
mod throttle;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

pub use device_token::DeviceTokens;
pub use devices::Session;
pub use error::{AccessError, SessionError};
pub use events::{Events, SessionEvent, SessionEventKind};
pub use feed::Feed;
pub use refresh_token::RefreshToken;
use reuse::{Verdict, comes_from_elsewhere, is_same_call, judge};
use standing::Lookups;
pub use throttle::{Booked, Target, Throttle};
pub use watch::{Report, Watch};

use crate::accounts::User;
use crate::audit::{Audit, AuthEventKind};
use crate::clock::{Clock, Rng, random};
use crate::config::{SessionSettings, TheftEnds};
use crate::storage::{
    NewNonce, Opening, Rotation, SessionRow, Storage, StorageError, UserRow, in_batches,
};
use crate::tokens::{AccessToken, KeyError, Revocations, Subject, Tokens};
use crate::values::{Identity, Peer, Reason, Secret, SessionId, Transport, UnixMillis, UserId};

/// Opens, renews and ends sessions.
pub struct Sessions {
    storage: Storage,
    tokens: Arc<Tokens>,
    feed: Arc<Feed>,
    lookups: Lookups,
    throttle: Throttle,
    audit: Arc<Audit>,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    settings: SessionSettings,
}

/// What a client gets that signed in or stays signed in.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The user.
    pub user: User,
    /// The session.
    pub session: SessionId,
    /// How the refresh token travels.
    pub transport: Transport,
    /// The access token.
    pub access: AccessToken,
    /// The refresh token that is good now.
    pub refresh_token: Secret,
    /// How long it is good for if it is not used.
    pub refresh_expires_in: Duration,
    /// What the device is recognised by from now on, where the password was typed for this.
    pub device_token: Option<Secret>,
}

/// An attempt key of fewer bytes could be guessed; one of more is no key.
const ATTEMPT_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// A token is not signed from rows that were read longer ago.
const OLDEST_ROW: Duration = Duration::from_secs(30);
/// Sessions are kept for a day past their absolute end, so that their clients are told why they ended.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3600);

impl Sessions {
    /// Sessions kept in `storage`, with access tokens by `tokens`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another service, and there is one caller"
    )]
    pub fn new(
        storage: Storage,
        tokens: Arc<Tokens>,
        feed: Arc<Feed>,
        throttle: Throttle,
        audit: Arc<Audit>,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
        settings: SessionSettings,
    ) -> Self {
        Self {
            storage,
            tokens,
            feed,
            lookups: Lookups::default(),
            throttle,
            audit,
            clock,
            rng,
            settings,
        }
    }

    /// What was taken back lately, as far as this node has read it.
    pub fn revocations(&self) -> &Revocations {
        self.feed.revocations()
    }

    /// What counts wrong passwords.
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// A session for `user` that begins now; the caller writes it.
    pub fn draft(&self, user: UserId, transport: Transport, peer: &Peer) -> SessionRow {
        let now = self.clock.now();
        let expires_at = now + self.settings.absolute_ttl;
        SessionRow {
            id: SessionId::new(now, random(&*self.rng)),
            user_id: user,
            transport,
            nonce: BASE64URL.encode(random::<32>(&*self.rng)),
            generation: 1,
            attempt_hash: None,
            rotated_at: now,
            rotated_before_at: now,
            foreign_repeats: 0,
            foreign_repeat_generation: 0,
            created_at: now,
            refresh_expires_at: expires_at.min(now + self.settings.refresh_ttl),
            expires_at,
            ended_at: None,
            ip_address: peer.ip.map(|ip| ip.to_string()),
            user_agent: peer.user_agent.clone(),
            nonce_before: None,
        }
    }

    /// Opens a session for a user whose password was just verified against `user.password_hash`; `None` when the account has
    /// changed since. What was `booked` for the try at the password is given back with it.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn open(
        &self,
        user: UserRow,
        transport: Transport,
        peer: &Peer,
        booked: &Booked,
    ) -> Result<Option<Grant>, SessionError> {
        let session = self.draft(user.id, transport, peer);
        let now = session.created_at;
        let opening = Opening {
            session: session.clone(),
            password_hash: &user.password_hash,
            max_per_user: self.settings.max_per_user,
            opened: self
                .audit
                .event(AuthEventKind::LoginSucceeded, peer)
                .user(user.id)
                .session(session.id),
            ended: &|id, user| {
                self.audit
                    .event(AuthEventKind::SessionRevoked, peer)
                    .user(user)
                    .session(id)
            },
            budgets: &booked.keys(),
            success: &|rows| {
                booked.succeed(rows);
                Ok(())
            },
        };
        let opened = self.storage.open_session(opening, now).await;
        let opened = match opened {
            Ok(None | Some((_, 0))) => opened,
            _ => self.settle(opened).await,
        };
        match opened? {
            Some((user, _)) => {
                count_opened();
                self.grant(user, &session, now, now).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The tokens for a session as its row and its user's were read at `now`; `auth_time` is when the password was proven.
    ///
    /// # Errors
    /// [`SessionError::Key`] when nothing can be signed.
    pub fn grant(
        &self,
        user: UserRow,
        session: &SessionRow,
        auth_time: UnixMillis,
        now: UnixMillis,
    ) -> Result<Grant, SessionError> {
        // What was taken back since may have been forgotten by now.
        if self.clock.now().since(now) > OLDEST_ROW {
            let why = "it took too long over a session".to_owned();
            return Err(StorageError::Unavailable(why).into());
        }
        let subject = Subject {
            user: user.id,
            session: session.id,
            version: user.token_version,
            role: user.role,
            auth_time,
            not_after: session.expires_at,
        };
        let ring = self.tokens.ring();
        let refresh_token = ring
            .refresh_key_id(now)
            .and_then(|key| {
                RefreshToken::issue(&ring, key, session.id, session.generation, &session.nonce)
            })
            .ok_or_else(|| KeyError::Damaged("that makes refresh tokens".to_owned()))?;
        Ok(Grant {
            user: user.into(),
            session: session.id,
            transport: session.transport,
            access: self.tokens.sign(&subject, now)?,
            refresh_token: refresh_token.expose(),
            refresh_expires_in: Duration::from_secs(
                session.refresh_expires_at.since(now).as_secs(),
            ),
            device_token: None,
        })
    }

    /// Renews a session: a new access token, and the next refresh token in place of `presented`.
    ///
    /// A session's token is good over the session's own `transport` only: what was taken out of a cookie is of no use in a
    /// body. `attempt` is the call's own random key: a repeat with the same key is the same call, however late.
    ///
    /// # Errors
    /// [`SessionError::RefreshInvalid`], [`SessionError::RefreshExpired`], [`SessionError::Ended`]; and
    /// [`SessionError::RefreshReused`] when somebody else has a copy of the token, which ends the session (RFC 9700 §4.14.2).
    pub async fn refresh(
        &self,
        presented: &str,
        transport: Transport,
        attempt: Option<&str>,
        peer: &Peer,
    ) -> Result<Grant, SessionError> {
        let attempt_hash = attempt.map(hash_attempt).transpose()?;
        let now = self.clock.now();
        let (token, mut session, user) = self
            .authenticate(presented, attempt_hash.as_deref(), peer)
            .await?
            .filter(|(_, session, _)| session.transport == transport)
            .ok_or(SessionError::RefreshInvalid)?;
        if user.disabled_at.is_some() {
            return Err(SessionError::Ended);
        }
        let rotation = Rotation {
            id: session.id,
            nonce: &session.nonce,
            generation: token.generation,
            attempt_hash: attempt_hash.clone(),
            refresh_expires_at: session.expires_at.min(now + self.settings.refresh_ttl),
            peer,
            now,
        };
        let event = comes_from_elsewhere(&session, peer).then(|| {
            self.audit
                .event(AuthEventKind::Refreshed, peer)
                .user(user.id)
                .session(session.id)
        });
        if self.storage.advance_generation(&rotation, event).await? {
            session.refresh_expires_at = rotation.refresh_expires_at;
            session.generation = token.generation + 1;
            count_refreshed("rotated");
            return self.grant(user, &session, session.created_at, now);
        }
        self.answer_superseded(&token, attempt_hash.as_deref(), peer, now)
            .await
    }

    async fn answer_superseded(
        &self,
        token: &RefreshToken,
        attempt_hash: Option<&str>,
        peer: &Peer,
        now: UnixMillis,
    ) -> Result<Grant, SessionError> {
        let found = self.storage.find_session(&token.session).await?;
        let (session, user) = found
            .filter(|(session, _)| self.is_of(token, session, attempt_hash))
            .ok_or(SessionError::RefreshInvalid)?;
        if session.ended_at.is_some() || user.disabled_at.is_some() {
            return Err(SessionError::Ended);
        }
        if session.expires_at.min(session.refresh_expires_at) <= now {
            return Err(SessionError::RefreshExpired);
        }
        match judge(
            &session,
            token.generation,
            attempt_hash,
            peer,
            now,
            self.settings.reuse_grace,
        ) {
            Verdict::SameCall => {}
            Verdict::SecondUse { foreign } => {
                let event = self
                    .audit
                    .event(AuthEventKind::RefreshRepeated, peer)
                    .user(user.id)
                    .session(session.id);
                self.storage
                    .record_repeat(&session.id, session.generation, foreign, event)
                    .await?;
            }
            Verdict::Theft => {
                let stolen = session.id;
                let ended = |id, user| {
                    let kind = match id == stolen {
                        true => AuthEventKind::RefreshReuseDetected,
                        false => AuthEventKind::SessionRevoked,
                    };
                    self.audit.event(kind, peer).user(user).session(id)
                };
                let reason = Reason::RefreshReused;
                let written = match self.settings.theft_ends {
                    TheftEnds::Session => {
                        let event = ended(stolen, user.id);
                        let ending = self.storage.end_session(&stolen, reason, event, now);
                        ending.await.map(|_| ())
                    }
                    TheftEnds::User => {
                        let ending = self
                            .storage
                            .end_sessions_of(None, &user.id, reason, &ended, now);
                        ending.await.map(|_| ())
                    }
                };
                self.settle(written).await?;
                return Err(SessionError::RefreshReused);
            }
        }
        count_refreshed("repeated");
        self.grant(user, &session, session.created_at, now)
    }

    /// The session of a refresh token that we issued, of whatever generation. What looks like one and is none counts as a
    /// failure of the address; what names none of our keys costs nothing and counts for nothing.
    async fn authenticate(
        &self,
        presented: &str,
        attempt_hash: Option<&str>,
        peer: &Peer,
    ) -> Result<Option<(RefreshToken, SessionRow, UserRow)>, SessionError> {
        let ring = self.tokens.ring();
        let Some(token) = RefreshToken::parse(presented).filter(|token| token.is_of(&ring)) else {
            return Ok(None);
        };
        let found = self.storage.find_session(&token.session).await?;
        let authentic = found.filter(|(session, _)| self.is_of(&token, session, attempt_hash));
        if authentic.is_none() {
            self.throttle.note_failure(peer).await;
        }
        Ok(authentic.map(|(session, user)| (token, session, user)))
    }

    /// Whether we issued the token for the session's nonce; or for the one before, where the call is the one that replaced it.
    fn is_of(
        &self,
        token: &RefreshToken,
        session: &SessionRow,
        attempt_hash: Option<&str>,
    ) -> bool {
        let ring = self.tokens.ring();
        token.is_authentic(&ring, &session.nonce)
            || (is_same_call(session, token.generation, attempt_hash)
                && (session.nonce_before.as_deref())
                    .is_some_and(|nonce| token.is_authentic(&ring, nonce)))
    }

    /// How the refresh token of the caller's session travels.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when the session has.
    pub async fn transport(&self, caller: &Identity) -> Result<Transport, SessionError> {
        let found = self.storage.find_session(&caller.session).await?;
        let alive = found.filter(|(session, _)| session.is_alive(self.clock.now()));
        alive
            .map(|(session, _)| session.transport)
            .ok_or(SessionError::Ended)
    }

    /// What makes a session's earlier refresh tokens worthless, but for the repeat of the call with the key `attempt`.
    ///
    /// # Errors
    /// [`SessionError::AttemptInvalid`].
    pub(crate) fn new_nonce(&self, attempt: Option<&str>) -> Result<NewNonce, SessionError> {
        Ok(NewNonce {
            nonce: BASE64URL.encode(random::<32>(&*self.rng)),
            attempt_hash: attempt.map(hash_attempt).transpose()?,
            refresh_expires_at: self.clock.now() + self.settings.refresh_ttl,
        })
    }

    /// Deletes sessions that expired more than a day ago, and revocations and counted tries that do not matter any more;
    /// how many sessions.
    ///
    /// # Errors
    /// [`SessionError::Storage`] when the database did not do its part.
    pub async fn delete_expired(&self) -> Result<usize, SessionError> {
        let now = self.clock.now();
        let storage = &self.storage;
        in_batches(|limit| storage.delete_expired_revocations(now, limit)).await?;
        in_batches(|limit| self.throttle.delete_forgotten(limit)).await?;
        let before = now - KEPT_AFTER_EXPIRY;
        Ok(in_batches(|limit| storage.delete_expired_sessions(before, limit)).await?)
    }
}

/// Counts a session that was opened.
pub(crate) fn count_opened() {
    metrics::counter!("countersign_sessions_opened_total").increment(1);
}

fn count_refreshed(how: &'static str) {
    metrics::counter!("countersign_sessions_refreshed_total", "how" => how).increment(1);
}

/// Whether a refresh token, which may be worthless, names this session.
pub fn is_token_of(presented: &str, session: &SessionId) -> bool {
    RefreshToken::parse(presented).is_some_and(|token| token.session == *session)
}

fn hash_attempt(attempt: &str) -> Result<String, SessionError> {
    if !ATTEMPT_BYTES.contains(&attempt.len()) {
        return Err(SessionError::AttemptInvalid);
    }
    Ok(BASE64URL.encode(digest::digest(&digest::SHA256, attempt.as_bytes())))
}
