//! The server of connections: how many there may be, how long each may take, and how it ends.
//!
//! HTTP/1.1 only, over TLS too: all proxies and browsers speak it, and what is not there cannot be abused (rapid reset, h2c
//! smuggling). axum's own server sets none of these limits, so this drives hyper's.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use metrics::{Gauge, gauge};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::places::{Place, Places};
use super::site::Site;
use super::tls::ServerTls;
use crate::app::App;
use crate::config::ConnectionSettings;

/// The most that is kept of a request's head, or of an answer that is not taken.
const MAX_BUFFER_BYTES: usize = 32 * 1024;
/// How long to wait when the system has no more files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How many connections the address for operators takes: balancers and probes, which are few.
const OPERATIONS_CONNECTIONS: usize = 16;
/// How often it is said that there are too many connections.
const WARNING_PAUSE: Duration = Duration::from_secs(10);

/// The first byte of whoever speaks TLS: a record of the handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// What is told to those who do not.
const NOT_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 39\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: use https://.\r\n";

/// What is served at an address, and how. It may be swapped for another one at any time: the next request gets the new routes,
/// and the next connection all of it but `connections.max`.
pub struct Served {
    site: Site,
    connections: ConnectionSettings,
    trusted_proxies: Vec<IpNet>,
    tls: Option<ServerTls>,
}

impl Served {
    /// What is served at the public address.
    pub fn public(app: &Arc<App>) -> Self {
        let http = &app.settings.http;
        if let Some(tls) = &http.tls {
            let expires_at = tls.expires_at().as_secs();
            gauge!("countersign_tls_certificate_expiry_timestamp_seconds").set(expires_at as f64);
        }
        Self {
            site: Site::public(app),
            connections: http.connections,
            trusted_proxies: http.trusted_proxies.clone(),
            tls: http.tls.clone(),
        }
    }

    /// What is served to operators: without TLS, on a network of their own.
    pub fn operations(app: &Arc<App>) -> Self {
        let mut connections = app.settings.http.connections;
        connections.max = OPERATIONS_CONNECTIONS;
        Self {
            site: Site::operations(app),
            connections,
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }
}

/// Serves connections until `stopping` is cancelled, and then until the requests under way are answered.
///
/// Over the limit for all, a connection waits in the system's queue until another one ends; over the limit for its address, it is
/// closed at once, without a word.
pub async fn serve(
    listener: TcpListener,
    served: Arc<ArcSwap<Served>>,
    stopping: CancellationToken,
) {
    let door = Door {
        room: Arc::new(Semaphore::new(served.load().connections.max)),
        places: Arc::default(),
        listener,
    };
    let connections = TaskTracker::new();
    let (mut full, mut crowded) = (Warning::default(), Warning::default());
    while let Some((stream, address, permit)) =
        stopping.run_until_cancelled(door.accept(&mut full)).await
    {
        let ip = address.ip().to_canonical();
        let now = served.load_full();
        let limits = now.connections;
        let is_proxy = now.trusted_proxies.iter().any(|net| net.contains(&ip));
        // A proxy brings everybody's connections.
        let place = (!is_proxy).then(|| door.places.take(ip));
        if place
            .as_ref()
            .is_some_and(|place| place.neighbours() > limits.max_per_address)
        {
            if crowded.is_due() {
                tracing::warn!(%ip, "an address has COUNTERSIGN_HTTP__MAX_CONNECTIONS_PER_ADDRESS connections: no more are taken");
            }
            continue;
        }
        let connection = Connection {
            stream,
            address,
            limits,
            _permit: permit,
            _place: place,
            _open: Open::new(),
        };
        connections.spawn(connection.run(now.tls.clone(), Arc::clone(&served), stopping.clone()));
    }
    drop(door);
    connections.close();
    connections.wait().await;
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    room: Arc<Semaphore>,
    places: Arc<Places>,
}

impl Door {
    async fn accept(&self, full: &mut Warning) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        if self.room.available_permits() == 0 && full.is_due() {
            tracing::warn!("COUNTERSIGN_HTTP__MAX_CONNECTIONS are open: new ones wait");
        }
        loop {
            let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
                unreachable!("the semaphore is never closed");
            };
            match self.listener.accept().await {
                Ok((stream, address)) => return (stream, address, permit),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be taken");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The client went away before we came to it; the next one has nothing to do with it.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset
    )
}

/// Something that is worth saying, but not for each connection.
#[derive(Default)]
struct Warning(Option<Instant>);

impl Warning {
    fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|said| said.elapsed() >= WARNING_PAUSE);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    limits: ConnectionSettings,
    _permit: OwnedSemaphorePermit,
    _place: Option<Place>,
    _open: Open,
}

/// A connection that counts as open until it is dropped.
struct Open(Gauge);

impl Open {
    fn new() -> Self {
        let open = gauge!("countersign_http_connections");
        open.increment(1);
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Connection {
    async fn run(
        self,
        tls: Option<ServerTls>,
        served: Arc<ArcSwap<Served>>,
        stopping: CancellationToken,
    ) {
        let Self {
            stream,
            address,
            limits,
            _permit,
            _place,
            _open,
        } = self;
        let progress = Arc::new(Progress {
            awaits_head: AtomicBool::new(true),
            answers: AtomicUsize::new(0),
        });
        let impatient = |stream| Impatient {
            stream,
            limits,
            progress: Arc::clone(&progress),
            has_begun: true,
            head: None,
            write: None,
            answer: None,
        };
        let requests = Requests {
            address,
            limits,
            progress: Arc::clone(&progress),
            served,
        };
        let Some(tls) = tls else {
            return requests.answer(impatient(stream), &stopping).await;
        };
        let handshake = async {
            let stream = tls_only(stream, limits.stall_timeout).await?;
            tls.acceptor().accept(impatient(stream)).await
        };
        match stopping.run_until_cancelled(handshake).await {
            Some(Ok(stream)) => requests.answer(stream, &stopping).await,
            Some(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            None => {}
        }
    }
}

/// The stream, once its client has begun to speak TLS. One that begins to speak HTTP is told why it is not answered.
async fn tls_only(mut stream: TcpStream, limit: Duration) -> io::Result<TcpStream> {
    let mut first = [0];
    let peeked = timeout(limit, stream.peek(&mut first)).await;
    match peeked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? {
        1.. if first[0] == HANDSHAKE => Ok(stream),
        1.. if first[0].is_ascii_uppercase() => {
            // What is not read resets the connection, and with it the answer.
            stream.try_read(&mut [0; 4096])?;
            timeout(limit, stream.write_all(NOT_HTTPS)).await??;
            stream.shutdown().await?;
            Err(io::Error::other("it speaks HTTP without TLS"))
        }
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::Error::other("it speaks no TLS")),
    }
}

/// How the requests of a connection are answered.
struct Requests {
    address: SocketAddr,
    limits: ConnectionSettings,
    progress: Arc<Progress>,
    served: Arc<ArcSwap<Served>>,
}

impl Requests {
    /// Answers what comes over `stream`, until there is no more or `stopping` is cancelled.
    async fn answer<S>(self, stream: S, stopping: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            address,
            limits,
            progress,
            served,
        } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            progress.awaits_head.store(false, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(address));
            let served = served.load_full();
            let progress = Arc::clone(&progress);
            async move {
                let answer = served.site.answer(request.map(Body::new)).await;
                // What comes over a socket are no heads.
                let is_http = answer.status() != StatusCode::SWITCHING_PROTOCOLS;
                progress.answers.fetch_add(1, Ordering::Relaxed);
                progress.awaits_head.store(is_http, Ordering::Relaxed);
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Counts from the answer before, so it is the limit for silence; that for a head which has begun is our own.
            .header_read_timeout(limits.idle_timeout)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// How far a connection is.
struct Progress {
    /// Whether what comes next belongs to the head of a request.
    awaits_head: AtomicBool,
    /// How many requests have an answer.
    answers: AtomicUsize,
}

/// A stream whose other side may neither dribble a request's head nor refuse to take an answer, nor take for ever over one.
struct Impatient {
    stream: TcpStream,
    limits: ConnectionSettings,
    progress: Arc<Progress>,
    /// Whether some of a head has come; of the first one, whether there is a connection.
    has_begun: bool,
    /// Runs while the rest of it is waited for.
    head: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing can be written.
    write: Option<Pin<Box<Sleep>>>,
    /// The number of an answer that had to wait for its reader, and what runs since then.
    answer: Option<(usize, Pin<Box<Sleep>>)>,
}

/// Whether the time is over; starts it where it does not run yet.
fn poll_limit(
    timer: &mut Option<Pin<Box<Sleep>>>,
    limit: Duration,
    context: &mut Context<'_>,
) -> Poll<io::Error> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
    timer
        .as_mut()
        .poll(context)
        .map(|()| io::ErrorKind::TimedOut.into())
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if !this.progress.awaits_head.load(Ordering::Relaxed) {
            this.has_begun = false;
            this.head = None;
        } else if read.is_ready() {
            this.has_begun = true;
        } else if this.has_begun {
            let late = ready!(poll_limit(
                &mut this.head,
                this.limits.stall_timeout,
                context
            ));
            return Poll::Ready(Err(late));
        }
        read
    }
}

impl Impatient {
    fn limit_write<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write = None;
            return written;
        }
        let stalls = poll_limit(&mut self.write, self.limits.stall_timeout, context);
        let late = ready!(if stalls.is_ready() {
            stalls
        } else {
            self.poll_answer(context)
        });
        Poll::Ready(Err(late))
    }

    /// Whether the time for the answer that is being written is over. What goes over a socket is none.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.progress.awaits_head.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let number = self.progress.answers.load(Ordering::Relaxed);
        let mut timer = self
            .answer
            .take()
            .and_then(|(of, timer)| (of == number).then_some(timer));
        let late = poll_limit(&mut timer, self.limits.answer_timeout, context);
        self.answer = timer.map(|timer| (number, timer));
        late
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit_write(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limit_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
