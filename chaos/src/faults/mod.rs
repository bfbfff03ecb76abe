//! The faults. Each starts a cluster, lets people work on it, breaks something, and hands in the row of the table.

mod nodes;

use std::pin::Pin;

use anyhow::Result;

use crate::Suite;
use crate::report::Row;

/// One way to break things.
pub struct Fault {
    /// Its name in the table.
    pub name: &'static str,
    /// Does it.
    pub run: for<'a> fn(&'a mut Suite) -> Running<'a>,
    /// Whether it needs a binary to upgrade from.
    pub needs_previous: bool,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Row>> + 'a>>;

macro_rules! faults {
    ($($name:literal => $run:path),* $(,)?) => {
        &[$(Fault {
            name: $name,
            run: |suite| Box::pin($run($name, suite)),
            needs_previous: false,
        }),*]
    };
}

/// All of them, in the order of the table.
pub const FAULTS: &[Fault] = faults! {
    "node-killed" => nodes::killed,
};
