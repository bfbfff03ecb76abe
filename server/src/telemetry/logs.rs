//! Logs: for people in development, one JSON object a line in production.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::Profile;

/// The logs of this process.
pub struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Logs {
    /// From now on logs what `filter` lets through.
    pub fn set_filter(&self, filter: EnvFilter) {
        if let Err(error) = self.filter.reload(filter) {
            tracing::warn!(%error, "what is logged could not be changed");
        }
    }
}

/// Logs what `filter` lets through to `writer`, for the rest of the process.
///
/// # Errors
/// When the process logs already.
pub fn start<W>(
    profile: Profile,
    filter: EnvFilter,
    writer: W,
    colours: bool,
) -> Result<Logs, TryInitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter);
    subscriber(profile, filter, writer, colours).try_init()?;
    Ok(Logs { filter: handle })
}

fn subscriber<W>(
    profile: Profile,
    filter: reload::Layer<EnvFilter, Registry>,
    writer: W,
    colours: bool,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match profile {
        Profile::Development => lines.boxed(),
        Profile::Production => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter.and(never_more_than())))
}

/// What no configured filter can make louder, because it would write secrets down.
fn never_more_than() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        // At `trace` whole messages, and the first of each socket holds a token.
        .with_target("tungstenite", LevelFilter::WARN)
        // At `debug` the parameters of statements: hashes, addresses, nonces.
        .with_target("tokio_postgres", LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn no_filter_makes_a_library_tell_secrets() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let filter =
            EnvFilter::new("trace,tokio_postgres::query=trace,tungstenite::protocol=trace");
        let writer = file.reopen().unwrap();
        let (filter, _handle) = reload::Layer::new(filter);
        let logs = subscriber(Profile::Production, filter, writer, false);
        tracing::subscriber::with_default(logs, || {
            tracing::debug!(target: "tokio_postgres::query", "executing with a hash");
            tracing::trace!(target: "tungstenite::protocol", "received a token");
            tracing::trace!(target: "countersign::sessions", "heard");
        });
        let text = fs::read_to_string(file.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["message"], "heard", "the only line");
    }
}
