//! Countersign's development commands: `cargo xtask <command>`. For Linux and macOS.
//!
//! A library for the sake of `chaos`, which starts processes and PostgreSQL as these commands do.

mod bench;
mod changelog;
mod chaos;
mod demo;
mod deny;
mod dist;
mod evidence;
mod fresh;
mod fuzz;
mod links;
mod logs;
mod npm;
mod paths;
pub mod postgres;
pub mod process;
mod project;
mod sbom;
mod schema;
mod steps;
mod test;
mod tidy;
pub mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{project::Project, steps::Steps};

#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Countersign's development commands"
)]
struct Cli {
    /// Show what every tool prints (always so when the output is no terminal).
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything, make demo users, and serve it all on localhost.
    Demo(demo::Options),
    /// Run every check and test: what CI runs.
    Test(test::Options),
    /// Build the npm package `@countersign/client` with its WASM core, and print the sizes.
    Npm,
    /// Build a release of the server: one static binary with all pages, its archive and checksums, in `target/dist`.
    Dist(dist::Options),
    /// Build the npm package from the last commit in two folders, and compare what is packed.
    Reproduce,
    /// Write `schema.graphql` from the code.
    Schema(schema::Options),
    /// Hold what must be absent from each part of the sources.
    Tidy,
    /// Measure the goals beside peers and limits and write docs/benchmarks, or run one of the benchmarks.
    Bench(bench::Options),
    /// Run the fault suite: three nodes, a load balancer and PostgreSQL, and what breaks.
    Chaos(chaos::Options),
    /// Try hostile input: cargo-fuzz, and forged tokens for server, browser and jose.
    Fuzz(fuzz::Options),
    /// Check licences and sources of the dependencies with cargo-deny.
    Deny,
    /// Ask for known vulnerabilities of the dependencies: RustSec and the npm registry, over the network.
    Advisories,
    /// Write what everything is made of (CycloneDX, JSON) into `target/sbom`.
    Sbom,
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Causes without a backtrace: what went wrong here is a tool or the machine.
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    process::stop_children_on_interrupt()?;
    let project = Project::discover()?;
    let steps = Steps::new(cli.verbose);
    match cli.command {
        Command::Demo(options) => demo::run(&project, steps, &options),
        Command::Test(options) => test::run(&project, steps, &options),
        Command::Npm => npm::run(&project, steps),
        Command::Dist(options) => dist::run(&project, steps, &options),
        Command::Reproduce => npm::reproduce(&project, steps),
        Command::Schema(options) => schema::run(&project, &options),
        Command::Tidy => tidy::run(&project),
        Command::Bench(options) => bench::run(&project, steps, &options),
        Command::Chaos(options) => chaos::run(&project, steps, &options),
        Command::Fuzz(options) => fuzz::run(&project, steps, &options),
        Command::Deny => deny::run(&project, steps),
        Command::Advisories => deny::advisories(&project, steps),
        Command::Sbom => sbom::run(&project, steps),
    }
}
