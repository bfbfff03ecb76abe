//! Work on any number of rows, a few at a time.

use std::time::Duration;

use super::StorageError;

/// How many rows one transaction changes: few enough that SQLite's one writer is soon free again.
const BATCH: usize = 200;
/// How long other writers have between two batches. Those of SQLite look again after 1 to 100 ms.
const PAUSE: Duration = Duration::from_millis(20);

/// Repeats a bounded piece of work, which is told how many rows it may change, until it finds no more to do; how many it
/// changed.
///
/// # Errors
/// The first of the work's own. What was done stays done.
pub async fn in_batches<Done>(mut work: impl FnMut(i64) -> Done) -> Result<usize, StorageError>
where
    Done: Future<Output = Result<usize, StorageError>>,
{
    let mut sum = 0;
    loop {
        let done = work(BATCH as i64).await?;
        sum += done;
        if done < BATCH {
            return Ok(sum);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
