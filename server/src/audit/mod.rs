//! Makes the lines of the audit trail; whoever does what a line records writes it in the same transaction.

use std::sync::Arc;


use crate::clock::{Clock, Rng, random};
pub use crate::storage::AuthEventKind;
use crate::storage::AuthEventRow;
use crate::values::{EventId, Peer};

/// Makes lines with an id and the time.
pub struct Audit {
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
}

impl Audit {
    /// Lines bear the time of `clock`.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<Rng>) -> Self {
        Self { clock, rng }
    }

    /// What happened just now, and where it came from.
    pub fn event(&self, kind: AuthEventKind, peer: &Peer) -> AuthEventRow {
        let now = self.clock.now();
        AuthEventRow::new(EventId::new(now, random(&*self.rng)), kind, now, peer)
    }
}
