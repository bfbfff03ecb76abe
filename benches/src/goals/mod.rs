//! What is measured for the report: one module for each story, which gives one goal or several.

use anyhow::Result;

use crate::Bench;
use crate::report::Goal;

/// A name for the command line, and what measures it.
pub type Measurement = (&'static str, fn(&Bench) -> Result<Vec<Goal>>);

/// In the order of the report.
pub const ALL: &[Measurement] = &[];
