//! What loads a server: keep-alive HTTP/1.1 without pipelining, every answer looked at. It has one core, so it does little else.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::servers::Cores;

/// One after the other, what a connection asks.
pub trait Caller: Send + 'static {
    /// The next request; `None` when there is nothing left to ask.
    fn request(&mut self) -> Option<&[u8]>;

    /// Looks at its answer.
    ///
    /// # Errors
    /// When it is not the right one.
    fn answer(&mut self, body: &str) -> Result<()>;
}

/// What was answered, and in what time.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Right answers; a wrong one fails the whole.
    pub answers: u32,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// From these cores, lets each caller ask on a connection of its own, again as soon as it was answered, for so long or until all have asked what they
/// had to ask. Gives the callers back.
///
/// # Errors
/// When an answer is wrong or does not come.
pub fn closed<C: Caller>(
    cores: Cores,
    address: SocketAddr,
    callers: Vec<C>,
    time: Duration,
) -> Result<(Load, Vec<C>)> {
    cores.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let mut connections = Vec::new();
            for caller in callers {
                connections.push((Connection::open(address).await?, caller));
            }
            let begin = Instant::now();
            let mut asking = JoinSet::new();
            for (mut connection, mut caller) in connections {
                asking.spawn(async move {
                    let mut answers = 0;
                    while begin.elapsed() < time && connection.ask(&mut caller).await? {
                        answers += 1;
                    }
                    anyhow::Ok((answers, caller))
                });
            }
            let mut answers = 0;
            let mut callers = Vec::new();
            while let Some(done) = asking.join_next().await {
                let (count, caller) = done??;
                answers += count;
                callers.push(caller);
            }
            let elapsed = begin.elapsed();
            Ok((Load { answers, elapsed }, callers))
        })
    })
}

/// Asks at a constant rate, `every` so long, whatever the server does: one planned request after the other goes to the next caller,
/// which sends it when it was answered the last. Gives the time of each from when it was planned (so a server that stands still is not
/// spared: "coordinated omission"), at most `time` and `patience` after the begin. The callers are threads, which wake up more
/// precisely than timers of tokio do.
///
/// # Errors
/// When an answer is wrong.
pub fn paced<C: Caller>(
    address: SocketAddr,
    callers: &mut [C],
    every: Duration,
    time: Duration,
    patience: Duration,
) -> Result<Vec<Duration>> {
    let begin = Instant::now();
    let end = begin + time + patience;
    let number = u32::try_from(callers.len())?;
    let first = (0..number).map(|index| every * index);
    thread::scope(|scope| {
        let asking: Vec<_> = callers
            .iter_mut()
            .zip(first)
            .map(|(caller, first)| {
                scope.spawn(move || {
                    let mut stream = std::net::TcpStream::connect(address)?;
                    stream.set_nodelay(true)?;
                    let mut took = Vec::new();
                    let mut planned = first;
                    while planned < time {
                        thread::sleep((begin + planned).saturating_duration_since(Instant::now()));
                        ask_until(&mut stream, caller, end)?;
                        took.push(begin.elapsed() - planned);
                        planned += every * number;
                    }
                    anyhow::Ok(took)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in asking {
            all.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(all)
    })
}

/// Asks once and waits for the answer until `end`, after which nothing is asked any more.
fn ask_until(
    stream: &mut std::net::TcpStream,
    caller: &mut impl Caller,
    end: Instant,
) -> Result<()> {
    let Some(request) = caller.request() else {
        return Ok(());
    };
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    if Instant::now() < end {
        stream.write_all(request)?;
    }
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) => bail!("closed: {}", String::from_utf8_lossy(&answer)),
            Ok(length) => answer.extend(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if let Some(body) = body(&answer)? {
            return caller.answer(body).with_context(|| body.to_owned());
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// What was read of the answer.
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let buffer = Vec::with_capacity(16 * 1024);
        Ok(Self { stream, buffer })
    }

    /// `false` when there was nothing left to ask.
    async fn ask(&mut self, caller: &mut impl Caller) -> Result<bool> {
        let Some(request) = caller.request() else {
            return Ok(false);
        };
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("closed: {}", String::from_utf8_lossy(&self.buffer));
            }
            if let Some(body) = body(&self.buffer)? {
                caller.answer(body).with_context(|| body.to_owned())?;
                return Ok(true);
            }
        }
    }
}

/// The body of an answer; `None` until it is there.
///
/// # Errors
/// When the status is not 200, or it does not say how long it is.
pub fn body(answer: &[u8]) -> Result<Option<&str>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(answer)? else {
        return Ok(None);
    };
    if head.code != Some(200) {
        bail!("{}", String::from_utf8_lossy(answer));
    }
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = std::str::from_utf8(length.context("an answer without a length")?.value)?;
    match answer.get(start..start + length.parse::<usize>()?) {
        Some(body) => Ok(Some(std::str::from_utf8(body)?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_not_there_yet() {
        let answer = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert_eq!(body(&answer[..end]).unwrap(), None);
        }
        assert_eq!(body(answer).unwrap(), Some("{}"));
        assert!(body(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(body(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
