//! Threads for work that keeps a core busy.
//!
//! A hash takes some 20 ms. On the async threads it would hold up every other request, and without a bound on the queue a
//! login storm would take all memory; so a fixed number of threads serves a bounded queue, and what does not fit is refused
//! at once. They give way to the async threads, so that a storm slows logins and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::{Argon2, Block};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::sync::oneshot;
use tracing::Instrument as _;
use zeroize::Zeroize as _;

use super::AccountError;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// When a caller should come again that found the queue full.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// A queue and the threads that serve it.
pub(super) struct Pool {
    jobs: SyncSender<Job>,
    meters: Meters,
}

/// What is told of a pool.
#[derive(Clone)]
struct Meters {
    queue: Gauge,
    wait: Histogram,
    busy: Gauge,
    refused: Counter,
}

impl Meters {
    fn new(pool: &'static str, threads: usize) -> Self {
        gauge!("countersign_hashing_threads", "pool" => pool).set(threads as f64);
        Self {
            queue: gauge!("countersign_hashing_queue", "pool" => pool),
            wait: histogram!("countersign_hashing_wait_seconds", "pool" => pool),
            busy: gauge!("countersign_hashing_busy_threads", "pool" => pool),
            refused: counter!("countersign_hashing_refused_total", "pool" => pool),
        }
    }
}

impl Pool {
    /// Starts `threads` threads; `queue` jobs may wait for one. Each thread keeps so many blocks of memory for Argon2.
    pub(super) fn start(
        name: &'static str,
        threads: usize,
        queue: usize,
        kept: usize,
    ) -> Result<Self, std::io::Error> {
        let (sender, jobs) = sync_channel(queue);
        let jobs = Arc::new(Mutex::new(jobs));
        let meters = Meters::new(name, threads);
        for number in 0..threads {
            let (jobs, busy) = (Arc::clone(&jobs), meters.busy.clone());
            std::thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || {
                    give_way();
                    serve(&jobs, &mut Memory::new(kept), &busy);
                })?;
        }
        Ok(Self {
            jobs: sender,
            meters,
        })
    }

    /// What `work` returns, once a thread had time for it.
    ///
    /// # Errors
    /// [`AccountError::Busy`] when the queue is full.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let (answer, result) = oneshot::channel();
        let Meters { queue, wait, .. } = self.meters.clone();
        let queued = Instant::now();
        let job: Job = Box::new(move |memory| {
            queue.decrement(1);
            wait.record(queued.elapsed());
            // Whoever asked may have gone; the work was for them alone.
            let _ = answer.send(work(memory));
        });
        self.meters.queue.increment(1);
        self.jobs.try_send(job).map_err(|_| {
            self.meters.queue.decrement(1);
            self.meters.refused.increment(1);
            AccountError::Busy(BUSY_RETRY)
        })?;
        result
            .instrument(tracing::info_span!("hashing"))
            .await
            .map_err(|_| AccountError::Internal("a hashing thread ended".to_owned()))
    }
}

/// Where a thread computes Argon2: memory that it keeps, as asking for it anew each time costs a page fault every 4 KiB.
pub(super) struct Memory {
    blocks: Vec<Block>,
    kept: usize,
}

impl Memory {
    /// Keeps so many blocks from the first hash on.
    pub(super) fn new(kept: usize) -> Self {
        Self {
            blocks: Vec::new(),
            kept,
        }
    }

    /// Hashes a password into `out`.
    ///
    /// # Errors
    /// What Argon2 finds wrong with the salt or the length of `out`.
    pub(super) fn hash(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), argon2::Error> {
        let needed = argon2.params().block_count();
        if needed > self.kept {
            // A hash of another system, which is replaced by one of ours with this sign-in.
            let mut larger = Self {
                blocks: vec![Block::default(); needed],
                kept: needed,
            };
            let made = larger.hash(argon2, password, salt, out);
            larger.wipe();
            return made;
        }
        self.blocks.resize(self.kept, Block::default());
        argon2.hash_password_into_with_memory(password, salt, out, &mut self.blocks)
    }

    /// Whoever read what is left of a hash could try passwords against its first blocks, a thousand times faster than
    /// against the hash.
    fn wipe(&mut self) {
        self.blocks.iter_mut().zeroize();
    }
}

fn serve(jobs: &Mutex<Receiver<Job>>, memory: &mut Memory, busy: &Gauge) {
    loop {
        // The next hash overwrites what the last one left. Only where none waits is it wiped, which takes a twentieth of a
        // hash's time.
        let waiting = jobs.try_lock().ok().and_then(|jobs| jobs.try_recv().ok());
        let job = waiting.map_or_else(
            || {
                memory.wipe();
                jobs.lock().unwrap_or_else(PoisonError::into_inner).recv()
            },
            Ok,
        );
        match job {
            // A panic in one job must not take the thread from all others; who waits for it is told by the closed channel.
            Ok(job) => {
                busy.increment(1);
                drop(catch_unwind(AssertUnwindSafe(|| job(memory))));
                busy.decrement(1);
            }
            Err(_) => return,
        }
    }
}

/// Lowers the priority of the thread that calls it, so that the kernel lets any other of ours run first.
fn give_way() {
    /// A tenth of the processor's time where others want all of it (`man 7 sched`, "The nice value").
    #[cfg(target_os = "linux")]
    const NICE: i32 = 10;
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "a hashing thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let pool = Pool::start("test", 1, 1, 0).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let mut busy = Box::pin(pool.run(move |_| {
            started.send(()).unwrap();
            wait.recv().unwrap();
        }));
        tokio::select! {
            _ = &mut busy => unreachable!("it waits for `go`"),
            begun = has_started => begun.unwrap(),
        }
        let mut waiting = Box::pin(pool.run(|_| ()));
        tokio::select! {
            biased;
            _ = &mut waiting => unreachable!("the only thread is busy"),
            () = std::future::ready(()) => {}
        }
        let refused = pool.run(|_| ()).await;
        assert!(matches!(refused, Err(AccountError::Busy(_))));
        go.send(()).unwrap();
        busy.await.unwrap();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_no_thread_along() {
        let pool = Pool::start("test", 1, 4, 0).unwrap();
        let failed = pool.run(|_| unreachable!("on purpose")).await;
        assert!(matches!(failed, Err::<(), _>(AccountError::Internal(_))));
        assert_eq!(pool.run(|_| 7).await.unwrap(), 7);
    }

    fn argon2(memory_kib: u32) -> Argon2<'static> {
        let params = argon2::Params::new(memory_kib, 1, 1, None).unwrap();
        Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
    }

    fn words_in(memory: &Memory) -> usize {
        let words = memory.blocks.iter().flat_map(AsRef::<[u64]>::as_ref);
        words.filter(|word| **word != 0).count()
    }

    #[test]
    fn kept_memory_changes_no_hash() {
        let mut memory = Memory::new(64);
        for kib in [64, 16, 64, 256, 32] {
            let (mut fresh, mut kept) = ([0; 32], [0; 32]);
            argon2(kib)
                .hash_password_into(b"plum tractor", b"salt of a user", &mut fresh)
                .unwrap();
            memory
                .hash(&argon2(kib), b"plum tractor", b"salt of a user", &mut kept)
                .unwrap();
            assert_eq!(fresh, kept, "{kib} KiB");
            assert_eq!(memory.blocks.len(), 64, "{kib} KiB");
        }
    }

    #[test]
    fn a_thread_without_work_holds_nothing_of_the_last_hash() {
        let (jobs, waiting) = sync_channel::<Job>(1);
        let (told, left) = std::sync::mpsc::channel();
        let hash = |memory: &mut Memory| {
            memory
                .hash(
                    &argon2(64),
                    b"plum tractor",
                    b"salt of a user",
                    &mut [0; 32],
                )
                .unwrap();
        };
        jobs.send(Box::new(move |memory| {
            hash(memory);
            told.send(words_in(memory)).unwrap();
        }))
        .unwrap();
        drop(jobs);
        let mut memory = Memory::new(64);
        serve(&Mutex::new(waiting), &mut memory, &Gauge::noop());
        assert!(left.recv().unwrap() > 0);
        assert_eq!(words_in(&memory), 0);
    }
}
