//! What the audit trail forgets, and when.

use std::time::Duration;

use super::Audit;
use crate::storage::{StorageError, in_batches};
use crate::values::UnixMillis;

/// How long after the time that a line bears it may still be written, with a wide margin.
const DELAY: Duration = Duration::from_secs(3600);

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many lines were deleted.
    pub deleted: usize,
    /// In how many lines the address and the user agent were blanked.
    pub blanked: usize,
}

impl Audit {
    /// Deletes the lines that are too old, and blanks the addresses and user agents of users who were deleted long enough ago.
    ///
    /// `checked` is up to when deletions were seen to before, and moves on with what is done. It starts at 0.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the database cannot be reached; what was not done is done the next time.
    pub async fn forget(&self, checked: &mut UnixMillis) -> Result<Forgotten, StorageError> {
        let now = self.clock.now();
        let mut forgotten = Forgotten::default();
        if let Some(retention) = self.settings.retention {
            let before = now - retention;
            forgotten.deleted =
                in_batches(|limit| self.storage.delete_events(before, limit)).await?;
        }
        if let Some(kept) = self.settings.deleted_user_details {
            let until = now - kept;
            for user in self.storage.users_deleted_between(*checked, until).await? {
                forgotten.blanked +=
                    in_batches(|limit| self.storage.blank_event_details(&user, limit)).await?;
            }
            *checked = until - DELAY;
        }
        Ok(forgotten)
    }
}
