//! Measures the goals and writes docs/benchmarks: `cargo xtask bench` (README.md).
//!
//! `COUNTERSIGN_BIN` names the server's release binary; `cargo xtask bench` builds and sets it.

use std::env;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use benches::{
    Bench, goals,
    limits::{self, Limit},
    report,
};
use clap::Parser;

/// That of the server: the limits must not be slower for another one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "report")]
struct Arguments {
    /// What to measure: all, unless named.
    goals: Vec<String>,
    /// Short rounds, to see that all of it runs; written beside the server's binary
    #[arg(long)]
    quick: bool,
    /// Be one of the servers that do nothing instead
    #[arg(long, hide = true, requires = "listen")]
    limit: Option<Limit>,
    #[arg(long, hide = true)]
    listen: Option<SocketAddr>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let (Some(limit), Some(address)) = (arguments.limit, arguments.listen) {
        return limits::serve(limit, address);
    }
    let binary = env::var_os("COUNTERSIGN_BIN");
    let binary = binary.context("COUNTERSIGN_BIN names no server: see `cargo xtask bench`")?;
    let bench = Bench::new(binary.into(), env::current_dir()?, arguments.quick)?;
    let known: Vec<&str> = goals::ALL.iter().map(|(name, _)| *name).collect();
    for name in &arguments.goals {
        ensure!(
            known.contains(&name.as_str()),
            "{name} is none of {}",
            known.join(", ")
        );
    }
    let is_wanted =
        |name: &str| arguments.goals.is_empty() || arguments.goals.iter().any(|goal| goal == name);
    for (name, measure) in goals::ALL {
        if is_wanted(name) {
            eprintln!("{name}");
            let measured = measure(&bench).context(*name)?;
            report::add(&bench.output(), &bench.setting, measured)?;
        }
    }
    Ok(())
}
