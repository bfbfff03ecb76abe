//! What is measured for the report: one module for each story, which gives one goal or several.

mod footprint;
mod growth;
mod login;
mod me;
mod postgres;
mod refresh;
mod storm;
mod subscribers;

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
    ("refresh-postgres", postgres::run),
    ("growth", growth::run),
    ("subscribers", subscribers::run),
    ("idle", footprint::idle),
    ("start", footprint::start),
    ("storm-memory", footprint::storm),
];
