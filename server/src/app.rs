//! The only place that constructs services.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use metrics_exporter_prometheus::BuildError;

use crate::accounts::{AccountError, AccountRules, Accounts, Passwords};
use crate::audit::Audit;
use crate::clock::{Clock, DatabaseClock, Rng, random, uptime};
use crate::config::{LEAST_SECRET, Settings};
use crate::graphql::{Documents, Engine, Services};
use crate::http::Sockets;
use crate::readiness::Readiness;
use crate::sessions::{DeviceTokens, Events, Feed, Sessions, Throttle};
use crate::storage::{KeyRow, Storage, StorageError};
use crate::telemetry::metrics;
use crate::telemetry::request_id::RequestIds;
use crate::tokens::{KeyError, Keys, Lives, MAX_ENTRIES, Mac, Revocations, Sealer, Tokens};
use crate::values::{Secret, UnixMillis};

/// A running server's parts. With other settings they are the same parts: see [`App::reload`].
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub settings: Settings,
    /// Access tokens and keys.
    pub tokens: Arc<Tokens>,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// The audit trail.
    pub audit: Arc<Audit>,
    /// What is served at `/graphql`.
    pub engine: Arc<Engine>,
    /// The documents that came by.
    pub documents: Arc<Documents>,
    /// Who listens at `/graphql/ws`.
    pub sockets: Arc<Sockets>,
    /// The database.
    pub storage: Storage,
    /// Whether requests should be sent here.
    pub readiness: Arc<Readiness>,
    /// The time that all of them go by.
    pub clock: Arc<dyn Clock>,
    /// The ids of requests.
    pub request_ids: Arc<RequestIds>,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The hashing threads.
    #[error(transparent)]
    Accounts(#[from] AccountError),
    /// Metrics.
    #[error("metrics cannot be counted: {0}")]
    Metrics(#[from] BuildError),
    /// The file that holds the development secret.
    #[error("the secret for private keys cannot be kept in {0}: {1}. Set COUNTERSIGN_KEYS__SECRET")]
    SecretFile(String, std::io::Error),
}

/// How often is looked whether keys are due, or key files have changed.
const KEYS_INTERVAL: Duration = Duration::from_secs(1);
/// How often expired rows are deleted.
const CLEANING_INTERVAL: Duration = Duration::from_secs(3600);

impl App {
    /// Opens the database, reads the keys and constructs the services, on the database's time.
    ///
    /// # Errors
    /// [`StartError`], whose text says what to do.
    pub async fn start(settings: Settings) -> Result<Arc<Self>, StartError> {
        let storage = Storage::open(&settings.database).await?;
        let clock = Arc::new(DatabaseClock::default());
        measure(&storage, &clock).await?;
        Self::with_clock(settings, storage, clock.clone(), Some(clock)).await
    }

    /// The same on a clock of the caller's, which tests move.
    ///
    /// # Errors
    /// [`StartError`], whose text says what to do.
    pub async fn start_at(
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        let storage = Storage::open(&settings.database).await?;
        Self::with_clock(settings, storage, clock, None).await
    }

    async fn with_clock(
        settings: Settings,
        storage: Storage,
        clock: Arc<dyn Clock>,
        database_clock: Option<Arc<DatabaseClock>>,
    ) -> Result<Arc<Self>, StartError> {
        // Before anything that counts: what is not counted from the start is never counted.
        metrics::start()?;
        let rng: Arc<Rng> = Arc::new(SystemRandom::new());
        let ttl = settings.tokens.access_ttl;
        storage.note_access_ttl(ttl, clock.now()).await?;
        let secret = keys_secret(&settings, &*rng)?;
        let keys = keys(&settings, &storage, &clock, &rng)?;
        let tokens = settings.tokens.clone();
        let tokens = Arc::new(Tokens::open(keys, tokens, clock.clone(), rng.clone()).await?);
        let revocations = Arc::new(Revocations::new(clock.clone(), MAX_ENTRIES));
        let feed = Feed::start(
            storage.clone(),
            revocations.clone(),
            Arc::new(Events::default()),
            tokens.clone(),
            clock.clone(),
            database_clock.clone(),
        )
        .await?;
        let audit = Arc::new(Audit::new(
            storage.clone(),
            clock.clone(),
            rng.clone(),
            settings.audit.clone(),
        ));
        let sessions = Arc::new(Sessions::new(
            storage.clone(),
            tokens.clone(),
            feed,
            Throttle::new(
                storage.clone(),
                clock.clone(),
                Mac::new(&secret, "throttle v1"),
                settings.limits.clone(),
            ),
            audit.clone(),
            clock.clone(),
            rng.clone(),
            settings.sessions.clone(),
        ));
        let accounts = Arc::new(Accounts::new(
            storage.clone(),
            sessions.clone(),
            Passwords::start(settings.passwords.clone())?,
            DeviceTokens::new(Mac::new(&secret, "devices v1")),
            audit.clone(),
            clock.clone(),
            rng.clone(),
            account_rules(&settings),
        ));
        let engine = engine(&settings, &accounts, &sessions, &audit);
        let readiness = Readiness::start(storage.clone(), revocations, database_clock);
        Ok(Arc::new(Self {
            documents: Arc::new(Documents::new(&settings.graphql)),
            settings,
            tokens,
            accounts,
            sessions,
            audit,
            engine,
            sockets: Arc::default(),
            storage,
            readiness,
            clock,
            request_ids: Arc::new(RequestIds::new(u64::from_be_bytes(random(&*rng)))),
        }))
    }

    /// The same server with the settings that [`Settings::reloaded`] gives: requests that are under way keep the old ones.
    pub fn reload(&self, settings: Settings) -> Arc<Self> {
        let breached = settings.passwords.breached.clone();
        self.accounts.reload(account_rules(&settings), breached);
        self.sessions.throttle().set_limits(settings.limits.clone());
        Arc::new(Self {
            engine: engine(&settings, &self.accounts, &self.sessions, &self.audit),
            // What was admitted before may be refused now.
            documents: Arc::new(Documents::new(&settings.graphql)),
            settings,
            ..self.clone()
        })
    }

    /// The keys alone, on the database's time, for the command line: nothing is made or served.
    ///
    /// # Errors
    /// [`StartError`], whose text says what to do.
    pub async fn open_keys(settings: &Settings) -> Result<Keys, StartError> {
        let storage = Storage::open(&settings.database).await?;
        let clock = Arc::new(DatabaseClock::default());
        measure(&storage, &clock).await?;
        let (clock, rng): (Arc<dyn Clock>, Arc<Rng>) = (clock, Arc::new(SystemRandom::new()));
        keys(settings, &storage, &clock, &rng)
    }

    /// Tends the keys and deletes what has expired, for as long as the server runs.
    pub async fn keep_house(self: Arc<Self>) {
        if let Err(error) = self.tokens.adopt_algorithm().await {
            tracing::warn!(%error, "a key of the configured algorithm could not be made");
        }
        let tending = async {
            let mut tending = tokio::time::interval(KEYS_INTERVAL);
            loop {
                tending.tick().await;
                self.tokens.tend_keys().await;
            }
        };
        // Beside the keys, which must not wait for it: there may be millions of rows to delete.
        let cleaning = async {
            let mut checked = UnixMillis(0);
            let mut cleaning = tokio::time::interval(CLEANING_INTERVAL);
            loop {
                cleaning.tick().await;
                self.clean(&mut checked).await;
            }
        };
        tokio::join!(tending, cleaning, metrics::keep_up());
    }

    async fn clean(&self, checked: &mut UnixMillis) {
        match self.sessions.delete_expired().await {
            Ok(count) => tracing::debug!(count, "what has expired was deleted"),
            Err(error) => tracing::warn!(%error, "what has expired could not be deleted"),
        }
        match self.audit.forget(checked).await {
            Ok(forgotten) => tracing::debug!(?forgotten, "the audit trail was looked through"),
            Err(error) => tracing::warn!(%error, "the audit trail could not be looked through"),
        }
        if let Err(error) = self.storage.tidy().await {
            tracing::warn!(%error, "the database could not be tidied");
        }
    }
}

fn account_rules(settings: &Settings) -> AccountRules {
    AccountRules {
        registration_open: settings.accounts.registration_open,
        fresh_auth: settings.sessions.fresh_auth,
    }
}

fn engine(
    settings: &Settings,
    accounts: &Arc<Accounts>,
    sessions: &Arc<Sessions>,
    audit: &Arc<Audit>,
) -> Arc<Engine> {
    let services = Services {
        accounts: Arc::clone(accounts),
        sessions: Arc::clone(sessions),
        audit: Arc::clone(audit),
    };
    Arc::new(Engine::new(&services, &settings.graphql))
}

fn keys(
    settings: &Settings,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    rng: &Arc<Rng>,
) -> Result<Keys, StartError> {
    let lives = Lives {
        access: settings.tokens.access_ttl,
        refresh: settings.sessions.refresh_ttl,
    };
    Ok(Keys::new(
        storage.clone(),
        Sealer::new(&keys_secret(settings, &**rng)?),
        settings.keys.clone(),
        lives,
        clock.clone(),
        rng.clone(),
    ))
}

/// Whether the configured secret opens these keys.
///
/// # Errors
/// [`KeyError::WrongSecret`] when it does not.
pub fn check_secret(settings: &Settings, keys: &[KeyRow]) -> Result<(), StartError> {
    let sealer = Sealer::new(&keys_secret(settings, &SystemRandom::new())?);
    for key in keys {
        sealer.check(key)?;
    }
    Ok(())
}

async fn measure(storage: &Storage, clock: &DatabaseClock) -> Result<(), StorageError> {
    let sent = uptime();
    let database = storage.database_time().await?;
    clock.measured(sent, database, uptime());
    Ok(())
}

/// The configured secret; in development, else, one that is made once and kept in a file beside the database.
fn keys_secret(settings: &Settings, rng: &Rng) -> Result<Secret, StartError> {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    if let Some(secret) = &settings.keys.secret {
        return Ok(secret.clone());
    }
    let path = settings.development_secret_file();
    let failed = |error| StartError::SecretFile(path.display().to_string(), error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    if !path.exists() {
        let secret = format!(
            "{:032x}{:032x}",
            u128::from_be_bytes(random(rng)),
            u128::from_be_bytes(random(rng))
        );
        // Written aside and linked into place, so that no crash and no second process ever leaves half a secret.
        let draft = path.with_extension(format!("{:08x}", u32::from_be_bytes(random(rng))));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(failed)?;
        file.write_all(secret.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        let linked = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    let mode = std::fs::metadata(&path).map_err(failed)?.mode();
    let secret = Secret::new(std::fs::read_to_string(&path).map_err(failed)?);
    let fault = |what| Err(failed(std::io::Error::other(what)));
    match secret.expose().len() {
        _ if mode & 0o077 != 0 => fault("others may read it: `chmod 600` it"),
        0..LEAST_SECRET => fault("it holds fewer than 32 characters"),
        _ => Ok(secret),
    }
}
