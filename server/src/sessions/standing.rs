//! Whether an access token still speaks for its session: from memory, or from the database while memory cannot be trusted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

use super::{AccessError, Sessions};
use crate::storage::{SessionRow, Storage, StorageError, UserRow};
use crate::tokens::{Position, Standing};
use crate::values::{Identity, SessionId, UnixMillis, UserId};

/// So many checks ask the database at a time: a stale feed must not turn into a flood of queries.
const MOST_LOOKUPS: usize = 8;
/// A look-up that takes longer is given up.
const LOOKUP_LIMIT: Duration = Duration::from_secs(2);

/// What the database says of a session.
#[derive(Clone, Copy)]
struct Found {
    is_alive: bool,
    version: i64,
}

type Lookup = Shared<BoxFuture<'static, Option<Found>>>;

/// Look-ups under way, one per session, shared by all who wait for it.
pub(super) struct Lookups {
    permits: Arc<Semaphore>,
    running: Mutex<HashMap<SessionId, (Instant, Lookup)>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MOST_LOOKUPS)),
            running: Mutex::default(),
        }
    }
}

impl Lookups {
    /// Those under way may have been sent before a commit; who comes now must not join them.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, (Instant, Lookup)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when too many are under way or the database does not answer.
    async fn find(&self, storage: &Storage, id: SessionId, now: UnixMillis) -> Option<Found> {
        let lookup = {
            let mut running = self.lock();
            // The map holds the last handle of those that are done.
            // Whom it was for may have hung up: then nobody has seen that it is done, and its answer only grows older.
            running.retain(|_, (since, lookup)| {
                lookup.peek().is_none() && since.elapsed() < LOOKUP_LIMIT
            });
            match running.get(&id) {
                Some((_, lookup)) => lookup.clone(),
                None => {
                    let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
                    let storage = storage.clone();
                    // On a task of its own: neither clients that hang up nor the limit break a query off.
                    let query = tokio::spawn(async move {
                        let found = storage.find_session(&id).await;
                        drop(permit);
                        found
                    });
                    let lookup = async move {
                        let found = tokio::time::timeout(LOOKUP_LIMIT, query).await;
                        Some(judge(found.ok()?.ok()?.ok()?, now))
                    };
                    let lookup = lookup.boxed().shared();
                    running.insert(id, (Instant::now(), lookup.clone()));
                    lookup
                }
            }
        };
        lookup.await
    }
}

fn judge(found: Option<(SessionRow, UserRow)>, now: UnixMillis) -> Found {
    match found {
        Some((session, user)) => Found {
            is_alive: session.is_alive(now) && user.disabled_at.is_none(),
            version: user.token_version,
        },
        None => Found {
            is_alive: false,
            version: 0,
        },
    }
}

impl Sessions {
    /// Whom an access token speaks for. While the feed of revocations is fresh this asks no database.
    ///
    /// # Errors
    /// [`AccessError`]; of those [`AccessError::Unchecked`] when the feed is stale and the database cannot be asked.
    pub async fn admit(&self, token: &str) -> Result<Identity, AccessError> {
        let caller = self.tokens.identify(token)?;
        let standing = match self.feed.revocations().check(&caller) {
            Standing::Unknown => self.look_up(&caller).await,
            known => known,
        };
        match standing {
            Standing::Good => Ok(caller),
            Standing::Stale => Err(AccessError::Stale),
            Standing::Ended => Err(AccessError::Ended),
            Standing::Unknown => Err(AccessError::Unchecked),
        }
    }

    /// How far this node has read what changed about a user; `None` while it cannot say.
    pub(crate) fn position(&self, user: &UserId) -> Option<Position> {
        self.feed.revocations().position(user)
    }

    async fn look_up(&self, caller: &Identity) -> Standing {
        match self
            .lookups
            .find(&self.storage, caller.session, self.clock.now())
            .await
        {
            None => Standing::Unknown,
            Some(found) if !found.is_alive => Standing::Ended,
            Some(found) if found.version > caller.version => Standing::Stale,
            Some(_) => Standing::Good,
        }
    }

    /// Passes on what became of a write that takes something back, once this node knows what was taken back: also when the
    /// outcome is not known, because the connection was lost with the commit under way.
    ///
    /// # Errors
    /// What was `written`.
    pub(crate) async fn settle<T>(
        &self,
        written: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match &written {
            Err(StorageError::Denied(_) | StorageError::Conflict | StorageError::Moving) => {
                return written;
            }
            Err(_) => self.feed.revocations().doubt(),
            Ok(_) => {}
        }
        self.lookups.forget();
        self.feed.catch_up().await;
        written
    }
}
