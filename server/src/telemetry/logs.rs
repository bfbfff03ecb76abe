//! Logs: for people in development, one JSON object a line in production.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use super::json_lines::JsonLines;
use super::{BoxedLayer, request_id};
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

/// Logs what `filter` lets through to `writer`, for the rest of the process; `spans` are told to whom traces go, where there is
/// somebody.
///
/// # Errors
/// When the process logs already.
pub fn start<W>(
    profile: Profile,
    filter: EnvFilter,
    writer: W,
    colours: bool,
    spans: Option<BoxedLayer>,
) -> Result<Logs, TryInitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter);
    subscriber(profile, filter, writer, colours, spans).try_init()?;
    Ok(Logs { filter: handle })
}

fn subscriber<W>(
    profile: Profile,
    filter: reload::Layer<EnvFilter, Registry>,
    writer: W,
    colours: bool,
    spans: Option<BoxedLayer>,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = match profile {
        Profile::Development => fmt::layer()
            .with_writer(writer)
            .with_ansi(colours)
            .fmt_fields(FieldsAndRequest)
            .boxed(),
        Profile::Production => JsonLines(writer).boxed(),
    };
    // A span that nobody looks at costs nothing.
    let events = filter_fn(|metadata| metadata.is_event());
    let filter = filter.and(never_more_than()).and(events);
    let mut layers = vec![lines.with_filter(filter).boxed()];
    layers.extend(spans);
    tracing_subscriber::registry().with(layers)
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

/// A line for people: its fields, and the request that it is about.
struct FieldsAndRequest;

impl<'w> FormatFields<'w> for FieldsAndRequest {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'w>,
        fields: R,
    ) -> std::fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        match request_id::current() {
            Some(id) => write!(writer, " request={id}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::telemetry::request_id::RequestId;

    /// What is logged meanwhile, in production and at its loudest.
    fn logged(filter: &str, work: impl FnOnce(&Logs)) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (filter, handle) = reload::Layer::new(EnvFilter::new(filter));
        let writer = file.reopen().unwrap();
        let subscriber = subscriber(Profile::Production, filter, writer, false, None);
        tracing::subscriber::with_default(subscriber, || work(&Logs { filter: handle }));
        fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn no_filter_makes_a_library_tell_secrets() {
        let filter = "trace,tokio_postgres::query=trace,tungstenite::protocol=trace";
        let text = logged(filter, |_| {
            tracing::debug!(target: "tokio_postgres::query", "executing with a hash");
            tracing::trace!(target: "tungstenite::protocol", "received a token");
            tracing::trace!(target: "countersign::sessions", "heard");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["message"], "heard", "the only line");
    }

    #[tokio::test]
    async fn a_line_is_one_object_that_names_its_request_whatever_stands_in_it() {
        let text = logged("info", |_| {
            let id = RequestId::parse("request-1").unwrap();
            let work = request_id::within(Some(id), async {
                let odd = "a \"quote\",\na line and \u{1}";
                tracing::warn!(odd, number = -7, share = 0.5, yes = true, debug = ?odd, "what {odd}");
            });
            futures_util::FutureExt::now_or_never(work).unwrap();
            tracing::info!("of no request");
        });
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [line, other] = lines.as_slice() else {
            unreachable!("two lines: {text}")
        };
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["request"], "request-1");
        assert!(line["target"].as_str().unwrap().contains("telemetry::logs"));
        let time: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(time > jiff::Timestamp::UNIX_EPOCH);
        let fields = &line["fields"];
        assert_eq!(fields["odd"], "a \"quote\",\na line and \u{1}");
        assert_eq!(fields["message"], "what a \"quote\",\na line and \u{1}");
        assert_eq!(
            fields["debug"],
            format!("{:?}", "a \"quote\",\na line and \u{1}")
        );
        assert_eq!(
            (&fields["number"], &fields["share"]),
            (&(-7).into(), &0.5.into())
        );
        assert_eq!(fields["yes"], true);
        assert_eq!(other.get("request"), None);
    }

    #[test]
    fn what_is_logged_can_be_changed() {
        let text = logged("warn", |logs| {
            tracing::info!("not yet");
            logs.set_filter(EnvFilter::new("info"));
            tracing::info!("now");
        });
        assert!(!text.contains("not yet") && text.contains("now"), "{text}");
    }
}
