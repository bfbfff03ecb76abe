//! Lines on their way out, many of them in one write.
//!
//! A write for each line costs more than making the line. So lines are gathered for some milliseconds, by a thread that sleeps
//! while there are none.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long lines are gathered: what a `kill -9` may cost of the log.
const PAUSE: Duration = Duration::from_millis(10);
/// Whoever has a line waits when so much has not been taken. No line is ever lost for being one of many.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Gathers lines and writes them out.
#[derive(Clone)]
pub struct LineWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// Something has come in, or it is over.
    filled: Condvar,
    /// Everything was taken out.
    emptied: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    is_over: bool,
}

/// Writes the last lines out when it is dropped.
pub struct Flush {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LineWriter {
    /// Writes to `out` until what comes with it is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let shared = Arc::<Shared>::default();
        let writing = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.write_all(out))?;
        let flush = Flush {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        Ok((Self(shared), flush))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        let mut is_over = false;
        while !is_over {
            let idle = |lines: &mut Lines| lines.waiting.is_empty() && !lines.is_over;
            let filled = self.filled.wait_while(self.lock(), idle);
            let mut lines = filled.unwrap_or_else(PoisonError::into_inner);
            if !lines.is_over {
                drop(lines);
                thread::sleep(PAUSE);
                lines = self.lock();
            }
            is_over = lines.is_over;
            mem::swap(&mut batch, &mut lines.waiting);
            drop(lines);
            self.emptied.notify_all();
            // There is nowhere to say that the log cannot be written.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(MAX_WAITING_BYTES / 16);
        }
    }
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let full = |lines: &mut Lines| lines.waiting.len() > MAX_WAITING_BYTES && !lines.is_over;
        let emptied = self.0.emptied.wait_while(self.0.lock(), full);
        let mut lines = emptied.unwrap_or_else(PoisonError::into_inner);
        if lines.is_over {
            return io::stderr().write(line);
        }
        lines.waiting.extend_from_slice(line);
        if lines.waiting.len() == line.len() {
            self.0.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LineWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell of itself.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands each write on, and waits until it was taken.
    struct Taken(mpsc::SyncSender<Vec<u8>>);

    impl Write for Taken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_line_is_lost_though_nobody_reads_for_a_while() {
        const LINE: &[u8] = b"a line of sixteen";
        const COUNT: usize = 4 * MAX_WAITING_BYTES / LINE.len();
        let (sender, taken) = mpsc::sync_channel(0);
        let (mut writer, flush) = LineWriter::start(Taken(sender)).unwrap();
        let writing = thread::spawn(move || {
            for _ in 0..COUNT {
                writer.write_all(LINE).unwrap();
            }
            drop(flush);
        });
        let (mut bytes, mut writes) = (0, 0);
        for batch in taken {
            assert!(batch.len() <= MAX_WAITING_BYTES + LINE.len());
            bytes += batch.len();
            writes += 1;
        }
        writing.join().unwrap();
        assert_eq!(bytes, COUNT * LINE.len());
        assert!(writes < COUNT / 100, "{writes} writes");
    }
}
