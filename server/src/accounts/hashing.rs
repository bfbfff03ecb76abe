//! Threads for work that keeps a core busy.
//!
//! A hash takes some 20 ms. On the async threads it would hold up every other request, and without a bound on the queue a
//! login storm would take all memory; so a fixed number of threads serves a bounded queue, and what does not fit is refused
//! at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::AccountError;

type Job = Box<dyn FnOnce() + Send>;

/// When a caller should come again that found the queue full.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// A queue and the threads that serve it.
pub(super) struct Pool(SyncSender<Job>);

impl Pool {
    /// Starts `threads` threads; `queue` jobs may wait for one.
    pub(super) fn start(name: &str, threads: usize, queue: usize) -> Result<Self, std::io::Error> {
        let (sender, jobs) = sync_channel(queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || serve(&jobs))?;
        }
        Ok(Self(sender))
    }

    /// What `work` returns, once a thread had time for it.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when the queue is full.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever asked may have gone; the work was for them alone.
            let _ = answer.send(work());
        });
        self.0
            .try_send(job)
            .map_err(|_| AccountError::Busy(BUSY_RETRY))?;
        result
            .await
            .map_err(|_| AccountError::Internal("a hashing thread ended".to_owned()))
    }
}

fn serve(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // A panic in one job must not take the thread from all others; who waits for it is told by the closed channel.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let pool = Pool::start("test", 1, 1).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let mut busy = Box::pin(pool.run(move || {
            started.send(()).unwrap();
            wait.recv().unwrap();
        }));
        tokio::select! {
            _ = &mut busy => unreachable!("it waits for `go`"),
            begun = has_started => begun.unwrap(),
        }
        let mut waiting = Box::pin(pool.run(|| ()));
        tokio::select! {
            biased;
            _ = &mut waiting => unreachable!("the only thread is busy"),
            () = std::future::ready(()) => {}
        }
        let refused = pool.run(|| ()).await;
        assert!(matches!(refused, Err(AccountError::Busy(_))));
        go.send(()).unwrap();
        busy.await.unwrap();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_thread_along() {
        let pool = Pool::start("test", 1, 4).unwrap();
        let failed = pool.run(|| unreachable!("on purpose")).await;
        assert!(matches!(failed, Err::<(), _>(AccountError::Internal(_))));
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
