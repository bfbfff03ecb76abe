//! The faults. Each starts a cluster, lets people work on it, breaks something, and hands in the row of the table.

mod clocks;
mod network;
mod nodes;
mod postgres;
mod races;
mod revocations;

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
    ($($name:literal $(needs $previous:ident)? => $run:path),* $(,)?) => {
        &[$(Fault {
            name: $name,
            run: |suite| Box::pin($run($name, suite)),
            needs_previous: !stringify!($($previous)?).is_empty(),
        }),*]
    };
}

/// All of them, in the order of the table.
pub const FAULTS: &[Fault] = faults! {
    "node-killed" => nodes::killed,
    "rolling-restart" => nodes::restarted_in_turn,
    "rolling-upgrade" needs previous => nodes::upgraded_in_turn,
    "node-cut-off" => network::node_cut_off,
    "connections-reset" => network::connections_reset,
    "notifications-cut" => network::notifications_cut,
    "pooler" => network::pooler_restarted,
    "postgres-stopped" => postgres::stopped,
    "postgres-restarted" => postgres::restarted,
    "postgres-frozen" => postgres::frozen,
    "slow-transaction" => revocations::slow_transaction,
    "login-race" => races::logins,
    "administrators-race" => races::administrators,
    "refresh-race" => races::refreshes,
    "clock-steps" => clocks::stepped,
    "revocations-notified" => revocations::notified,
    "revocations-polled" => revocations::polled,
};
