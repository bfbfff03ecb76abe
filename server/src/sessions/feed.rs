//! Reads the feed of revocations for as long as the server runs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Events;
use crate::clock::{Clock, DatabaseClock, uptime};
use crate::storage::{RevocationFeed, Revoked, Storage, StorageError};
use crate::tokens::{KeyError, Revocations, Tokens};

/// How often the feed is read where nothing wakes the reader: poolers swallow notifications, and the command line writes from
/// another process.
const POLL: Duration = Duration::from_secs(1);
/// How long a write waits for its own row to be read here. After that checks ask the database.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Brings what any node took back to this one, and to the clients of the sessions.
pub struct Feed {
    storage: Storage,
    revocations: Arc<Revocations>,
    events: Arc<Events>,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    database_clock: Option<Arc<DatabaseClock>>,
    keys_read: Mutex<HashSet<i64>>,
    asked: AtomicU64,
    wake: Notify,
    served: watch::Sender<u64>,
}

impl Feed {
    /// Reads everything once, then goes on in a task of its own. Each read also measures `database_clock`.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn start(
        storage: Storage,
        revocations: Arc<Revocations>,
        events: Arc<Events>,
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
        database_clock: Option<Arc<DatabaseClock>>,
    ) -> Result<Arc<Self>, StorageError> {
        let feed = Arc::new(Self {
            storage,
            revocations,
            events,
            tokens,
            clock,
            database_clock,
            keys_read: Mutex::default(),
            asked: AtomicU64::new(0),
            wake: Notify::new(),
            served: watch::Sender::new(0),
        });
        let reader = feed.connect().await?;
        tokio::spawn(Arc::clone(&feed).keep_running(reader));
        Ok(feed)
    }

    /// The revocations that were read.
    pub(super) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Who is told of them.
    pub(super) fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// Returns when everything that was committed before the call is known here, or checks ask the database because it
    /// could not be read.
    pub(super) async fn catch_up(&self) {
        let ticket = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake.notify_one();
        let mut served = self.served.subscribe();
        let read = served.wait_for(|served| *served >= ticket);
        if tokio::time::timeout(CATCH_UP, read).await.is_err() {
            self.revocations.doubt();
        }
    }

    /// A fault of ours must not leave the node deaf for good.
    async fn keep_running(self: Arc<Self>, mut reader: RevocationFeed) {
        while let Err(fault) = tokio::spawn(Arc::clone(&self).run(reader)).await {
            tracing::error!(%fault, "the reader of the revocations failed, and starts again");
            reader = self.reconnect().await;
        }
    }

    async fn run(self: Arc<Self>, mut reader: RevocationFeed) {
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                () = reader.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            if let Err(error) = self.read(&mut reader).await {
                tracing::warn!(%error, "the revocations cannot be read; past 5 s checks ask the database");
                reader = self.reconnect().await;
                tracing::info!("the revocations are read again");
            }
        }
    }

    async fn reconnect(&self) -> RevocationFeed {
        loop {
            tokio::time::sleep(POLL).await;
            match self.connect().await {
                Ok(reader) => return reader,
                Err(error) => {
                    tracing::debug!(%error, "the revocations cannot be read yet");
                    // A key that was retired meanwhile must not be accepted for as long as that takes.
                    let _ = self.reload_keys().await;
                }
            }
        }
    }

    async fn connect(&self) -> Result<RevocationFeed, StorageError> {
        let mut reader = self.storage.feed().await?;
        self.revocations.is_connected_anew();
        self.read(&mut reader).await?;
        Ok(reader)
    }

    async fn read(&self, reader: &mut RevocationFeed) -> Result<(), StorageError> {
        let asked = self.asked.load(Ordering::Acquire);
        let (sent, asked_at) = (self.clock.uptime(), uptime());
        let read = reader.read().await?;
        if let Some(clock) = &self.database_clock {
            clock.measured(asked_at, read.database_time, uptime());
        }
        for row in &read.revocations {
            if self.revocations.apply(row) {
                self.events.publish(row);
            }
        }
        self.revocations.has_read(sent);
        self.served.send_replace(asked);
        let keys = read
            .revocations
            .iter()
            .filter(|row| matches!(row.revoked, Revoked::Keys(_)));
        let keys: HashSet<i64> = keys.map(|row| row.seq).collect();
        // While an old transaction is under way, each read brings the same rows again.
        if !keys.is_subset(&self.keys_read()) {
            self.reload_keys().await?;
        }
        *self.keys_read() = keys;
        Ok(())
    }

    /// The rows about keys that were acted on and may come again.
    fn keys_read(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.keys_read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A database that fails just now is connected to again, and all rows read again; other faults only people can mend.
    async fn reload_keys(&self) -> Result<(), StorageError> {
        match self.tokens.reload().await {
            Err(KeyError::Storage(error)) => Err(error),
            Err(error) => {
                tracing::error!(%error, "the keys cannot be read; they stay as they were");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
