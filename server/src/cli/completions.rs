//! `countersign completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::Cli;
use super::output::enough;

/// Print what makes a shell complete our commands
///
/// The shell then offers commands, flags and their values when the tab key is pressed. Packages put the text where the shell
/// looks by itself; else read it in the shell's start file.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  source <(countersign completions bash)
  countersign completions bash > /etc/bash_completion.d/countersign
  countersign completions zsh > ~/.zfunc/_countersign
  countersign completions fish > ~/.config/fish/completions/countersign.fish

Settings: none.")]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut text = Vec::new();
    generate(
        arguments.shell,
        &mut Cli::command(),
        "countersign",
        &mut text,
    );
    let mut out = std::io::stdout().lock();
    enough(out.write_all(&text).and_then(|()| out.flush()))
}
