//! `countersign passwords`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Subcommand;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::say;
use crate::accounts::{BuildPhase, BuildProgress, build_filter};

/// What can be done about passwords from the command line.
#[derive(Subcommand)]
pub(super) enum PasswordsCommand {
    /// Make the filter for COUNTERSIGN_PASSWORDS__BREACHED of lists of stolen passwords
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

pub(super) fn run(command: PasswordsCommand) -> anyhow::Result<()> {
    let PasswordsCommand::BuildFilter { from, to } = command;
    let built = build_filter(&from, &to, &mut *progress())?;
    for (list, format) in from.iter().zip(&built.formats) {
        match format {
            Some(format) => say(format_args!("{}: {format}", list.display()))?,
            None => say(format_args!("{}: nothing", list.display()))?,
        }
    }
    let count = HumanCount(built.passwords);
    say(format_args!("{} has {count} passwords.", to.display()))?;
    Ok(())
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
