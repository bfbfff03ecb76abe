//! `countersign check-config`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::failure::Kind;
use super::output::{Output, print};
use crate::config::{Faults, Settings};

/// Read the configuration and name everything that is wrong with it
///
/// It reads the file, the environment and the flags as `serve` does, and says at once all that a start would refuse, each with
/// the file, variable or flag that it came from. Nothing is opened or changed; `doctor` looks at what the settings name.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign check-config
  countersign check-config --config /etc/countersign/countersign.toml
  countersign check-config --json | jq -r '.faults[].key'

Settings: all. Exit code 3 when one is wrong.")]
pub(super) struct CheckConfigArguments {}

pub(super) fn run(settings: &Result<Settings, Faults>, output: Output) -> anyhow::Result<ExitCode> {
    match (settings, output) {
        (Ok(settings), _) => {
            let (profile, database) = (settings.profile, &settings.database.url);
            let report = json!({
                "profile": profile.to_string(), "database": database.to_string(),
                "faults": [], "warnings": settings.warnings,
            });
            let mut text =
                format!("The configuration is good: profile {profile}, database {database}.");
            for warning in &settings.warnings {
                text += &format!("\nWarning: {warning}");
            }
            output.say(text, &report)?;
            Ok(ExitCode::SUCCESS)
        }
        (Err(faults), Output::Text) => Err(faults.clone().into()),
        (Err(Faults { faults, warnings }), Output::Json) => {
            let report = json!({
                "profile": null, "database": null, "faults": faults, "warnings": warnings,
            });
            print(format_args!("{report}\n"))?;
            Ok(Kind::Configuration.into())
        }
    }
}
