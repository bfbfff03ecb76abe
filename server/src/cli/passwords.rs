//! `countersign passwords`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::output::Output;
use crate::accounts::{BuildPhase, BuildProgress, build_filter};

/// Prepare the check against stolen passwords
///
/// New passwords are compared with a filter on the disk, so nothing is asked of another service. docs/operations.md, "Stolen
/// passwords", has the whole of it.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign passwords build-filter --from pwned-sha1.txt --to new.filter

Settings: none here; COUNTERSIGN_PASSWORDS__BREACHED names the filter to the servers.")]
pub(super) struct PasswordsArguments {
    #[command(subcommand)]
    command: PasswordsCommand,
}

#[derive(Subcommand)]
enum PasswordsCommand {
    /// Make the filter for COUNTERSIGN_PASSWORDS__BREACHED of lists of stolen passwords
    ///
    /// 18 bits for each password. It never misses one of its lists, and takes one in 65,536 others for one of them. Make it on
    /// any machine, give every node the same, and replace it by renaming a new one into its place.
    #[command(after_long_help = "\
Examples:
  countersign passwords build-filter --from pwned-sha1.txt --to new.filter
  countersign passwords build-filter --from hashes/ words.txt --to new.filter

Settings: none here; COUNTERSIGN_PASSWORDS__BREACHED names the filter to the servers.")]
    BuildFilter {
        /// Have I Been Pwned's SHA-1 list (a file of `SHA1:count` lines, or a folder of files named by the first five digits),
        /// or files with a password in each line
        #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
        from: Vec<PathBuf>,
        /// The filter. Beside it 8 bytes for each password are needed meanwhile
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

pub(super) fn run(arguments: PasswordsArguments, output: Output) -> anyhow::Result<()> {
    let PasswordsCommand::BuildFilter { from, to } = arguments.command;
    let built = build_filter(&from, &to, &mut *progress())?;
    let formats = built
        .formats
        .iter()
        .map(|format| format.map(|format| format.to_string()));
    let lists: Vec<_> = from
        .iter()
        .map(|list| list.display().to_string())
        .zip(formats)
        .collect();
    if output == Output::Text {
        for (list, format) in &lists {
            let format = format.as_deref().unwrap_or("nothing");
            output.say(format_args!("{list}: {format}"), &Value::Null)?;
        }
    }
    let (count, to) = (built.passwords, to.display().to_string());
    let lists: Vec<Value> = lists
        .into_iter()
        .map(|(list, format)| json!({ "list": list, "format": format }))
        .collect();
    output.say(
        format_args!("{to} has {} passwords.", HumanCount(count)),
        &json!({ "filter": to, "passwords": count, "lists": lists }),
    )
}

/// A bar where somebody looks on, nothing else.
fn progress() -> Box<dyn BuildProgress> {
    match std::io::stderr().is_terminal() {
        true => Box::new(Bar(ProgressBar::hidden())),
        false => Box::new(Silence),
    }
}

struct Bar(ProgressBar);

impl BuildProgress for Bar {
    fn phase(&mut self, phase: BuildPhase, total: u64) {
        self.0.finish_and_clear();
        self.0 = ProgressBar::new(total);
        let (verb, unit) = match phase {
            BuildPhase::Reading => ("reading", "{bytes}/{total_bytes}"),
            BuildPhase::Making => ("building", "{human_pos}/{human_len}"),
        };
        let template = format!("{verb:10} {{bar:30}} {unit} {{eta}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.0.set_style(style);
        }
    }

    fn advance(&mut self, done: u64) {
        self.0.inc(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

struct Silence;

impl BuildProgress for Silence {
    fn phase(&mut self, _phase: BuildPhase, _total: u64) {}

    fn advance(&mut self, _done: u64) {}
}
