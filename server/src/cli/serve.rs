//! `countersign serve`.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::reload::{self, Reloader};
use crate::app::App;
use crate::config::{Flags, Settings};
use crate::http::{self, Served};
use crate::telemetry::traces::Traces;
use crate::telemetry::{LineWriter, logs};

/// How long requests under way may take to finish after the signal to stop.
const GRACE: Duration = Duration::from_secs(20);

/// Serve the API, and the demo and GraphiQL where they are built
///
/// What runs without a command. It brings the schema up to date, listens then, and serves until SIGTERM or SIGINT, after which
/// requests under way are finished. In development it listens on this machine only.
#[derive(Args, Default)]
#[command(after_long_help = "\
Examples:
  countersign
  countersign serve --listen 127.0.0.1:4001
  countersign serve --database-url postgres://countersign@localhost/countersign

Settings: all; docs/operations.md begins with those that production needs.")]
pub(super) struct ServeArguments {
    /// Refuse to start on an outdated schema instead of bringing it up to date
    #[arg(long)]
    pub(super) no_migrate: bool,
}

/// Serves until SIGINT or SIGTERM, then finishes the requests under way. SIGHUP reads the configuration again.
pub(super) async fn serve(flags: Flags) -> anyhow::Result<()> {
    let mut settings = Settings::load(&flags)?;
    let filter = EnvFilter::try_new(&settings.log_filter).context("COUNTERSIGN_LOG__FILTER")?;
    let in_terminal = std::io::stderr().is_terminal();
    let (lines, _flush) = LineWriter::start(std::io::stderr())?;
    let (spans, traces) = Traces::start(&settings.traces)?.unzip();
    let logs = logs::start(settings.profile, filter, lines, in_terminal, spans)?;
    reload::log_warnings(&settings);
    share_files(&mut settings);
    // From now on, as one that nobody waits for ends the process.
    let hangups = signal(SignalKind::hangup())?;
    let mut signals = Signals::new()?;
    let app = tokio::select! {
        started = App::start(settings) => started?,
        // Somebody may hold the lock of the migrations for long.
        () = signals.next() => return Ok(()),
    };
    let settings = &app.settings;
    let stopping = CancellationToken::new();
    let public = listen(settings.http.listen, "COUNTERSIGN_HTTP__LISTEN").await?;
    let address = public.local_addr()?;
    let mut servers = JoinSet::new();
    let served = Arc::new(ArcSwap::from_pointee(Served::public(&app)));
    servers.spawn(http::serve(public, Arc::clone(&served), stopping.clone()));
    if let Some(address) = settings.ops_listen {
        let operations = listen(address, "COUNTERSIGN_OPS__LISTEN").await?;
        let served = Arc::new(ArcSwap::from_pointee(Served::operations(&app)));
        servers.spawn(http::serve(operations, served, stopping.clone()));
    }
    tracing::info!(%address, public_url = %settings.http.public_url, database = %settings.database.url, "serving");
    let housekeeping = tokio::spawn(Arc::clone(&app).keep_house());
    let reloader = Reloader {
        flags,
        logs,
        app: Arc::clone(&app),
        served,
        in_terminal,
    };
    tokio::select! {
        () = signals.next() => {}
        // Nobody is there any more to wait for the requests under way, or to be told.
        () = reloader.run(hangups) => return Ok(()),
    }
    drain(&app, &mut signals).await;
    tracing::info!("stopping: requests under way are being finished");
    stopping.cancel();
    // The servers do not wait for sockets.
    let finish = async { tokio::join!(servers.join_all(), app.sockets.close()) };
    let finished = tokio::time::timeout(GRACE, finish).await;
    housekeeping.abort();
    if let Some(traces) = traces {
        traces.finish().await;
    }
    match finished {
        Ok(_) => Ok(()),
        Err(_) => anyhow::bail!("requests were still under way {GRACE:?} after the signal to stop"),
    }
}

async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with {variable}")
    })
}

/// Connections and sockets take no more than three quarters of the files that the system gives, each its share: the database,
/// the address for operators and assets need some too.
fn share_files(settings: &mut Settings) {
    let mut limit = getrlimit(Resource::Nofile);
    // What is given at first is often 1,024 only, for programs of old that cannot count further.
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the number of files cannot be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = usize::try_from(files / 4 * 3).unwrap_or(usize::MAX);
    let connections = &mut settings.http.connections.max;
    let sockets = &mut settings.events.max;
    let wanted = *connections + *sockets;
    if wanted > room {
        for most in [&mut *connections, &mut *sockets] {
            *most = (*most * room / wanted).max(1);
        }
        tracing::warn!(
            files,
            connections,
            sockets,
            "COUNTERSIGN_HTTP__MAX_CONNECTIONS and COUNTERSIGN_EVENTS__MAX are lowered: raise the limit of open files"
        );
    }
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
