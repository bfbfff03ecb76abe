//! What a server tells those who run it: logs, metrics and traces.

mod json_lines;
mod line_writer;
pub mod logs;
pub mod metrics;
pub mod request_id;
pub mod traces;

pub use line_writer::LineWriter;

use tracing_subscriber::{Layer, Registry};

/// A part of what hears of events and spans.
pub type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;
