//! `countersign man`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use serde_json::json;

use super::Cli;
use super::output::Output;

/// Write the manual pages into a folder
///
/// One page for each command, `countersign-users-create.1` for one, with what `--help` shows. Packages put them into
/// share/man/man1, where `man countersign` finds them.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  countersign man ~/.local/share/man/man1
  countersign man pages && man -l pages/countersign.1

Settings: none.")]
pub(super) struct ManualArguments {
    /// The folder, which is made when it is missing
    folder: PathBuf,
}

pub(super) fn run(arguments: &ManualArguments, output: Output) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("the pages cannot be written into {}", folder.display()))?;
    let text = format!("The pages are in {}.", folder.display());
    output.say(text, &json!({ "folder": folder.display().to_string() }))
}
