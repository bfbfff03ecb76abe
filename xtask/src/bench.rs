//! `cargo xtask bench`

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
    let mut bench = project.command("cargo", "bench --package benches --benches --");
    bench.args(&options.criterion);
    let name = process::describe(&bench);
    Running::start(&mut bench)?.wait(&name)
}
