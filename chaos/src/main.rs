//! The fault suite: real processes on loopback, and what breaks (docs/fault-suite.md). `cargo xtask chaos` builds and runs it.

mod api;
mod cluster;
mod faults;
mod ledger;
mod load;
mod proxy;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use tokio::time::sleep;
use xtask::postgres::Postgres;
use xtask::{process, tools};

use crate::cluster::{Build, Cluster, Plan};
use crate::faults::{FAULTS, Fault};
use crate::load::Size;
use crate::report::Row;

/// Breaks a cluster of Countersign nodes in every known way, and counts what comes of it.
#[derive(Parser)]
struct Cli {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// The one to upgrade from.
    #[arg(long)]
    previous: Option<PathBuf>,
    /// The folder for what the processes log.
    #[arg(long)]
    logs: PathBuf,
    /// Write the table to this file, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only this fault; may be repeated.
    #[arg(long, value_parser = PossibleValuesParser::new(FAULTS.iter().map(|fault| fault.name)))]
    only: Vec<String>,
    /// Fewer operations, and no fault that needs a second build.
    #[arg(long)]
    short: bool,
}

const FULL: Size = Size {
    people: 16,
    operations: 1000,
    rounds: 3,
    races: 120,
    revocations: 1000,
};
const SHORT: Size = Size {
    people: 8,
    operations: 100,
    rounds: 1,
    races: 12,
    revocations: 50,
};

/// What every fault is given.
pub struct Suite {
    /// The database of all.
    pub postgres: Postgres,
    /// The server.
    pub build: Build,
    /// The one to upgrade from.
    pub previous: Option<Build>,
    /// How much is done.
    pub size: Size,
    logs: PathBuf,
}

impl Suite {
    /// Three nodes on an empty database.
    pub async fn cluster(&self, plan: &Plan) -> Result<Cluster> {
        self.cluster_of(&self.build, plan).await
    }

    /// Three nodes of another build.
    pub async fn cluster_of(&self, build: &Build, plan: &Plan) -> Result<Cluster> {
        Cluster::start(&self.postgres, build, plan, &self.logs).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    process::stop_children_on_interrupt()?;
    let faults = chosen(&cli);
    let bin = tools::postgres().context("PostgreSQL is missing")?;
    let mut suite = Suite {
        postgres: Postgres::start_durable(&bin)?,
        build: Build::new(&cli.server)?,
        previous: cli.previous.as_deref().map(Build::new).transpose()?,
        size: if cli.short { SHORT } else { FULL },
        logs: cli.logs.clone(),
    };
    let mut rows: Vec<Row> = Vec::new();
    for fault in faults {
        let start = Instant::now();
        suite.logs = cli.logs.join(fault.name);
        // What the last run wrote; there may be none.
        let _ = std::fs::remove_dir_all(&suite.logs);
        let result = tokio::select! {
            result = (fault.run)(&mut suite) => result,
            () = interrupted() => bail!("interrupted"),
        };
        let row = result.unwrap_or_else(|error| Row::failed(fault.name, &error));
        let outcome = if row.passed() { "ok" } else { "FAILED" };
        println!(
            "{:<24} {:>6.1} s  {outcome}",
            fault.name,
            start.elapsed().as_secs_f64()
        );
        rows.push(row);
    }
    report::print(&rows);
    if let Some(file) = &cli.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let failed = rows.iter().filter(|row| !row.passed()).count();
    ensure!(
        failed == 0,
        "{failed} of {} faults were not withstood",
        rows.len()
    );
    Ok(())
}

/// Waits until somebody asks to stop; what a fault has broken is then mended by the end of its processes.
async fn interrupted() {
    while !process::interrupted() {
        sleep(Duration::from_millis(100)).await;
    }
}

fn chosen(cli: &Cli) -> Vec<&'static Fault> {
    let is_chosen = |fault: &&Fault| match cli.only.is_empty() {
        true => !(cli.short && fault.needs_previous),
        false => cli.only.iter().any(|name| name == fault.name),
    };
    FAULTS.iter().filter(is_chosen).collect()
}
