//! What the server acknowledged, and whether it is still true.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::api::{Api, Failure, Refusal};

/// A revoked token is refused by every node this long after the revocation was acknowledged (docs/architecture.md).
pub const BOUND: Duration = Duration::from_secs(5);
/// A node that has not answered for so long, with nothing broken any more, will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// An account as the server last acknowledged it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The address to sign in with.
    pub email: String,
    /// The password.
    pub password: String,
    /// `USER`, `MANAGER` or `ADMIN`.
    pub role: &'static str,
    /// Whether an administrator switched it off.
    pub disabled: bool,
    /// How many lines of each kind the audit trail has to have, at least.
    pub events: HashMap<&'static str, i64>,
}

/// A token whose end was acknowledged.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The access token.
    pub token: String,
    /// When the acknowledgement arrived.
    pub at: Instant,
    /// By what, for people.
    pub by: &'static str,
}

/// Counts what was acknowledged and what proved wrong.
#[derive(Debug, Default)]
pub struct Ledger {
    operations: AtomicU64,
    refused: AtomicU64,
    stopping: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    accounts: HashMap<String, Account>,
    deleted: Vec<String>,
    ended: Vec<String>,
    revoked: Vec<Revoked>,
    lost: Vec<String>,
    signed_out: HashMap<String, String>,
    wrong: Vec<String>,
    accepted_late: HashMap<String, String>,
    unanswered: Vec<(&'static str, String)>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more operation was acknowledged.
    pub fn acknowledged(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Asks everybody to come to an end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether everybody shall come to an end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || xtask::process::interrupted()
    }

    /// An account was made.
    pub fn made(&self, id: &str, account: Account) {
        self.acknowledged();
        self.books().accounts.insert(id.to_owned(), account);
    }

    /// Something was done to an account: `change` writes down what, and `event` is its line in the audit trail.
    pub fn changed(&self, id: &str, event: &'static str, change: impl FnOnce(&mut Account)) {
        self.acknowledged();
        if let Some(account) = self.books().accounts.get_mut(id) {
            *account.events.entry(event).or_default() += 1;
            change(account);
        }
    }

    /// An account got another role.
    pub fn role_changed(&self, id: &str, role: &'static str) {
        self.changed(id, "ROLE_CHANGED", |account| account.role = role);
    }

    /// An account was switched off or on.
    pub fn switched(&self, id: &str, disabled: bool) {
        let event = if disabled {
            "USER_DISABLED"
        } else {
            "USER_ENABLED"
        };
        self.changed(id, event, |account| account.disabled = disabled);
    }

    /// An account was deleted.
    pub fn deleted(&self, id: &str) {
        self.acknowledged();
        let mut books = self.books();
        books.accounts.remove(id);
        books.deleted.push(id.to_owned());
    }

    /// Sessions were ended, and with them or without, tokens were taken back.
    pub fn revoked(&self, token: &str, session: Option<&str>, by: &'static str) {
        let mut books = self.books();
        books.ended.extend(session.map(str::to_owned));
        books.revoked.push(Revoked {
            token: token.to_owned(),
            at: Instant::now(),
            by,
        });
    }

    /// Something that was acknowledged is not true.
    pub fn lost(&self, what: String) {
        self.books().lost.push(what);
    }

    /// A user was signed out whose session nobody ended.
    pub fn signed_out(&self, who: &str, during: &str, refusal: &Refusal) {
        let text = format!("{who}: {during}: {} {}", refusal.code, refusal.reason);
        self.books().signed_out.insert(who.to_owned(), text);
    }

    /// The server did what it never may, and what is none of the above.
    pub fn wrong(&self, what: String) {
        self.books().wrong.push(what);
    }

    /// A node took a token too late after its end was acknowledged.
    pub fn accepted_late(&self, token: &str, text: String) {
        self.books().accepted_late.insert(token.to_owned(), text);
    }

    /// A call brought no answer, and has to be made again.
    pub fn unanswered(&self, operation: &'static str, failure: &Failure) {
        if let Failure::Broken(why) = failure {
            self.wrong(format!("{operation}: {why}"));
        }
        let why = format!("{failure:?}");
        self.books().unanswered.push((operation, why));
    }

    /// The calls that brought no answer.
    pub fn calls_unanswered(&self) -> Vec<(&'static str, String)> {
        self.books().unanswered.clone()
    }

    /// A revoked token that is past the bound, chosen at random among the latest.
    pub fn a_revoked_token(&self) -> Option<Revoked> {
        let books = self.books();
        let due = books
            .revoked
            .partition_point(|revoked| revoked.at.elapsed() > BOUND);
        let latest = &books.revoked[due.saturating_sub(100)..due];
        (!latest.is_empty()).then(|| latest[fastrand::usize(..latest.len())].clone())
    }

    /// Asks a node with a revoked token; whether it refused, or took it past the bound, which is counted.
    pub async fn probe(&self, node: &Api, number: usize, revoked: &Revoked) -> bool {
        let age = revoked.at.elapsed();
        match node.me(&revoked.token).await {
            Ok(_) if age > BOUND => {
                let text = format!("node {number} took a token {age:?} after {}", revoked.by);
                self.accepted_late(&revoked.token, text);
                true
            }
            Err(Failure::Refused(refusal)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                if !refusal.is_revocation() {
                    let by = revoked.by;
                    self.wrong(format!("node {number} after {by}: {refusal:?}"));
                }
                true
            }
            Err(failure @ Failure::Broken(_)) => {
                self.unanswered("me with a revoked token", &failure);
                false
            }
            Ok(_) | Err(Failure::Unanswered(_)) => false,
        }
    }

    /// Asks every node with every revoked token until it is refused. A node that comes to no answer is asked no more.
    pub async fn probe_all(&self, nodes: &[Api]) {
        let revoked = self.books().revoked.clone();
        let each = nodes.iter().enumerate().map(async |(number, node)| {
            for revoked in &revoked {
                let deadline = Instant::now() + PATIENCE;
                while !self.probe(node, number, revoked).await {
                    if Instant::now() > deadline {
                        let by = revoked.by;
                        self.lost(format!("node {number} does not say whether {by} holds"));
                        return;
                    }
                    sleep(Duration::from_millis(50)).await;
                }
            }
        });
        join_all(each).await;
    }

    /// Compares the accounts, the ended sessions and the audit trail with the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_database(&self, sql: &Client) -> Result<()> {
        let (accounts, deleted, ended) = {
            let books = self.books();
            let Books {
                accounts,
                deleted,
                ended,
                ..
            } = &*books;
            (accounts.clone(), deleted.clone(), ended.clone())
        };
        let mut found = HashMap::new();
        for row in sql
            .query(
                "SELECT id, email, role, disabled_at IS NOT NULL FROM users",
                &[],
            )
            .await?
        {
            let account: (String, String, bool) = (row.get(1), row.get(2), row.get(3));
            found.insert(row.get::<_, String>(0), account);
        }
        let mut events = HashMap::new();
        let counted = "SELECT user_id, kind, count(*) FROM auth_events WHERE user_id IS NOT NULL GROUP BY 1, 2";
        for row in sql.query(counted, &[]).await? {
            let of: (String, String) = (row.get(0), row.get(1));
            events.insert(of, row.get::<_, i64>(2));
        }
        for id in deleted.iter().filter(|id| found.contains_key(*id)) {
            self.lost(format!("the deletion of {id}"));
        }
        for (id, account) in &accounts {
            let expected = (
                account.email.clone(),
                account.role.to_owned(),
                account.disabled,
            );
            if found.get(id) != Some(&expected) {
                self.lost(format!("{id}: {expected:?} became {:?}", found.get(id)));
            }
            for (kind, count) in &account.events {
                let there = events.get(&(id.clone(), (*kind).to_owned())).copied();
                if there.unwrap_or_default() < *count {
                    self.lost(format!("{id}: {count} lines {kind} became {there:?}"));
                }
            }
        }
        let alive = "SELECT id FROM sessions WHERE id = ANY($1) AND ended_at IS NULL";
        for row in sql.query(alive, &[&ended]).await? {
            self.lost(format!("the end of session {}", row.get::<_, String>(0)));
        }
        Ok(())
    }

    /// The accounts, to sign in to.
    pub fn accounts(&self) -> Vec<Account> {
        self.books().accounts.values().cloned().collect()
    }

    /// How often a node refused a revoked token.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// What proved wrong: lost, accepted late, signed out, and the rest.
    pub fn faults(&self) -> [Vec<String>; 4] {
        let books = self.books();
        let texts = |of: &HashMap<String, String>| of.values().cloned().collect();
        [
            books.lost.clone(),
            texts(&books.accepted_late),
            texts(&books.signed_out),
            books.wrong.clone(),
        ]
    }
}
