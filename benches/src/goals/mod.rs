//! What is measured for the report: one module for each story, which gives one goal or several.

mod login;
mod me;
mod refresh;
mod storm;

use anyhow::Result;

use crate::Bench;
use crate::report::Goal;

/// A name for the command line, and what measures it.
pub type Measurement = (&'static str, fn(&Bench) -> Result<Vec<Goal>>);

/// All that there are.
pub const ALL: &[Measurement] = &[
    ("me-warm", me::warm),
    ("me-cold", me::cold),
    ("refresh-sqlite", refresh::run),
    ("login", login::run),
    ("storm", storm::run),
];
