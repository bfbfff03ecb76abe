//! Whether requests should be sent to this node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::clock::DatabaseClock;
use crate::storage::Storage;
use crate::tokens::Revocations;

/// How often the database is asked. Those who want to know are told what was found last, so that no number of them costs more.
const INTERVAL: Duration = Duration::from_millis(500);
/// A database that takes longer does not answer.
const LIMIT: Duration = Duration::from_secs(2);

const SILENT: &str = "the database does not answer";

/// What is known of this node's fitness to serve.
pub struct Readiness {
    storage: Storage,
    revocations: Arc<Revocations>,
    clock: Option<Arc<DatabaseClock>>,
    is_draining: AtomicBool,
    /// What the database was last found to be, and when.
    found: RwLock<(Instant, Result<(), &'static str>)>,
}

impl Readiness {
    /// Begins to ask the database, which has just answered, again and again.
    pub fn start(
        storage: Storage,
        revocations: Arc<Revocations>,
        clock: Option<Arc<DatabaseClock>>,
    ) -> Arc<Self> {
        let readiness = Arc::new(Self {
            storage,
            revocations,
            clock,
            is_draining: AtomicBool::new(false),
            found: RwLock::new((Instant::now(), Ok(()))),
        });
        tokio::spawn(Arc::clone(&readiness).keep_asking());
        readiness
    }

    /// From now on this node is not ready: it is about to stop.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Whether requests should be sent to this node.
    ///
    /// # Errors
    /// Why they should not, for people.
    pub fn check(&self) -> Result<(), &'static str> {
        let clock = self.clock.as_ref();
        if self.is_draining.load(Ordering::Acquire) {
            return Err("this node is about to stop");
        }
        if clock.is_some_and(|clock| !clock.is_measured()) {
            return Err("the database's clock has jumped and is being measured again");
        }
        if !self.revocations.are_current() {
            return Err("the revocations have not been read for more than 5 s");
        }
        let (at, found) = *self.found.read().unwrap_or_else(PoisonError::into_inner);
        match at.elapsed() {
            age if age > LIMIT + 2 * INTERVAL => Err(SILENT),
            _ => found,
        }
    }

    async fn keep_asking(self: Arc<Self>) {
        loop {
            let found = self.ask().await;
            *self.found.write().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), found);
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn ask(&self) -> Result<(), &'static str> {
        let storage = self.storage.clone();
        // On a task of its own: a transaction that is broken off would hold its locks.
        let check = tokio::spawn(async move { storage.check().await });
        match tokio::time::timeout(LIMIT, check).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "not ready");
                Err("the database is not available")
            }
            Ok(Err(_)) | Err(_) => Err(SILENT),
        }
    }
}
