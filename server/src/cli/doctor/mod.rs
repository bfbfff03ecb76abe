//! `countersign doctor`: one small function for each thing that it looks at.

mod database;
mod keys;
mod machine;
mod network;
mod report;
mod settings;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::output::Output;
use crate::config::{Faults, Settings};
use report::{Finding, Report};

/// How long each look may take. What hangs must not keep the rest from being told.
const LIMIT: Duration = Duration::from_secs(15);

/// Say what is wrong with this installation, and how to mend it
///
/// It looks at the configuration, the database, the keys, the clock, the disk and the addresses to listen at. It changes
/// nothing, makes no file, works beside a running server, and gives up on each thing after 15 s. Run it as the user and with the
/// configuration that the server has.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign doctor
  countersign doctor --json | jq '.checks[] | select(.level != \"OK\")'

Settings: all. Exit code 0 when the server can do its work, warnings included, and 1 when something is wrong.")]
pub(super) struct DoctorArguments {}

pub(super) async fn run(
    settings: Result<Settings, Faults>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(output);
    match settings {
        Err(faults) => report.add(settings::faults(&faults))?,
        Ok(settings) => examine(&settings, &mut report).await?,
    }
    report.finish()
}

async fn examine(settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    report.add(settings::examine(settings))?;
    let looked = within("database", database::examine(settings)).await;
    let (findings, is_usable) = looked.unwrap_or_else(|late| (vec![late], false));
    report.add(findings)?;
    let looked = within("keys", keys::examine(settings, is_usable)).await;
    report.add(looked.unwrap_or_else(|late| vec![late]))?;
    report.add(machine::examine(settings))?;
    report.add(network::examine(settings))
}

/// What a look comes to, or that it took too long.
async fn within<T>(check: &'static str, look: impl Future<Output = T>) -> Result<T, Finding> {
    tokio::time::timeout(LIMIT, look).await.map_err(|_| {
        Finding::fault(
            check,
            format!("no answer within {LIMIT:?}"),
            "find out what it waits for: a network, a lock, a disk",
        )
    })
}
