//! `countersign serve`.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use rustix::process::{Resource, Rlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::config::Settings;
use crate::{http, logging};

/// How long requests under way may take to finish after the signal to stop.
const GRACE: Duration = Duration::from_secs(20);
const NO_CORE: Rlimit = Rlimit {
    current: Some(0),
    maximum: Some(0),
};

/// Serves until SIGINT or SIGTERM, then finishes the requests under way.
pub(super) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_filter).context("COUNTERSIGN_LOG__FILTER")?;
    let colours = std::io::stderr().is_terminal();
    logging::start(settings.profile, filter, std::io::stderr, colours)?;
    // A core dump holds every key.
    rustix::process::setrlimit(Resource::Core, NO_CORE)
        .context("core dumps cannot be switched off")?;
    let mut signals = Signals::new()?;
    let app = tokio::select! {
        started = App::start(settings) => started?,
        // Somebody may hold the lock of the migrations for long.
        () = signals.next() => return Ok(()),
    };
    let settings = &app.settings;
    let (stop, stopping) = watch::channel(());
    let public = listen(settings.http.listen, "COUNTERSIGN_HTTP__LISTEN").await?;
    let address = public.local_addr()?;
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(run(
        public,
        http::public_router(Arc::clone(&app)),
        stopping.clone(),
    ));
    if let Some(address) = settings.ops_listen {
        let operations = listen(address, "COUNTERSIGN_OPS__LISTEN").await?;
        servers.spawn(run(
            operations,
            http::operations_router(Arc::clone(&app)),
            stopping,
        ));
    }
    tracing::info!(%address, public_url = %settings.http.public_url, database = %settings.database.url, "serving");
    let housekeeping = tokio::spawn(Arc::clone(&app).keep_house());
    signals.next().await;
    drain(&app, &mut signals).await;
    tracing::info!("stopping: requests under way are being finished");
    drop(stop);
    // The servers do not wait for sockets.
    let finish = async { tokio::join!(servers.join_all(), app.sockets.close()) };
    let finished = tokio::time::timeout(GRACE, finish).await;
    housekeeping.abort();
    match finished {
        Ok((results, ())) => results
            .into_iter()
            .collect::<Result<(), _>>()
            .context("a server failed"),
        Err(_) => anyhow::bail!("requests were still under way {GRACE:?} after the signal to stop"),
    }
}

async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with {variable}")
    })
}

async fn run(
    listener: TcpListener,
    router: Router,
    mut stopping: watch::Receiver<()>,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // The sender is dropped to stop, so an error is the signal.
    let stopped = async move {
        let _ = stopping.changed().await;
    };
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
}

/// Lets load balancers find out before connections are refused. A second signal cuts it short.
async fn drain(app: &App, signals: &mut Signals) {
    let pause = app.settings.http.drain;
    if pause.is_zero() {
        return;
    }
    tracing::info!(
        ?pause,
        "about to stop: not ready any more, and still serving"
    );
    app.readiness.drain();
    // Whichever is first.
    let _ = tokio::time::timeout(pause, signals.next()).await;
}

/// SIGTERM and SIGINT. One that comes while nobody waits is not lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
