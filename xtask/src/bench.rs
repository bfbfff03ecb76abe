//! `cargo xtask bench`

use std::process::Command;

use anyhow::Result;

use crate::{
    process::{self, Running},
    project::Project,
};

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Handed to Criterion, for example a filter by name or `--save-baseline main`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    criterion: Vec<String>,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let mut build = project.command("cargo", "build --release --package server");
    wait(&mut build)?;
    let mut bench = project.command("cargo", "bench --package benches --benches --");
    // For those that measure the whole server from outside.
    bench.env("COUNTERSIGN_BIN", project.server("release"));
    wait(bench.args(&options.criterion))
}

fn wait(command: &mut Command) -> Result<()> {
    let name = process::describe(command);
    Running::start(command)?.wait(&name)
}
