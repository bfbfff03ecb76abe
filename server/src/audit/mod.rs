//! The audit trail: makes its lines, shows them to those who may see them, and forgets them in time.
//!
//! Whoever does what a line records writes the line in the same transaction.

mod retention;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::accounts::User;
use crate::clock::{Clock, Rng, random};
use crate::config::AuditSettings;
pub use crate::storage::AuthEventKind;
use crate::storage::{AuthEventFilter, AuthEventRow, Storage, StorageError};
use crate::values::{EventId, Identity, Peer, Role, UnixMillis, UserId};

/// Makes, shows and forgets lines.
pub struct Audit {
    storage: Storage,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    settings: AuditSettings,
    made: AtomicU16,
}

/// One line of the audit trail, as its reader may see it.
#[derive(Clone, Debug)]
pub struct AuthEvent {
    /// The line's id.
    pub id: EventId,
    /// What happened.
    pub kind: AuthEventKind,
    /// When.
    pub at: UnixMillis,
    /// The id of the user that it happened to, also of one who was deleted since.
    pub user_id: Option<String>,
    /// That user, where there is such an account and it was asked for.
    pub user: Option<User>,
    /// The id of who did it, where that is somebody else.
    pub actor_id: Option<String>,
    /// Who did it, where the reader may know.
    pub actor: Option<User>,
    /// The id of the session that it happened in.
    pub session_id: Option<String>,
    /// The address that it was asked for from, where the reader may know.
    pub ip_address: Option<String>,
    /// The `User-Agent` that it was asked for with, where the reader may know.
    pub user_agent: Option<String>,
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub struct EventQuery {
    /// Only what happened to this user.
    pub user: Option<UserId>,
    /// Only this kind.
    pub kind: Option<AuthEventKind>,
    /// Only what stands after this line.
    pub after: Option<EventId>,
    /// How many at most.
    pub limit: i64,
    /// Whether the accounts are wanted and not only their ids.
    pub with_users: bool,
}

impl Audit {
    /// Lines kept in `storage` that bear the time of `clock`.
    pub fn new(
        storage: Storage,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
        settings: AuditSettings,
    ) -> Self {
        Self {
            storage,
            clock,
            rng,
            settings,
            made: AtomicU16::new(0),
        }
    }

    /// What happened just now, and where it came from.
    pub fn event(&self, kind: AuthEventKind, peer: &Peer) -> AuthEventRow {
        let now = self.clock.now();
        // Lines of one millisecond stay in order: a counter stands before the random part (RFC 9562 §6.2).
        let mut tail: [u8; 10] = random(&*self.rng);
        tail[..2]
            .copy_from_slice(&(self.made.fetch_add(1, Ordering::Relaxed) & 0x0FFF).to_be_bytes());
        AuthEventRow::new(EventId::new(now, tail), kind, now, peer)
    }

    /// What `reader` asks for of the trail, newest first; all of it where the query names nobody.
    ///
    /// A line about what somebody else did holds that person's address and browser, and names their account. Only an
    /// administrator is shown those; the user that it was done to sees that it was done, when, and the actor's id. The caller
    /// makes sure that `reader` may ask for the lines of that user.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn list(
        &self,
        reader: &Identity,
        query: EventQuery,
    ) -> Result<Vec<AuthEvent>, StorageError> {
        let filter = AuthEventFilter {
            user: query.user,
            kind: query.kind,
        };
        let mut rows = self
            .storage
            .list_events(filter, query.after, query.limit)
            .await?;
        let mut actors: Vec<_> = rows.iter().map(|row| row.actor_id.clone()).collect();
        if reader.role < Role::Admin {
            let own = Some(reader.user.to_string());
            for (row, actor) in rows.iter_mut().zip(&mut actors) {
                if actor.is_some() && *actor != own {
                    *actor = None;
                    row.ip_address = None;
                    row.user_agent = None;
                }
            }
        }
        let users = if query.with_users {
            self.users(rows.iter().map(|row| &row.user_id).chain(&actors))
                .await?
        } else {
            HashMap::new()
        };
        let find = |id: &Option<String>| users.get(id.as_deref()?).cloned();
        let lines = rows.into_iter().zip(actors).map(|(row, actor)| AuthEvent {
            id: row.id,
            kind: row.kind,
            at: row.at,
            user: find(&row.user_id),
            user_id: row.user_id,
            actor: find(&actor),
            actor_id: row.actor_id,
            session_id: row.session_id,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
        });
        Ok(lines.collect())
    }

    /// The accounts with these ids, read at once.
    async fn users(
        &self,
        ids: impl Iterator<Item = &Option<String>>,
    ) -> Result<HashMap<String, User>, StorageError> {
        let mut ids: Vec<&str> = ids.filter_map(Option::as_deref).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.storage.find_users(&ids).await?;
        let keyed = found
            .into_iter()
            .map(|row| (row.id.to_string(), row.into()));
        Ok(keyed.collect())
    }
}
