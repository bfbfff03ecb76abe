//! `cargo xtask bench`

use std::process::Command;

use anyhow::Result;

use crate::{
    npm,
    process::{self, Running},
    project::Project,
    steps::Steps,
};

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Nothing, or `report [GOAL…] [--quick]`: measure the goals and write docs/benchmarks. Anything else is handed to Criterion,
    /// for example a filter by name or `--save-baseline main`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    what: Vec<String>,
}

pub(crate) fn run(project: &Project, mut steps: Steps, options: &Options) -> Result<()> {
    wait(&mut project.command("cargo", "build --release --package server"))?;
    let mut bench = match options.what.split_first() {
        Some((first, _)) if first != "report" => {
            let mut bench = project.command("cargo", "bench --package benches --benches --");
            bench.args(&options.what);
            bench
        }
        report => {
            steps.expect(1);
            // Not of the workspace: nobody who does not measure them should install them.
            let peers = project.root.join("benches/peers");
            steps.step("the peers' npm packages", |step| {
                npm::install_in(project, &peers, step)
            })?;
            let mut bench = project.command("cargo", "run --release --package benches --");
            bench.args(report.map_or(&[][..], |(_, arguments)| arguments));
            bench
        }
    };
    // For those that measure the whole server from outside.
    bench.env("COUNTERSIGN_BIN", project.server("release"));
    wait(&mut bench)
}

fn wait(command: &mut Command) -> Result<()> {
    let name = process::describe(command);
    Running::start(command)?.wait(&name)
}
