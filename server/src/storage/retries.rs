//! When a transaction is tried once more.

use std::time::{Duration, Instant};

use super::StorageError;

/// How often at most.
const MOST: u32 = 3;
/// The longest pause before the first time; it doubles each time.
const PAUSE: Duration = Duration::from_millis(50);

/// How far a transaction had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The commit was not sent: whatever happened, nothing was written.
    Uncommitted,
    /// The commit was sent. Only the database knows whether it took place.
    Committing,
}

/// The tries that are left to one call.
pub(super) struct Retries {
    left: u32,
    until: Instant,
}

impl Retries {
    /// For a call that may take up to `limit`: what has used up half of it is not tried again.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            left: MOST,
            until: Instant::now() + limit / 2,
        }
    }

    /// Waits a moment and says yes when the call failed in a way that wrote nothing and may pass by itself.
    ///
    /// The pause has a random part, so that those who met do not meet again.
    pub(super) async fn again(&mut self, error: &StorageError, progress: Progress) -> bool {
        let is_safe = match error {
            StorageError::Contended(_) => true,
            StorageError::Lost(_) => progress == Progress::Uncommitted,
            _ => false,
        };
        if !is_safe || self.left == 0 || Instant::now() >= self.until {
            return false;
        }
        tracing::debug!(%error, "a transaction is tried again");
        let longest = PAUSE * 2_u32.pow(MOST - self.left);
        self.left -= 1;
        tokio::time::sleep(longest.mul_f64(random_share())).await;
        true
    }
}

/// Between a half and one.
fn random_share() -> f64 {
    let mut byte = [0];
    // Without randomness the pause is the longest.
    match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => 0.5 + f64::from(byte[0]) / 510.0,
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> StorageError {
        StorageError::Lost("connection closed".to_owned())
    }

    #[tokio::test]
    async fn only_what_wrote_nothing_is_tried_again() {
        let mut retries = Retries::new(Duration::from_secs(60));
        assert!(!retries.again(&lost(), Progress::Committing).await);
        assert!(
            !retries
                .again(&StorageError::Conflict, Progress::Uncommitted)
                .await
        );
        assert!(retries.again(&lost(), Progress::Uncommitted).await);
        let met = StorageError::Contended("deadlock detected".to_owned());
        assert!(retries.again(&met, Progress::Committing).await);
        assert!(retries.again(&met, Progress::Uncommitted).await);
        assert!(
            !retries.again(&met, Progress::Uncommitted).await,
            "three times at most"
        );
    }

    #[tokio::test]
    async fn what_has_used_up_its_time_is_not_tried_again() {
        let mut retries = Retries::new(Duration::ZERO);
        assert!(!retries.again(&lost(), Progress::Uncommitted).await);
    }
}
