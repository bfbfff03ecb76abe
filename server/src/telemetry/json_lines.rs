//! One JSON object a line, for production.
//!
//! The formatter of tracing-subscriber takes five times as long, most of it for spans, whose fields it writes when they begin
//! and reads again for each event. Here spans have no part: what a line is about is its request, which is known by its id.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;

use super::request_id;
use crate::clock::node_time;

/// Writes each event as a JSON object: `timestamp` (RFC 3339), `level`, `target`, `request` (its id, where there is one) and
/// `fields`.
pub(super) struct JsonLines<W>(pub(super) W);

thread_local! {
    /// The last line's memory. A field that logs while it is written finds none, and makes its own.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = LINE.take();
        line.clear();
        write_line(&mut line, event);
        // There is nowhere to say that the log cannot be written.
        let _ = self.0.make_writer_for(event.metadata()).write_all(&line);
        LINE.set(line);
    }
}

fn write_line(line: &mut Vec<u8>, event: &Event<'_>) {
    let normal = event.normalized_metadata();
    let metadata = normal.as_ref().unwrap_or_else(|| event.metadata());
    line.extend_from_slice(b"{\"timestamp\":\"");
    let now = Timestamp::from_millisecond(node_time().0).unwrap_or_default();
    // A vector takes all that is written.
    let _ = write!(
        line,
        "{now:.3}\",\"level\":\"{}\",\"target\":",
        metadata.level()
    );
    write_json(line, metadata.target());
    if let Some(id) = request_id::current() {
        line.extend_from_slice(b",\"request\":");
        write_json(line, id.as_str());
    }
    line.extend_from_slice(b",\"fields\":{");
    let mut fields = Fields {
        line,
        is_first: true,
    };
    event.record(&mut fields);
    line.extend_from_slice(b"}}\n");
}

fn write_json(line: &mut Vec<u8>, value: impl Serialize) {
    // What is given here are texts and numbers, all of which JSON has words for.
    let _ = serde_json::to_writer(line, &value);
}

/// Writes fields as the members of an object.
struct Fields<'a> {
    line: &'a mut Vec<u8>,
    is_first: bool,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl Serialize) {
        // Those of the crate `log` are in the metadata.
        if field.name().starts_with("log.") {
            return;
        }
        if !std::mem::take(&mut self.is_first) {
            self.line.push(b',');
        }
        write_json(self.line, field.name());
        self.line.push(b':');
        write_json(self.line, value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}
