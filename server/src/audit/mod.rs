//! Makes the lines of the audit trail; whoever does what a line records writes it in the same transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::clock::{Clock, Rng, random};
pub use crate::storage::AuthEventKind;
use crate::storage::AuthEventRow;
use crate::values::{EventId, Peer};

/// Makes lines with an id and the time.
pub struct Audit {
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    made: AtomicU16,
}

impl Audit {
    /// Lines bear the time of `clock`.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<Rng>) -> Self {
        Self {
            clock,
            rng,
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
}
