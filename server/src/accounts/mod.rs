//! Accounts: who there is, how they prove who they are, and what they may change.

mod administration;
mod breached;
mod credentials;
mod error;
mod hashing;
mod import;
mod known;
mod password;
mod recovery;
mod stored_hash;
mod strength;
mod upgrade;
mod user;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use unicode_normalization::UnicodeNormalization as _;

pub use breached::{
    Breached, BuildError, BuildPhase, BuildProgress, Built, FilterFault, ListFormat, build_filter,
};
pub use error::AccountError;
pub use import::{ImportFault, ImportLine, Imported};
pub use password::{Passwords, Strength};
pub use stored_hash::{HashFault, MOST_ARGON2_KIB, check_hash};
pub use strength::Estimate;
pub use user::User;

use known::KnownUsers;

use crate::audit::{Audit, AuthEventKind};
use crate::clock::{Clock, Rng, random};
use crate::sessions::{Booked, DeviceTokens, Grant, SessionError, Sessions, Target, count_opened};
use crate::storage::{
    AuthEventRow, ProfileChange, SessionRow, Storage, StorageError, UserFilter, UserRow,
};
use crate::values::{Email, Identity, Name, Peer, Reason, Role, Secret, Transport, UserId};

/// Makes, finds and changes accounts, and signs people in.
pub struct Accounts {
    storage: Storage,
    known: KnownUsers,
    sessions: Arc<Sessions>,
    passwords: Passwords,
    device_tokens: DeviceTokens,
    audit: Arc<Audit>,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    settings: ArcSwap<AccountRules>,
}

/// What the configuration says about accounts.
#[derive(Clone, Copy, Debug)]
pub struct AccountRules {
    /// Whether anyone may register.
    pub registration_open: bool,
    /// How old a sign-in may be for an act that needs a fresh one.
    pub fresh_auth: Duration,
}

/// An account to make, as it was typed.
#[derive(Clone, derive_more::Debug)]
pub struct NewAccount {
    /// The address.
    #[debug("[redacted]")]
    pub email: String,
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// What they may do.
    pub role: Role,
}

/// How somebody signs in.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    /// How the refresh token is to travel.
    pub transport: Transport,
    /// Where the call came from.
    pub peer: &'a Peer,
    /// The refresh token of the cookie that came along: its session ends when another one takes the cookie.
    pub replaces: Option<Secret>,
    /// The token that the device is recognised by.
    pub device: Option<&'a Secret>,
}

impl Accounts {
    /// Accounts kept in `storage`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another service, and there is one caller"
    )]
    pub fn new(
        storage: Storage,
        sessions: Arc<Sessions>,
        passwords: Passwords,
        device_tokens: DeviceTokens,
        audit: Arc<Audit>,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
        settings: AccountRules,
    ) -> Self {
        Self {
            storage,
            known: KnownUsers::default(),
            sessions,
            passwords,
            device_tokens,
            audit,
            clock,
            rng,
            settings: ArcSwap::from_pointee(settings),
        }
    }

    /// From now on goes by these rules, and by this list of stolen passwords.
    pub fn reload(&self, rules: AccountRules, breached: Option<Arc<Breached>>) {
        self.settings.store(Arc::new(rules));
        self.passwords.set_breached(breached);
    }

    /// The fewest and the most characters that a password may have.
    pub fn password_length_limits(&self) -> (usize, usize) {
        self.passwords.length_limits()
    }

    /// What registering with this password would say of it, and how hard it is to guess. `hints` are what is known of its user.
    ///
    /// # Errors
    /// As [`Passwords::strength`]; [`SessionError::Throttled`] when there were too many from the peer's address.
    pub async fn password_strength(
        &self,
        password: &Secret,
        hints: Vec<String>,
        peer: &Peer,
    ) -> Result<Strength, AccountError> {
        self.sessions.throttle().book_estimate(peer)?;
        self.passwords.strength(password, hints).await
    }

    /// Makes an account and signs its owner in.
    ///
    /// # Errors
    /// What [`Self::create`] gives; [`AccountError::RegistrationClosed`] when only the operator makes accounts.
    pub async fn register(
        &self,
        account: NewAccount,
        sign_in: &SignIn<'_>,
    ) -> Result<Grant, AccountError> {
        if !self.settings.load().registration_open {
            return Err(AccountError::RegistrationClosed);
        }
        let booked = self
            .sessions
            .throttle()
            .book_registration(None, sign_in.peer)
            .await?;
        let user = match self.draft(account).await {
            Err(AccountError::Busy(wait)) => {
                self.sessions.throttle().undo(booked).await;
                return Err(AccountError::Busy(wait));
            }
            drafted => drafted?,
        };
        let session = self
            .sessions
            .draft(user.id, sign_in.transport, sign_in.peer);
        let event = self
            .audit
            .event(AuthEventKind::Registered, sign_in.peer)
            .user(user.id)
            .session(session.id);
        self.insert(user.clone(), Some(session.clone()), event)
            .await?;
        count_opened();
        self.end_replaced(sign_in).await;
        let (now, hash) = (session.created_at, user.password_hash.clone());
        let grant = self.sessions.grant(user, &session, now, now)?;
        Ok(self.on_device(grant, None, &hash))
    }

    /// Makes an account, for an operator.
    ///
    /// # Errors
    /// [`AccountError::EmailInvalid`], [`AccountError::EmailTaken`], [`AccountError::NameInvalid`], or what
    /// [`Passwords::hash_new`] finds wrong with the password.
    pub async fn create(&self, account: NewAccount) -> Result<User, AccountError> {
        let user = self.draft(account).await?;
        let event = self
            .audit
            .event(AuthEventKind::Registered, &Peer::default())
            .user(user.id);
        self.insert(user.clone(), None, event).await?;
        Ok(user.into())
    }

    async fn draft(&self, account: NewAccount) -> Result<UserRow, AccountError> {
        let email = Email::parse(&account.email).ok_or(AccountError::EmailInvalid)?;
        let name = Name::parse(&account.name).ok_or(AccountError::NameInvalid)?;
        let hints = vec![email.as_str().to_owned(), name.as_str().to_owned()];
        let password_hash = self.passwords.hash_new(&account.password, hints).await?;
        let created_at = self.clock.now();
        Ok(UserRow {
            id: UserId::new(created_at, random(&*self.rng)),
            name_key: name.as_str().to_lowercase(),
            email,
            name,
            role: account.role,
            password_hash,
            token_version: 1,
            disabled_at: None,
            created_at,
        })
    }

    async fn insert(
        &self,
        user: UserRow,
        session: Option<SessionRow>,
        event: AuthEventRow,
    ) -> Result<(), AccountError> {
        self.storage
            .insert_user(user, session, event)
            .await
            .map_err(|error| match error {
                StorageError::Conflict => AccountError::EmailTaken,
                other => other.into(),
            })
    }

    /// Signs somebody in by address and password. An unknown address takes as long as a known one.
    ///
    /// # Errors
    /// [`AccountError::BadCredentials`]; [`AccountError::Disabled`] after the right password; [`AccountError::Busy`] when
    /// too many passwords are being checked; [`SessionError::Throttled`] when there were too many wrong ones.
    pub async fn login(
        &self,
        email: &str,
        password: &Secret,
        sign_in: &SignIn<'_>,
    ) -> Result<Grant, AccountError> {
        let parsed = Email::parse(email);
        let user = match &parsed {
            Some(email) => self.storage.find_user_by_email(email).await?,
            None => None,
        };
        let id = user.as_ref().map(|user| user.id);
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let device = id
            .zip(sign_in.device)
            .zip(hash.as_deref())
            .and_then(|((id, token), hash)| {
                self.device_tokens.recognise(token.expose(), &id, hash)
            });
        let target = match (device, &parsed) {
            (Some(device), _) => Target::Device(device),
            (None, Some(email)) => Target::Email(email.as_str()),
            (None, None) => Target::Email(email),
        };
        let event = |kind| {
            let event = self.audit.event(kind, sign_in.peer);
            match id {
                Some(id) => event.user(id),
                None => event,
            }
        };
        let refused = event(AuthEventKind::LoginThrottled);
        let verified = self
            .verify(target, sign_in.peer, refused, password, hash)
            .await?;
        let Some(user) = user else {
            self.storage
                .insert_event(event(AuthEventKind::LoginFailed))
                .await?;
            return Err(AccountError::BadCredentials);
        };
        let disabled = user.disabled_at.is_some();
        let was_right = verified.is_some();
        if let Some(booked) = verified {
            let opened = match disabled {
                false => self.open(user, password, &booked, device, sign_in).await,
                true => Ok(None),
            };
            let throttle = self.sessions.throttle();
            match opened {
                Ok(Some(grant)) => return Ok(grant),
                Ok(None) => throttle.succeeded(booked).await,
                // It may stand all the same, and then what was booked is given back already.
                Err(error) if error.is_of_a_lost_connection() => return Err(error),
                Err(error) => {
                    throttle.undo(booked).await;
                    return Err(error);
                }
            }
        }
        self.storage
            .insert_event(event(AuthEventKind::LoginFailed))
            .await?;
        Err(if was_right && disabled {
            AccountError::Disabled
        } else {
            AccountError::BadCredentials
        })
    }

    /// The session that the right password opens, and gives back what was `booked` for it; `None` when the account has changed
    /// since.
    async fn open(
        &self,
        user: UserRow,
        password: &Secret,
        booked: &Booked,
        device: Option<&str>,
        sign_in: &SignIn<'_>,
    ) -> Result<Option<Grant>, AccountError> {
        let Some(user) = self.upgraded(user, password).await? else {
            return Ok(None);
        };
        let hash = user.password_hash.clone();
        let opening = self
            .sessions
            .open(user, sign_in.transport, sign_in.peer, booked);
        let Some(grant) = opening.await? else {
            return Ok(None);
        };
        self.end_replaced(sign_in).await;
        Ok(Some(self.on_device(grant, device, &hash)))
    }

    /// What was booked for the try, to be given back with what it leads to, if the password is the one that was hashed into
    /// `hash`, as far as the target's and the address's budgets go.
    async fn verify(
        &self,
        target: Target<'_>,
        peer: &Peer,
        refused: AuthEventRow,
        password: &Secret,
        hash: Option<String>,
    ) -> Result<Option<Booked>, AccountError> {
        let throttle = self.sessions.throttle();
        let booked = throttle.book_password(target, peer, refused).await?;
        match self.passwords.verify(password, hash).await {
            Ok(verified) => Ok(verified.then_some(booked)),
            Err(error) => {
                throttle.undo(booked).await;
                Err(error)
            }
        }
    }

    /// The grant, with a token for the device on which the password of this hash was just typed: `device` is its id, if it has
    /// one.
    fn on_device(&self, mut grant: Grant, device: Option<&str>, password_hash: &str) -> Grant {
        let id = device.map_or_else(|| DeviceTokens::new_id(&*self.rng), str::to_owned);
        let token = self.device_tokens.issue(&id, &grant.user.id, password_hash);
        grant.device_token = Some(token);
        grant
    }

    /// The new session stands already, so a failure here is told to the log alone.
    async fn end_replaced(&self, sign_in: &SignIn<'_>) {
        if let (Some(token), Transport::Cookie) = (&sign_in.replaces, sign_in.transport)
            && let Err(error) = self
                .sessions
                .end_by_token(token.expose(), Reason::SessionReplaced, sign_in.peer)
                .await
        {
            tracing::warn!(%error, "the session of the replaced cookie could not be ended");
        }
    }

    /// The account of a signed-in caller, as the database has it or, where it was read lately, as far as this node has heard of
    /// changes to it.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when it was deleted or disabled since the caller's token was signed.
    pub async fn of_caller(&self, caller: &Identity) -> Result<Arc<User>, AccountError> {
        // Before the row is read: what is heard of from now on may not be in it.
        let position = self.sessions.position(&caller.user);
        let read_at = self.clock.uptime();
        if let Some(known) =
            position.and_then(|position| self.known.find(caller, position, read_at))
        {
            return Ok(known);
        }
        // Boxed, so that what is remembered does not carry the room for a query about.
        let row = Box::pin(self.row_of_caller(caller)).await?;
        let version = row.token_version;
        let user = Arc::new(User::from(row));
        if let Some(position) = position {
            self.known.remember(&user, version, position, read_at);
        }
        Ok(user)
    }

    /// The row of a signed-in caller, read now.
    async fn row_of_caller(&self, caller: &Identity) -> Result<UserRow, AccountError> {
        let found = self.storage.find_user(&caller.user).await?;
        let enabled = found.filter(|user| user.disabled_at.is_none());
        Ok(enabled.ok_or(SessionError::Ended)?)
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`AccountError::Storage`] when the database did not do its part.
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, AccountError> {
        Ok(self.storage.find_user(id).await?.map(User::from))
    }

    /// The account with this address.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_by_email(&self, email: &Email) -> Result<Option<User>, AccountError> {
        Ok(self
            .storage
            .find_user_by_email(email)
            .await?
            .map(User::from))
    }

    /// Up to `limit` accounts after `after`, newest first. `search` is a prefix of the address or of the name.
    ///
    /// # Errors
    /// [`AccountError::Storage`] when the database did not do its part.
    pub async fn list(
        &self,
        search: Option<&str>,
        role: Option<Role>,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<User>, AccountError> {
        let search: Option<String> =
            search.map(|text| text.trim().nfc().collect::<String>().to_lowercase());
        // No address and no name has one, and PostgreSQL has no text with a NUL.
        if search
            .as_ref()
            .is_some_and(|text| text.contains(char::is_control))
        {
            return Ok(Vec::new());
        }
        let search = search.filter(|text| !text.is_empty());
        let rows = self
            .storage
            .list_users(&UserFilter { search, role }, after, limit)
            .await?;
        Ok(rows.into_iter().map(User::from).collect())
    }

    /// Changes the caller's own name or address. Whoever only found an open screen must not be able to take the account over,
    /// so a new address needs a fresh sign-in (OWASP ASVS 5.0, 7.5.1).
    ///
    /// # Errors
    /// [`AccountError::ReauthenticationRequired`] when the sign-in is too old for a new address;
    /// [`AccountError::EmailTaken`], [`AccountError::EmailInvalid`], [`AccountError::NameInvalid`];
    /// [`SessionError::Throttled`] when there were too many new addresses.
    pub async fn update_profile(
        &self,
        caller: &Identity,
        name: Option<&str>,
        email: Option<&str>,
        peer: &Peer,
    ) -> Result<User, AccountError> {
        let name = name
            .map(|text| Name::parse(text).ok_or(AccountError::NameInvalid))
            .transpose()?;
        let email = email
            .map(|text| Email::parse(text).ok_or(AccountError::EmailInvalid))
            .transpose()?;
        let now = self.clock.now();
        let current = self.row_of_caller(caller).await?;
        let change = ProfileChange {
            name: name.filter(|name| *name != current.name),
            email: email.filter(|email| *email != current.email),
        };
        if change.name.is_none() && change.email.is_none() {
            return Ok(current.into());
        }
        if change.email.is_some() {
            self.check_fresh(caller)?;
            // Stays booked: each answer tells of one address whether it has an account.
            let _ = self
                .sessions
                .throttle()
                .book_registration(Some(&caller.user), peer)
                .await?;
        }
        let event = self
            .audit
            .event(AuthEventKind::ProfileChanged, peer)
            .user(caller.user)
            .session(caller.session);
        let written = self
            .storage
            .update_profile(caller, &change, event, now)
            .await;
        match self.sessions.settle(written).await {
            Ok(user) => Ok(user.into()),
            Err(StorageError::Conflict) => Err(AccountError::EmailTaken),
            Err(other) => Err(other.into()),
        }
    }

    /// Refuses a caller who proved their password too long ago for what they want to do.
    ///
    /// # Errors
    /// [`AccountError::ReauthenticationRequired`].
    pub fn check_fresh(&self, caller: &Identity) -> Result<(), AccountError> {
        if self.clock.now().since(caller.auth_time) > self.settings.load().fresh_auth {
            return Err(AccountError::ReauthenticationRequired);
        }
        Ok(())
    }
}
