//! SIGHUP: reads the configuration again and lets the running server go by it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;
use tokio::time::{Instant, interval_at};
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::clock::node_time;
use crate::config::{Fault, Flags, Settings};
use crate::http::{EXPIRES_SOON, Served, ServerTls};
use crate::telemetry::logs::Logs;

/// How often is looked whether the files of TLS have changed: those who renew certificates do not always tell.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(60);
/// How often it is said that the certificate expires soon.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Keeps a running server to its configuration.
pub(super) struct Reloader {
    /// What the configuration is read with.
    pub flags: Flags,
    /// Where the filter of the logs is changed.
    pub logs: Logs,
    /// The server as it is now.
    pub app: Arc<App>,
    /// What it serves at the public address.
    pub served: Arc<ArcSwap<Served>>,
    /// Whether the server was started in a terminal.
    pub in_terminal: bool,
}

impl Reloader {
    /// Reloads at each hangup, and ends only when the hangup was that of the terminal.
    pub(super) async fn run(mut self, mut hangups: Signal) {
        let later = |pause| interval_at(Instant::now() + pause, pause);
        let mut certificate = later(CERTIFICATE_INTERVAL);
        let mut expiry = later(EXPIRY_INTERVAL);
        loop {
            tokio::select! {
                _ = hangups.recv() => {
                    if self.in_terminal && !std::io::stderr().is_terminal() {
                        return;
                    }
                    self.reload().await;
                }
                _ = certificate.tick() => self.renew_certificate(),
                _ = expiry.tick() => self.warn_of_expiry(),
            }
        }
    }

    /// All of the new configuration that needs no restart, or, with any fault in it, nothing.
    async fn reload(&mut self) {
        let flags = self.flags.clone();
        let loaded = match tokio::task::spawn_blocking(move || Settings::load(&flags)).await {
            Ok(loaded) => loaded,
            Err(error) => return tracing::error!(%error, "the configuration was not read"),
        };
        let new = match loaded {
            Ok(new) => new,
            Err(faults) => {
                for Fault {
                    key,
                    origin,
                    problem,
                } in &faults.faults
                {
                    tracing::error!("{key} ({origin}) {problem}");
                }
                let count = faults.faults.len();
                return tracing::error!(
                    count,
                    "the configuration has faults: the one before stays in force"
                );
            }
        };
        if new.profile != self.app.settings.profile {
            return tracing::error!(
                "another profile needs a restart: the configuration before stays in force"
            );
        }
        let (settings, changes) = self.app.settings.reloaded(new);
        if let Ok(filter) = EnvFilter::try_new(&settings.log_filter) {
            self.logs.set_filter(filter);
        }
        log_warnings(&settings);
        self.serve(settings);
        // They are looked at each second in any case.
        self.app.tokens.tend_keys().await;
        if !changes.need_restart.is_empty() {
            let settings = changes.need_restart.join(" ");
            tracing::warn!(
                settings,
                "some of what has changed needs a restart, and has no effect until then"
            );
        }
        let changed = changes.applied.join(" ");
        tracing::info!(changed, "the configuration was read again");
    }

    fn serve(&mut self, settings: Settings) {
        self.app = self.app.reload(settings);
        self.served.store(Arc::new(Served::public(&self.app)));
    }

    fn renew_certificate(&mut self) {
        let Some(tls) = &self.app.settings.http.tls else {
            return;
        };
        match tls.reopen(node_time()) {
            Ok(new) if new == *tls => {}
            Ok(new) => {
                let mut settings = self.app.settings.clone();
                settings.http.tls = Some(new);
                self.serve(settings);
                tracing::info!("there is a new TLS certificate, which new connections get");
            }
            Err(error) => {
                tracing::warn!(%error, "the TLS files cannot be used: the certificate before stays in force");
            }
        }
    }

    fn warn_of_expiry(&self) {
        let expires_at = self
            .app
            .settings
            .http
            .tls
            .as_ref()
            .map(ServerTls::expires_at);
        let left = expires_at.map(|at| at.since(node_time()));
        if let Some(left) = left.filter(|left| *left < EXPIRES_SOON) {
            let hours = left.as_secs() / 3600;
            tracing::warn!(hours, "the TLS certificate expires soon: renew it");
        }
    }
}

/// Says what an operator should know about the settings.
pub(super) fn log_warnings(settings: &Settings) {
    for Fault {
        key,
        origin,
        problem,
    } in &settings.warnings
    {
        tracing::warn!("{key} ({origin}) {problem}");
    }
}
